"""Closed months of events into the archive, out of the database, and back.

One process at a time deals with a tenant's archive (`alone`). Whatever is interrupted is done again as a whole: a file
counts from the moment at which its row says so, and a partition goes in the transaction that records it.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from heapq import merge
from itertools import islice
from typing import Any, Final

import psycopg
import pyarrow as pa
from psycopg import errors, sql

from events import archive, partitions
from events.archive import Written
from events.models import ArchivedMonth, Erasure
from recomengine.lib import clock
from recomengine.lib.errors import DomainError
from recomengine.lib.postgres import connect, held, table
from tenants import tenancy
from tenants.types import TenantRef

CLOSED_FOR: Final = timedelta(days=7)
_SLOWEST_COMMIT: Final = timedelta(hours=1)  # an event may be visible that long after it was received, and no longer
_COLUMNS: Final = sql.SQL(", ").join(map(sql.Identifier, archive.SCHEMA.names))
_CASTS: Final = {"event_id": "event_id::text", "properties": "properties::text"}
_ROWS: Final = sql.SQL("SELECT {columns} FROM {partition} ORDER BY occurred_at, id")
Connection = psycopg.Connection[Any]
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a month: `written`, `unchanged`, or `busy`; and whether the database gave its rows up."""

    month: date
    rows: int
    outcome: str
    dropped: bool


@contextmanager
def alone(tenant: TenantRef) -> Iterator[None]:
    """Hold the tenant's archive for the block; `conflict` if somebody else does. It ends with the process."""
    with held(f"archive:{tenant.slug}") as is_alone:
        if not is_alone:
            raise DomainError("conflict", f"The archive of {tenant.slug} is being written or read; try again.")
        yield


def archive_closed(tenant: TenantRef, *, closed_for: timedelta = CLOSED_FOR, drop: bool = False) -> list[Outcome]:
    """Write the months that ended that long ago and are kept, where the archive has not what the database has.

    `drop` also drops their partitions, each after its file was read back and found to be the same.
    """
    with alone(tenant):
        return [_archived(tenant, month, drop) for month in _closed(tenant, clock.now(), closed_for)]


def _closed(tenant: TenantRef, now: datetime, closed_for: timedelta) -> list[date]:
    oldest = partitions.month_of(now - timedelta(days=tenant.retention_days))
    ended = (now - closed_for).astimezone(UTC).date()
    with connect() as connection:
        found = partitions.existing(connection, tenant.schema)
    return [month for month in found if month >= oldest and partitions.following(month) <= ended]


def _archived(tenant: TenantRef, month: date, drop: bool) -> Outcome:
    with tenancy.use(tenant):
        row = ArchivedMonth.objects.filter(month=month).first()
    with connect() as connection:
        rows = _count(connection, tenant, month) if row is None or _may_differ(connection, tenant, row) else row.rows
    if row is not None and row.dropped_at is not None:
        return _added(tenant, row, rows) if rows else Outcome(month, row.rows, "unchanged", True)
    outcome = "unchanged"
    if row is None or rows != row.rows:
        row, outcome = _copied(tenant, month), "written"
    return Outcome(month, row.rows, outcome, drop and _dropped(tenant, row))


def _may_differ(connection: Connection, tenant: TenantRef, row: ArchivedMonth) -> bool:
    """Whether events came since the month was archived; those that just then were on their way count as well."""
    if row.dropped_at is not None:
        return True
    statement = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE received_at > %s)")
    partition = table(tenant.schema, partitions.name_of(row.month))
    found = connection.execute(statement.format(partition), [row.archived_at - _SLOWEST_COMMIT]).fetchone()
    return bool(found and found[0])


def _count(connection: Connection, tenant: TenantRef, month: date) -> int:
    statement = sql.SQL("SELECT count(*) FROM {}").format(table(tenant.schema, partitions.name_of(month)))
    [(rows,)] = connection.execute(statement).fetchall()
    return int(rows)


def _copied(tenant: TenantRef, month: date) -> ArchivedMonth:
    """Write a month that the database holds whole."""
    began = clock.now()
    with connect() as connection:
        written = archive.write(tenant, month, _batches(_stored(connection, tenant, month)))
    values = {"rows": written.rows, "sha256": written.sha256, "received_until": written.received_until}
    with tenancy.use(tenant):
        row, _ = ArchivedMonth.objects.update_or_create(month=month, defaults={**values, "archived_at": began})
    archive.remove_others(tenant, row)
    return row


def _added(tenant: TenantRef, row: ArchivedMonth, rows: int) -> Outcome:
    """Write a month anew with the events that came after the database gave it up, and have it give those up too."""
    with connect() as connection:
        late = _stored(connection, tenant, row.month)
        both = merge(_read(tenant, row), late, key=lambda each: (each[4], each[0]))
        written = archive.write(tenant, row.month, _batches(both))
    done = _given_up(tenant, row.month, rows, written)
    with tenancy.use(tenant):
        row.refresh_from_db()
    archive.remove_others(tenant, row)
    return Outcome(row.month, row.rows, "written" if done else "busy", True)


