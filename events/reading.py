"""Reading events in bulk, from the database and the archive, as what trainings count: lines of items by visitors.

Every reading reads everything since an instant, at more than a million rows a second, and in pieces, so that its
memory does not grow with the events. Going on from where the last one ended would be quicker and wrong: a login gives
its user what the browser did for months before, and a second user takes it away again; erasures and retention take
rows away; and the order in which events were received is not the order in which they can be seen.
"""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from psycopg import sql

from events import archive, copying, identities, partitions
from events.models import ArchivedMonth, Event
from recomengine.lib.pipelining import ahead
from tenants import tenancy
from tenants.types import TenantRef

INTERACTIONS: Final = pa.schema(
    [
        ("visitor", pa.string()),
        ("session", pa.string()),
        ("type", pa.string()),
        ("item_id", pa.string()),
        ("occurred_at", pa.timestamp("us", tz="UTC")),
        ("order_id", pa.string()),
        ("quantity", pa.int32()),
    ]
)
_READ: Final = pa.schema(
    [
        ("visitor_id", pa.string()),
        ("session_id", pa.string()),
        ("type", pa.string()),
        ("item_id", pa.string()),
        ("occurred_at", pa.timestamp("us", tz="UTC")),
        ("order_id", pa.string()),
        ("quantity", pa.int32()),
        ("user_id", pa.string()),
    ]
)
FILE: Final = "interactions.parquet"
_AT_ONCE: Final = 500_000  # rows that are written together, about 60 MB
_COUNTS: Final = sql.SQL("item_id IS NOT NULL AND flag IS NULL")


@dataclass(frozen=True, slots=True)
class Read:
    """A file of interactions: how many, when the first and the last occurred, and the moment that they are as of.

    Whatever was stored by then is in it. An event may show that was received before and stored after it.
    """

    path: Path
    rows: int
    first: datetime | None
    last: datetime | None
    as_of: datetime


def any_since(tenant: TenantRef, since: datetime | None) -> bool:
    """Whether any event was received since an instant (None: ever) that trainings count."""
    with tenancy.use(tenant):
        events = Event.objects.trusted()
        if (events if since is None else events.filter(received_at__gt=since)).exists():
            return True
    received = [row.received_until for row in archive.dropped(tenant) if row.received_until is not None]
    return any(since is None or moment > since for moment in received)


def interactions(tenant: TenantRef, since: datetime) -> pa.Table:
    """Every item line since an instant that trainings count, in the schema `INTERACTIONS`, each once; all in memory.

    A logged-in visitor goes by the user id, and so does a browser that belongs to one user (`events.identities`).
    """
    with copying.frozen(tenant.schema) as connection, closing(_lines(connection, tenant, since)) as lines:
        return pa.concat_tables([INTERACTIONS.empty_table(), *lines])


def write_interactions(tenant: TenantRef, since: datetime, directory: Path) -> Read:
    """Write the same, in no order, into one Parquet file in a directory that is there, in bounded memory.

    The file appears when it is whole, and replaces the one of an earlier reading. Raises psycopg.OperationalError if
    the database is lost, `archive_unavailable`, and OSError, for instance if the disk is full; nothing is left then.
    """
    partial = directory / f"{FILE}.partial"
    try:
        with copying.frozen(tenant.schema) as connection, closing(_lines(connection, tenant, since)) as lines:
            [(as_of,)] = connection.execute("SELECT now()").fetchall()
            rows, first, last = _written(partial, lines)
        path = partial.replace(directory / FILE)
    except BaseException:
        with suppress(FileNotFoundError):
            partial.unlink()
        raise
    return Read(path, rows, first, last, as_of)


def _written(path: Path, lines: Iterator[pa.Table]) -> tuple[int, datetime | None, datetime | None]:
    rows, moments = 0, []
    with pa.OSFile(str(path), "wb") as file, pq.ParquetWriter(file, INTERACTIONS, compression="lz4") as writer:
        for some in lines:
            writer.write_table(some)
            rows += some.num_rows
            moments += pc.min_max(some["occurred_at"]).as_py().values()
    return rows, min(moments, default=None), max(moments, default=None)


def _lines(connection: copying.Connection, tenant: TenantRef, since: datetime) -> Generator[pa.Table, None, None]:
    with (
        copying.beside(connection) as other,
        ThreadPoolExecutor(1) as pool,
        closing(ahead(_grouped(_found(connection, tenant, since)))) as groups,
    ):
        belonging = pool.submit(identities.belongings, other, tenant)  # while the first lines are read
        for some in groups:
            owner = identities.owners(some["visitor_id"], belonging.result())
            who = pc.coalesce(some["user_id"], owner, some["visitor_id"])
            yield pa.table([who, *some.columns[1 : len(INTERACTIONS)]], schema=INTERACTIONS)


def _grouped(batches: Iterator[pa.RecordBatch]) -> Generator[pa.Table, None, None]:
    """The same rows, `_AT_ONCE` or some more at a time."""
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        waiting.append(batch)
        if sum(each.num_rows for each in waiting) >= _AT_ONCE:
            yield pa.Table.from_batches(waiting)
            waiting = []
    if waiting:
        yield pa.Table.from_batches(waiting)


def _found(connection: copying.Connection, tenant: TenantRef, since: datetime) -> Iterator[pa.RecordBatch]:
    """What the archive alone has, and what the database has: its months, and later events of archived ones."""
    begin = partitions.month_of(since)
    for row in copying.dropped(connection, tenant.schema, begin):
        yield from _archived(tenant, row, since)
    for month in partitions.existing(connection, tenant.schema):
        if month >= begin:
            late_enough = sql.SQL("occurred_at >= {}").format(since) if month == begin else sql.SQL("true")
            condition = sql.SQL("{} AND {}").format(_COUNTS, late_enough)
            yield from copying.stored(connection, tenant.schema, month, _READ, condition)


def _archived(tenant: TenantRef, row: ArchivedMonth, since: datetime) -> Iterator[pa.RecordBatch]:
    for batch in archive.read(tenant, row, (*_READ.names, "flag")):
        counts = pc.and_(pc.is_valid(batch["item_id"]), pc.is_null(batch["flag"]))
        some = batch.filter(pc.and_(counts, pc.greater_equal(batch["occurred_at"], pa.scalar(since))))
        yield some.select(_READ.names)
