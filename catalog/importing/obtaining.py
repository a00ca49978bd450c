"""The file of a running import: there already, or fetched from its URL."""

import time
from typing import Final

from django.db.models.functions import Now

from catalog.fetching import Fetched, Known, Watch, fetch
from catalog.importing import requests
from catalog.importing.kind import FILES
from catalog.models import Import
from imports.requesting import name_of
from imports.stepping import step
from recomengine.lib.errors import DomainError
from tenants.types import TenantRef

_EVERY: Final = 1.0


def obtain(tenant: TenantRef, row: Import) -> Fetched | None:
    """See to it that the import's file is there; returns what was fetched for it, or None if it was there already.

    There is none if the feed is what it was when its source was imported last. Raises `file_gone` for an upload, else
    what `fetch` raises.
    """
    if FILES.path(tenant, row.pk).exists():
        return None
    if not row.url:
        raise DomainError("file_gone", "The file is no longer kept; upload it again.")
    if row.rows or row.deleted:
        _begin_anew(row)
    with FILES.incoming(tenant) as (file, keep):
        fetched = fetch(row.url, file, known=_known(row), watch=_watcher(row))
        if fetched.not_modified:
            return fetched
        with step(row):
            row.bytes_total, row.filename = file.tell(), name_of(fetched.filename)
            row.format = row.format or requests.detected(file, row.filename, fetched.content_type)
            keep(row.pk)
    return fetched


def is_as_its_source(row: Import) -> bool:
    """Whether the import reads what its source reads, as its source reads it."""
    source = row.source
    return source is not None and all(
        getattr(row, name) == getattr(source, name) for name in ("url", "format", "mode", "mapping")
    )


def _known(row: Import) -> Known:
    source = row.source
    if source is None or not is_as_its_source(row):
        return Known()
    return Known(source.etag, source.last_modified)


def _begin_anew(row: Import) -> None:
    """Forget what was counted of the file that is gone: the feed may have changed since."""
    with step(row):
        requests.forget_rows(row)
        row.rows = row.created = row.updated = row.unchanged = row.rejected = row.deleted = row.bytes_read = 0
    Import.objects.filter(pk=row.pk).update(started_at=Now())
    row.refresh_from_db(fields=["started_at"])


def _watcher(row: Import) -> Watch:
    """Notes every second how much was announced, and stops the fetch if the import is cancelled."""
    last = time.monotonic()

    def watch(_: int, announced: int) -> None:
        nonlocal last
        if time.monotonic() - last >= _EVERY:
            last = time.monotonic()
            with step(row):
                row.bytes_total = announced

    return watch