def _dropped(tenant: TenantRef, row: ArchivedMonth) -> bool:
    archive.verify(tenant, row)
    return _given_up(tenant, row.month, row.rows, Written(row.rows, row.sha256, row.received_until))


_RECORD: Final = """
    UPDATE {} SET rows = %s, sha256 = %s, received_until = %s, archived_at = %s, dropped_at = %s WHERE month = %s
"""


def _given_up(tenant: TenantRef, month: date, rows: int, written: Written) -> bool:
    """Drop a month's partition if it still holds what was archived, in the transaction that records it."""
    now = clock.now()
    partition = table(tenant.schema, partitions.name_of(month))
    record = sql.SQL(_RECORD).format(table(tenant.schema, "events_archivedmonth"))
    try:
        with connect() as connection, connection.transaction():
            connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(partitions.PATIENCE))
            connection.execute(sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(partition))
            if _is_erasing(connection, tenant) or _count(connection, tenant, month) != rows:
                return False
            partitions.drop(connection, tenant.schema, month)
            values = [written.rows, written.sha256, written.received_until, now, now, month]
            connection.execute(record, values)
    except errors.LockNotAvailable:
        return False
    return True


def _is_erasing(connection: Connection, tenant: TenantRef) -> bool:
    """Whether events are erased in the database and not yet in the archive: then equal counts mean nothing."""
    statement = sql.SQL("SELECT EXISTS (SELECT FROM {} WHERE completed_at IS NULL)")
    found = connection.execute(statement.format(table(tenant.schema, "events_erasure"))).fetchone()
    return bool(found and found[0])


def restore(tenant: TenantRef, month: date) -> int:
    """Read an archived month back into the database; events that are there already stay. Returns how many rows came.

    Raises `not_found`, `archive_unavailable`, and `conflict` while an erasure is under way.
    """
    with alone(tenant):
        with tenancy.use(tenant):
            row = ArchivedMonth.objects.filter(month=month).first()
            if row is None:
                raise DomainError("not_found", f"{month:%Y-%m} is not archived.")
            if Erasure.objects.filter(completed_at=None).exists():
                raise DomainError("conflict", "A visitor is being erased; try again when that is done.")
        archive.verify(tenant, row)
        with connect() as connection:
            partitions.ensure(connection, tenant.schema, [month])
            with connection.transaction():
                return _restored(connection, tenant, row)


_ADD: Final = """
    INSERT INTO {events} ({columns}) SELECT {columns} FROM restored WHERE NOT EXISTS (
        SELECT FROM {partition} there WHERE there.occurred_at = restored.occurred_at
        AND there.event_id = restored.event_id AND there.line = restored.line
    )
"""
_ADD_KEYS: Final = """
    INSERT INTO {keys} (event_id, occurred_at) SELECT event_id, occurred_at FROM restored WHERE line = 0
    ON CONFLICT (event_id) DO NOTHING
"""


def _restored(connection: Connection, tenant: TenantRef, row: ArchivedMonth) -> int:
    names = {
        "events": table(tenant.schema, "events_event"),
        "keys": table(tenant.schema, "events_eventkey"),
        "months": table(tenant.schema, "events_archivedmonth"),
        "partition": table(tenant.schema, partitions.name_of(row.month)),
        "columns": _COLUMNS,
    }
    connection.execute(sql.SQL("CREATE TEMP TABLE restored (LIKE {events}) ON COMMIT DROP").format(**names))
    rows, added = _read(tenant, row), 0
    while some := list(islice(rows, archive.BATCH)):
        with connection.cursor().copy(sql.SQL("COPY restored ({columns}) FROM STDIN").format(**names)) as copy:
            for each in some:
                copy.write_row(each)
        added += connection.execute(sql.SQL(_ADD).format(**names)).rowcount
        connection.execute(sql.SQL(_ADD_KEYS).format(**names))
        connection.execute("TRUNCATE restored")
    connection.execute(sql.SQL("UPDATE {months} SET dropped_at = NULL WHERE month = %s").format(**names), [row.month])
    return added


def _stored(connection: Connection, tenant: TenantRef, month: date) -> Iterator[Row]:
    """A partition's rows in the order of time, as they were at one moment."""
    columns = sql.SQL(", ".join(_CASTS.get(name, name) for name in archive.SCHEMA.names))
    partition = table(tenant.schema, partitions.name_of(month))
    with connection.cursor(name="archiving") as cursor:
        cursor.itersize = archive.BATCH
        cursor.execute(_ROWS.format(columns=columns, partition=partition))
        yield from cursor


def _read(tenant: TenantRef, row: ArchivedMonth) -> Iterator[Row]:
    for batch in archive.read(tenant, row):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _batches(rows: Iterable[Row]) -> Iterator[pa.RecordBatch]:
    left = iter(rows)
    while some := list(islice(left, archive.BATCH)):
        columns = zip(zip(*some, strict=True), archive.SCHEMA.types, strict=True)
        yield pa.record_batch([pa.array(values, kind) for values, kind in columns], schema=archive.SCHEMA)
