"""The transactions of a running import: each is counted with what it did, unless the import was stopped meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from django.db import transaction

from imports.models import Import

_SAVED: Final = ("status", "filename", "bytes_total", "bytes_read", "rows", "error_code", "error", "finished_at")


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
        stored = type(row)._default_manager.select_for_update().filter(pk=row.pk).first()
        if stored is None or (stored.status, _place(stored)) != (Import.Status.RUNNING, _place(row)):
            raise Overtaken
        if stored.cancel_requested:
            raise Cancelled
        yield
        row.save(update_fields=(*_SAVED, *row.results))


def _place(row: Import) -> list[int]:
    return [getattr(row, name) for name in row.position]
