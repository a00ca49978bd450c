"""Columns of stored events into Arrow: COPY of values into which PostgreSQL packs the rows of a thousand pages.

A row of a COPY costs the server and its reader more than half a microsecond each, whatever is in it. So one row is
copied for `PAGES` pages of a partition: in it each column is one value, the binary forms of the column's values one
after the other, which becomes an Arrow array without a look at each. Texts are parted by a byte, and nulls told by
another one, that no text in UTF-8 contains. Ranges of pages need no index and no sorting, bound what both sides hold,
and are where a reader is in the table.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, date, datetime
from typing import Any, Final

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import IsolationLevel, sql

from events import partitions
from events.models import ArchivedMonth
from recomengine.lib.pipelining import ahead
from recomengine.lib.postgres import connect, table

PAGES: Final = 1024  # 8 MB of the table, some forty thousand events
_BETWEEN: Final = b"\xff"
_NULL: Final = b"\xfe"
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)  # PostgreSQL's, from which it counts microseconds
_INSTANT: Final = pa.timestamp("us", tz="UTC")
_PACKED: Final = {
    pa.string(): r"string_agg(coalesce(textsend({}), '\xfe'), '\xff')",
    pa.int32(): "string_agg(int4send({}), '')",
    _INSTANT: "string_agg(timestamptz_send({}), '')",
}
_COPY: Final = sql.SQL("COPY (SELECT {packed} FROM {partition} WHERE {condition}) TO STDOUT (FORMAT BINARY)")
_SIZE: Final = "SELECT pg_relation_size(%s::regclass) / current_setting('block_size')::int"
_DROPPED: Final = sql.SQL("SELECT month, sha256 FROM {} WHERE dropped_at IS NOT NULL AND month >= %s ORDER BY month")
Connection = psycopg.Connection[Any]
Packed = tuple[bytes, ...]


def frozen(schema: str) -> Connection:
    """A new connection to what is stored now: it sees nothing that is committed later; the caller closes it.

    Until then no partition can be dropped: who tries is told that the table is busy.
    """
    connection = connect()
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    # Before the first query, which is what freezes: nothing can be dropped between the two.
    connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(table(schema, "events_event")))
    return connection


def beside(connection: Connection) -> Connection:
    """Another connection to what a frozen one sees, for as long as that one is open; the caller closes it."""
    [(snapshot,)] = connection.execute("SELECT pg_export_snapshot()").fetchall()
    other = connect()
    other.isolation_level = connection.isolation_level
    other.read_only = True
    other.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(snapshot))
    return other


def dropped(connection: Connection, schema: str, since: date = date.min) -> list[ArchivedMonth]:
    """The months since one whose rows were in the archive alone when the connection was frozen, in order."""
    statement = _DROPPED.format(table(schema, "events_archivedmonth"))
    rows = connection.execute(statement, [since]).fetchall()
    return [ArchivedMonth(month=month, sha256=digest) for month, digest in rows]


def stored(
    connection: Connection, schema: str, month: date, columns: pa.Schema, condition: sql.Composable
) -> Generator[pa.RecordBatch, None, None]:
    """Columns of a month's rows that meet a condition, some ten thousand rows at a time, in no order.

    The fields of `columns` are named for the table's and are texts, `int32` or instants; only texts may be null.
    """
    partition = table(schema, partitions.name_of(month))
    [(pages,)] = connection.execute(_SIZE, [partition.as_string(connection)]).fetchall()
    packed = sql.SQL(", ").join(sql.SQL(_PACKED[each.type]).format(sql.Identifier(each.name)) for each in columns)
    statements = [
        _COPY.format(packed=packed, partition=partition, condition=sql.SQL("{} AND {}").format(some, condition))
        for some in _ranges(pages)
    ]
    with closing(_packed(connection, statements, len(columns))) as found:
        for values in found:
            arrays = [_UNPACK[kind](value) for value, kind in zip(values, columns.types, strict=True)]
            yield pa.record_batch(arrays, schema=columns)


def _packed(connection: Connection, statements: list[sql.Composed], columns: int) -> Generator[Packed, None, None]:
    """The rows of COPYs of one row each; two processes of the server work on them while this one uses what came."""
    with ExitStack() as stack:
        connections = [connection]
        if len(statements) > 1:
            connections.append(stack.enter_context(beside(connection)))
        sources = [
            stack.enter_context(closing(ahead(_copied(each, statements[number :: len(connections)], columns))))
            for number, each in enumerate(connections)
        ]
        while sources:
            for source in tuple(sources):
                if (row := next(source, None)) is None:
                    sources.remove(source)
                else:
                    yield row


def _copied(
    connection: Connection, statements: Iterable[sql.Composed], columns: int
) -> Generator[Packed, None, None]:  # fmt: skip
    """The rows, but for those of ranges in which nothing was found."""
    for statement in statements:
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            copy.set_types(["bytea"] * columns)
            [row] = copy.rows()
        if row[0] is not None:
            yield row


def _ranges(pages: int) -> Iterator[sql.Composed]:
    """Conditions for each `PAGES` pages; the last range has no end."""
    for first in range(0, pages, PAGES):
        end = sql.SQL(" AND ctid < {}").format(f"({first + PAGES},0)") if first + PAGES < pages else sql.SQL("")
        yield sql.SQL("ctid >= {}{}").format(f"({first},0)", end)


def _texts(packed: bytes) -> pa.Array:
    found = pc.split_pattern(pa.array([packed], pa.large_binary()), _BETWEEN).values
    if _NULL in packed:
        found = pc.if_else(pc.equal(found, _NULL), pa.scalar(None, found.type), found)
    return found.cast(pa.string())


def _numbers(packed: bytes) -> pa.Array:
    return pa.array(np.frombuffer(packed, ">i4").astype("=i4"))


def _instants(packed: bytes) -> pa.Array:
    since_1970 = np.frombuffer(packed, ">i8") + np.int64(_EPOCH.timestamp() * 1e6)
    return pa.array(since_1970.astype("=i8")).view(_INSTANT)


_UNPACK: Final[dict[pa.DataType, Callable[[bytes], pa.Array]]] = {
    pa.string(): _texts, pa.int32(): _numbers, _INSTANT: _instants,
}  # fmt: skip
