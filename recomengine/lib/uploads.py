"""How large an upload may be, while it comes in: on the dashboard's port nothing in front of Django looks."""

from typing import Any, Final

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler

MARGIN: Final = 1024 * 1024
"""What a form may hold beside its file, in bytes."""


class LimitedUpload(FileUploadHandler):
    """Ends an upload that is too large; strangers upload nothing to speak of.

    The API's views look at the body only once they know who calls.
    """

    def handle_raw_input(
        self, input_data: Any, META: dict[str, Any], content_length: int, boundary: str, encoding: str | None = None
    ) -> None:
        self._received = 0
        self._check(content_length)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        self._received += len(raw_data)
        self._check(self._received)
        return raw_data

    def file_complete(self, file_size: int) -> UploadedFile | None:
        return None  # the handlers that follow have it

    def _check(self, size: int) -> None:
        if size > self._most:
            raise RequestDataTooBig("The upload is too large.")

    @property
    def _most(self) -> int:
        request = self.request
        known = request is not None and (request.path.startswith("/api/") or request.user.is_authenticated)
        return settings.MAX_IMPORT_BYTES + MARGIN if known else settings.DATA_UPLOAD_MAX_MEMORY_SIZE
