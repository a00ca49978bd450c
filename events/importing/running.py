"""Running imports of events: rows are stored as they are read, then the visitors' recent histories are made anew."""

from collections.abc import Callable, Sequence

import structlog

from events import history
from events.importing import columns, taking
from events.importing.kind import EVENTS, FILES
from events.models import Import
from imports import running
from imports.stepping import Cancelled, step
from recomengine.lib.feeds.types import FeedBroken
from tenants.types import TenantRef

Progress = Callable[[Import], None]
log = structlog.get_logger(__name__)


def run_pending(tenant: TenantRef, progress: Progress = lambda _: None) -> None:
    """Run the tenant's imports that wait or were interrupted, as `imports.running.run_pending` does."""
    running.run_pending(EVENTS, tenant, _import, progress)


def tend(tenant: TenantRef) -> None:
    """See to it that somebody runs what waits or was interrupted."""
    if running.is_pending(EVENTS, tenant) and not running.is_running(EVENTS, tenant):
        EVENTS.run_later(tenant)


def tidy(tenant: TenantRef) -> None:
    """Remove the files and the rejected rows of imports that ended long enough ago."""
    running.tidy(EVENTS, tenant)


def _import(tenant: TenantRef, row: Import, progress: Progress) -> None:
    reading, left_out = taking.reading_of(tenant, row), list[str]()

    def look(names: Sequence[str]) -> None:
        columns.check_header(names, reading)
        left_out.extend(columns.left_out(names, reading))

    try:
        for _ in taking.take(tenant, row, look):
            progress(row)
    except (Cancelled, FeedBroken):
        _renew(tenant, row)
        raise
    _renew(tenant, row)
    with step(row):
        row.bytes_read = row.bytes_total
        row.end(row.Status.COMPLETED, *_noted(row, left_out))
    FILES.discard(tenant, row.pk)
    log.info("import completed", tenant=tenant.slug, id=row.pk, rows=row.rows, rejected=row.rejected)


def _renew(tenant: TenantRef, row: Import) -> None:
    if row.events:
        history.rebuild(tenant)


def _noted(row: Import, left_out: Sequence[str]) -> tuple[str, str]:
    if not row.rows:
        return "empty_feed", "The file holds no rows."
    if left_out:
        return "columns_left_out", f"Columns that no event has were passed over: {', '.join(left_out)[:500]}."
    return "", ""
