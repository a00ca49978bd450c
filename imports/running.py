"""Running imports: a tenant's one after the other, each as a stream of batches.

What a batch stores, its counters, its position and its rejected rows are committed together, so that whoever goes on
after a process was killed skips the rows that are counted and neither loses nor doubles one. One process at a time
imports for a tenant; the lock that says so ends with it. Should two be at it all the same, because one lost its
connection and not its life, the position that each expects stops the slower.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Final

import redis.exceptions as redis
import structlog
from django.db import InterfaceError, OperationalError
from django.db.models.functions import Coalesce, Now

from imports.kinds import Kind
from imports.models import Import, R, over, pending
from imports.stepping import Cancelled, Overtaken, step
from recomengine.lib import clock
from recomengine.lib.errors import CODES, DomainError
from recomengine.lib.feeds.types import FeedBroken, Record, RowError
from recomengine.lib.postgres import held, is_held
from tenants import tenancy
from tenants.types import TenantRef

Progress = Callable[[R], None]
RESUMABLE: Final = timedelta(days=7)
"""How long after its end an import that failed or was cancelled can be gone on with."""
REPORTED: Final = timedelta(days=30)
"""How long after an import its rejected rows can be read."""
_LOOK_EVERY: Final = 5000
_AWAY: Final = (OperationalError, InterfaceError, redis.ConnectionError, redis.TimeoutError)
log = structlog.get_logger(__name__)


def run_pending(
    kind: Kind[R], tenant: TenantRef, work: Callable[[TenantRef, R, Progress[R]], None], progress: Progress[R]
) -> None:
    """Run the tenant's imports that wait or were interrupted, unless a process is at it already.

    `work` does one, and `progress` is called after every batch. If PostgreSQL or Redis go away the import stays as it
    is, to be gone on with, and the error is raised.
    """
    while is_pending(kind, tenant):
        with held(_lock(kind, tenant)) as is_alone, tenancy.use(tenant):
            if not is_alone:
                return
            while row := pending(kind.rows()).first():
                _run(tenant, row, work, progress)


def is_pending(kind: Kind[Any], tenant: TenantRef) -> bool:
    """Whether imports of the tenant wait, or are under way."""
    with tenancy.use(tenant):
        return pending(kind.rows()).exists()


def is_running(kind: Kind[Any], tenant: TenantRef) -> bool:
    """Whether a process imports for the tenant now."""
    return is_held(_lock(kind, tenant))


def _lock(kind: Kind[Any], tenant: TenantRef) -> str:
    return f"{kind.name}:{tenant.slug}"


def _run(tenant: TenantRef, row: R, work: Callable[[TenantRef, R, Progress[R]], None], progress: Progress[R]) -> None:
    """Begin or go on with one import, and have it say how it ended."""
    log.info("import begins", tenant=tenant.slug, id=row.pk, rows=row.rows)
    try:
        _begin(row)
        work(tenant, row, progress)
    except Cancelled:
        _end(row, row.Status.CANCELLED)
    except Overtaken:
        log.warning("import overtaken by another process", tenant=tenant.slug, id=row.pk)
    except FeedBroken as error:
        place = f"Line {error.line}: " if error.line else ""
        _end(row, row.Status.FAILED, error.code, place + error.message)
    except DomainError as error:
        _end(row, row.Status.FAILED, error.code, str(error))
    except _AWAY as error:
        log.warning("import interrupted, server away", tenant=tenant.slug, id=row.pk, error=str(error))
        raise
    except Exception:
        log.exception("import failed", tenant=tenant.slug, id=row.pk)
        _end(row, row.Status.FAILED, "internal_error", CODES["internal_error"][1] + ".")
    progress(row)


def _begin(row: Import) -> None:
    mine = type(row)._default_manager.filter(pk=row.pk, status__in=Import.PENDING)
    mine.update(status=row.Status.RUNNING, started_at=Coalesce("started_at", Now()))
    row.refresh_from_db()


def _end(row: Import, status: str, code: str = "", message: str = "") -> None:
    """Have it be over, if it is still ours; what it counted stays."""
    stored = type(row)._default_manager.filter(pk=row.pk, status=row.Status.RUNNING)
    row.refresh_from_db()
    row.end(status, code, message)
    stored.update(status=row.status, error_code=code, error=message, finished_at=row.finished_at)


def skipped(row: Import, rows: Iterator[Record | RowError]) -> Iterator[Record | RowError]:
    """Pass over the rows that are counted and yield them; raises FeedBroken if the file has become shorter."""
    for number in range(row.rows):
        if number % _LOOK_EVERY == 0:
            with step(row):
                pass
        read = next(rows, None)
        if read is None:
            raise FeedBroken("truncated", "The file is shorter than it was.", number)
        yield read


def tidy(kind: Kind[R], tenant: TenantRef) -> None:
    """Remove the files, and what was noted row by row, of imports that ended long enough ago."""
    now = clock.now()
    with tenancy.use(tenant):
        old = over(kind.rows()).filter(finished_at__lt=now - RESUMABLE)
        kept = kind.rows().exclude(pk__in=old).exclude(status=Import.Status.COMPLETED)
        kind.files.sweep(tenant, set(kept.values_list("pk", flat=True)))
        kind.forget_rejected(old.filter(finished_at__lt=now - REPORTED))
