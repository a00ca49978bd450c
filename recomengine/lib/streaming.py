"""Answers too large to be held: sent piece by piece, whichever server calls."""

from collections.abc import AsyncIterator, Iterable, Iterator

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


def download(
    request: HttpRequest, parts: Iterator[bytes], filename: str, content_type: str
) -> StreamingHttpResponse:  # fmt: skip
    """The parts as a file to be saved under that name.

    Django would make a list of a plain iterator under ASGI, and of an asynchronous one under WSGI.
    """
    body = _asynchronously(parts) if isinstance(request, ASGIRequest) else parts
    response = StreamingHttpResponse(body, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response


async def _asynchronously(parts: Iterator[bytes]) -> AsyncIterator[bytes]:
    while (part := await sync_to_async(_next)(parts)) is not None:
        yield part


def _next(parts: Iterator[bytes]) -> bytes | None:
    return next(parts, None)


class AsAsked(BaseContentNegotiation):
    """Leaves the form of the answer to the view, whatever `Accept` and `?format=` say."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        first = next(iter(renderers))
        return first, first.media_type
