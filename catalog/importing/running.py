"""Running the catalogue's imports: the file is obtained, its rows are taken, and what it lacks may be deleted."""

from collections.abc import Callable

import structlog

from catalog.fetching import Known
from catalog.importing import obtaining, replacing, taking
from catalog.importing.kind import CATALOGUE, FILES
from catalog.models import Import, ImportedItem, Mode, Source
from imports import running
from imports.stepping import step
from tenants.types import TenantRef

Progress = Callable[[Import], None]
log = structlog.get_logger(__name__)


def run_pending(tenant: TenantRef, progress: Progress = lambda _: None) -> None:
    """Run the tenant's imports that wait or were interrupted, as `imports.running.run_pending` does."""
    running.run_pending(CATALOGUE, tenant, _import, progress)


def is_pending(tenant: TenantRef) -> bool:
    """Whether imports of the tenant wait, or are under way."""
    return running.is_pending(CATALOGUE, tenant)


def is_running(tenant: TenantRef) -> bool:
    """Whether a process imports for the tenant now."""
    return running.is_running(CATALOGUE, tenant)


def _import(tenant: TenantRef, row: Import, progress: Progress) -> None:
    fetched = obtaining.obtain(tenant, row)
    if fetched is not None and fetched.not_modified:
        _complete(row, "not_modified", "The feed is what it was the last time; nothing was read.")
        return
    for _ in taking.take(tenant, row):
        progress(row)
    if row.mode == Mode.REPLACE:
        replacing.check(row)
        replacing.delete_missing(tenant, row)
    code, message = ("", "") if row.rows else ("empty_feed", "The feed holds no rows.")
    _complete(row, code, message, fetched.version if fetched else None)
    FILES.discard(tenant, row.pk)
    log.info("import completed", tenant=tenant.slug, id=row.pk, rows=row.rows, rejected=row.rejected)


def _complete(row: Import, code: str = "", message: str = "", version: Known | None = None) -> None:
    with step(row):
        ImportedItem.objects.filter(import_run=row).delete()
        if version and obtaining.is_as_its_source(row):
            Source.objects.filter(pk=row.source_id or 0).update(etag=version.etag, last_modified=version.last_modified)
        row.bytes_read = row.bytes_total
        row.end(Import.Status.COMPLETED, code, message)
