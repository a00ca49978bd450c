"""Running imports: a tenant's one after the other, each as a stream of batches.

A batch's items, counters, position and rejected rows are committed together, so that whoever goes on after a process
was killed skips the rows that are counted and neither loses nor doubles one. One process at a time imports for a
tenant; the lock that says so ends with it. Should two be at it all the same, because one lost its connection and not
its life, the position that each expects stops the slower.
"""

from collections.abc import Callable
from typing import Final

import redis.exceptions as redis
import structlog
from django.db import InterfaceError, OperationalError
from django.db.models.functions import Coalesce, Now

from catalog import storing
from catalog.fetching import Known
from catalog.importing import obtaining, replacing, taking
from catalog.importing.stepping import Cancelled, Overtaken, step
from catalog.models import Import, ImportedItem, Mode, Source
from recomengine.lib.errors import CODES, DomainError
from recomengine.lib.feeds.types import FeedBroken
from recomengine.lib.postgres import held, is_held
from tenants import tenancy
from tenants.types import TenantRef

Progress = Callable[[Import], None]
_AWAY: Final = (OperationalError, InterfaceError, redis.ConnectionError, redis.TimeoutError)
log = structlog.get_logger(__name__)


def run_pending(tenant: TenantRef, progress: Progress = lambda _: None) -> None:
    """Run the tenant's imports that wait or were interrupted, unless a process is at it already.

    `progress` is called after every batch. If PostgreSQL or Redis go away the import stays as it is, to be gone on
    with, and the error is raised.
    """
    while is_pending(tenant):
        with held(_lock(tenant)) as is_alone, tenancy.use(tenant):
            if not is_alone:
                return
            while row := Import.objects.pending().first():
                _run(tenant, row, progress)


def is_pending(tenant: TenantRef) -> bool:
    """Whether imports of the tenant wait, or are under way."""
    with tenancy.use(tenant):
        return Import.objects.pending().exists()


def is_running(tenant: TenantRef) -> bool:
    """Whether a process imports for the tenant now."""
    return is_held(_lock(tenant))


def _lock(tenant: TenantRef) -> str:
    return f"import:{tenant.slug}"


def _run(tenant: TenantRef, row: Import, progress: Progress) -> None:
    """Begin or go on with one import, and have it say how it ended."""
    log.info("import begins", tenant=tenant.slug, id=row.pk, rows=row.rows)
    try:
        _import(tenant, row, progress)
    except Cancelled:
        _end(row, Import.Status.CANCELLED)
    except Overtaken:
        log.warning("import overtaken by another process", tenant=tenant.slug, id=row.pk)
    except FeedBroken as error:
        place = f"Line {error.line}: " if error.line else ""
        _end(row, Import.Status.FAILED, error.code, place + error.message)
    except DomainError as error:
        _end(row, Import.Status.FAILED, error.code, str(error))
    except _AWAY as error:
        log.warning("import interrupted, server away", tenant=tenant.slug, id=row.pk, error=str(error))
        raise
    except Exception:
        log.exception("import failed", tenant=tenant.slug, id=row.pk)
        _end(row, Import.Status.FAILED, "internal_error", CODES["internal_error"][1] + ".")
    progress(row)


def _import(tenant: TenantRef, row: Import, progress: Progress) -> None:
    _begin(row)
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
    storing.discard(tenant, row.pk)
    log.info("import completed", tenant=tenant.slug, id=row.pk, rows=row.rows, rejected=row.rejected)


def _begin(row: Import) -> None:
    mine = Import.objects.filter(pk=row.pk, status__in=Import.PENDING)
    mine.update(status=Import.Status.RUNNING, started_at=Coalesce("started_at", Now()))
    row.refresh_from_db()


def _complete(row: Import, code: str = "", message: str = "", version: Known | None = None) -> None:
    with step(row):
        ImportedItem.objects.filter(import_run=row).delete()
        if version and obtaining.is_as_its_source(row):
            Source.objects.filter(pk=row.source_id or 0).update(etag=version.etag, last_modified=version.last_modified)
        row.bytes_read = row.bytes_total
        row.end(Import.Status.COMPLETED, code, message)


def _end(row: Import, status: str, code: str = "", message: str = "") -> None:
    """Have it be over, if it is still ours; what it counted stays."""
    stored = Import.objects.filter(pk=row.pk, status=Import.Status.RUNNING)
    row.refresh_from_db()
    row.end(status, code, message)
    stored.update(status=row.status, error_code=code, error=message, finished_at=row.finished_at)
