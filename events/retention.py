"""How long events are kept: a month goes, in the database and in the archive, when all of it is older."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

import structlog
from psycopg import sql

from events import archive, archiving, partitions
from events.models import ArchivedMonth
from recomengine.lib import clock
from recomengine.lib.errors import DomainError
from recomengine.lib.postgres import connect, table
from tenants import tenancy
from tenants.types import TenantRef

AT_ONCE: Final = 10_000
log = structlog.get_logger(__name__)
# A key lives as long as its month: a shop that keeps events longer again may be sent those of what is left once more.
_FORGET_KEYS: Final = """
    DELETE FROM {keys} WHERE event_id IN (SELECT event_id FROM {keys} WHERE occurred_at < %s LIMIT %s)
"""


def enforce(tenant: TenantRef) -> None:
    """Let go of the months that are wholly older than the tenant keeps events; what is busy goes the next time."""
    oldest = partitions.month_of(clock.now() - timedelta(days=tenant.retention_days))
    if _drop_partitions(tenant, oldest):
        _forget_keys(tenant, oldest)
    _forget_archived(tenant, oldest)


def _drop_partitions(tenant: TenantRef, oldest: date) -> bool:
    with connect() as connection:
        return partitions.drop_before(connection, tenant.schema, oldest)


def _forget_keys(tenant: TenantRef, oldest: date) -> None:
    statement = sql.SQL(_FORGET_KEYS).format(keys=table(tenant.schema, "events_eventkey"))
    before = datetime.combine(oldest, time(), UTC)
    with connect(autocommit=True) as connection:
        while connection.execute(statement, [before, AT_ONCE]).rowcount:
            pass


def _forget_archived(tenant: TenantRef, oldest: date) -> None:
    expired = [row.month for row in archive.months(tenant) if row.month < oldest]
    if not expired:
        return
    try:
        with archiving.alone(tenant):
            for month in expired:
                archive.remove(tenant, month)
                with tenancy.use(tenant):
                    ArchivedMonth.objects.filter(month=month).delete()
    except DomainError as error:
        log.warning("expired archive not deleted", tenant=tenant.slug, error=str(error))
