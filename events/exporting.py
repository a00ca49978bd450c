"""Stored events as a file, oldest first: CSV, JSON Lines or Parquet, in memory that does not grow with them.

A row is an item line, as in the listing. Importing a CSV or JSON Lines file stores the same events, and none twice.
Values are never altered: a text that begins with "=" stays one, so a spreadsheet may take it for a formula.
"""

import io
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from itertools import chain
from typing import Any, Final
from uuid import UUID

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from psycopg import sql

from events.listing import Filter
from events.types import EventRow
from recomengine.lib.feeds import tables
from recomengine.lib.feeds.pieces import joined
from recomengine.lib.fields import FIRST_INSTANT
from recomengine.lib.postgres import connect, table
from tenants.types import TenantRef

CHUNK: Final = 2_000
COLUMNS: Final = EventRow._fields
Row = dict[str, Any]


class Format(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


TYPES: Final[Mapping[Format, str]] = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.JSONL: "application/x-ndjson",
    Format.PARQUET: "application/vnd.apache.parquet",
}
_ARROW: Final[Mapping[str, pa.DataType]] = {
    "line": pa.int16(), "quantity": pa.int32(), "position": pa.int32(), "price": pa.decimal128(14, 4),
    "occurred_at": pa.timestamp("us", tz="UTC"), "received_at": pa.timestamp("us", tz="UTC"), "consent": pa.bool_(),
}  # fmt: skip
SCHEMA: Final = pa.schema([(name, _ARROW.get(name, pa.string())) for name in COLUMNS])
_SELECTED: Final = sql.SQL(", ").join(sql.SQL("properties::text" if name == "properties" else name) for name in COLUMNS)
_OF_ITEMS: Final = frozenset({"quantity", "price"})


def export(tenant: TenantRef, wanted: Filter, format: Format) -> Iterator[bytes]:
    """The events that the filter lets pass, a piece of the file at a time."""
    chunks = _chunks(tenant, wanted)
    if format is Format.PARQUET:
        return _parquet(chunks)
    rows = chain.from_iterable(chunks)
    return joined(map(_json_line, rows)) if format is Format.JSONL else joined(_csv(rows))


def filename(tenant: TenantRef, format: Format) -> str:
    return f"{tenant.slug}-events.{format}"


def _chunks(tenant: TenantRef, wanted: Filter) -> Iterator[list[Row]]:
    """The rows, an event's lines side by side, a chunk at a time, so that no transaction waits for a slow client."""
    last: tuple[datetime, UUID, int] | None = None
    while True:
        conditions = _conditions(wanted, last)
        query = sql.SQL("SELECT {} FROM {} WHERE {} ORDER BY occurred_at, event_id, line LIMIT {}").format(
            _SELECTED, table(tenant.schema, "events_event"),
            sql.SQL(" AND ").join([condition for condition, _ in conditions]), sql.Literal(CHUNK),
        )  # fmt: skip
        with connect(autocommit=True) as connection:
            found = connection.execute(query, [value for _, values in conditions for value in values]).fetchall()
        if found:
            chunk = [dict(zip(COLUMNS, row, strict=True)) for row in found]
            last = chunk[-1]["occurred_at"], chunk[-1]["event_id"], chunk[-1]["line"]
            yield chunk
        if len(found) < CHUNK:
            return


def _conditions(wanted: Filter, last: tuple[datetime, UUID, int] | None) -> list[tuple[sql.Composable, list[Any]]]:
    """The filter as conditions and their values, and what follows a row."""
    found: list[tuple[sql.Composable, list[Any]]] = [
        (sql.SQL("{} = %s").format(sql.Identifier(name)), [value]) for name, value in wanted.exact.items()
    ]
    since = last[0] if last else wanted.since or FIRST_INSTANT
    found.append((sql.SQL("occurred_at >= %s"), [since]))  # for the planner, who leaves out earlier months
    if wanted.until is not None:
        found.append((sql.SQL("occurred_at < %s"), [wanted.until]))
    if last is not None:
        found.append((sql.SQL("(occurred_at, event_id, line) > (%s, %s, %s)"), [*last]))
    if wanted.flagged is not None:
        found.append((sql.SQL("flag IS NOT NULL" if wanted.flagged else "flag IS NULL"), []))
    return found


def _told(row: Row) -> Iterator[tuple[str, Any]]:
    """What a row of text says: an event without an item has no quantity, and an amount is a text, so exact."""
    for name, value in row.items():
        if value is None or (name in _OF_ITEMS and row["item_id"] is None):
            continue
        if isinstance(value, datetime):
            yield name, value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        else:
            yield name, str(value) if isinstance(value, Decimal) or name == "event_id" else value


def _json_line(row: Row) -> str:
    told = dict(_told(row))
    if "properties" in told:
        told["properties"] = msgspec.Raw(told["properties"].encode())
    return msgspec.json.encode(told).decode() + "\n"


def _csv(rows: Iterator[Row]) -> Iterator[str]:
    yield tables.text_of([COLUMNS], ",")
    for row in rows:
        told = dict(_told(row))
        yield tables.text_of([[_cell(told.get(name)) for name in COLUMNS]], ",")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _parquet(chunks: Iterator[list[Row]]) -> Iterator[bytes]:
    """A row group a chunk; what was written is given away and forgotten."""
    sink = _Sink()
    with pq.ParquetWriter(sink, SCHEMA, compression="zstd") as writer:
        for chunk in chunks:
            writer.write_table(pa.Table.from_pylist([_flat(row) for row in chunk], schema=SCHEMA))
            yield sink.taken()
    yield sink.taken()


def _flat(row: Row) -> Row:
    return row | {"event_id": str(row["event_id"])}


class _Sink(io.RawIOBase):
    """A file that is only written on, and read away from the front."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._position = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._held += part
        self._position += len(part)
        return len(part)

    def tell(self) -> int:
        return self._position

    def taken(self) -> bytes:
        part = bytes(self._held)
        self._held.clear()
        return part
