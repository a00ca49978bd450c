"""The transactions of a running import: each is counted with what it did, unless the import was stopped meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import transaction

from catalog.models import Import

COUNTED: Final = (
    "status", "format", "filename", "bytes_total", "bytes_read", "rows", "created", "updated", "unchanged", "rejected",
    "deleted", "error_code", "error", "finished_at",
)  # fmt: skip


class Cancelled(Exception):
    """Somebody asked the import to stop."""


class Overtaken(Exception):
    """Another process goes on with the import."""


@contextmanager
def step(row: Import) -> Iterator[None]:
    """Commit what the block does together with the counters that it changes on `row`.

    Raises Cancelled before the block, or Overtaken if the import is not where `row` says: then somebody else runs it.
    """
    with transaction.atomic():
        stored = Import.objects.select_for_update().filter(pk=row.pk).first()
        expected = (Import.Status.RUNNING, row.rows, row.deleted)
        if stored is None or (stored.status, stored.rows, stored.deleted) != expected:
            raise Overtaken
        if stored.cancel_requested:
            raise Cancelled
        yield
        row.save(update_fields=COUNTED)
