"""Logs from anywhere as interactions, so that the engine can be tried and checked without a shop.

A training log has either the columns `session, pos, item`, or `visitor_id, occurred_at, item_id` and if it likes
`type`, `session_id`, `order_id` and `quantity`. A test set has `prefix` (lists of items, oldest first) and `target` (an
item, or a list of them). Items may be numbers or text.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from recomengine.lib.errors import DomainError
from recommendations.algorithms.baskets import PURCHASE
from recommendations.algorithms.types import INTERACTIONS
from recommendations.evaluation.types import Case

SESSION_COLUMNS: Final = ("session", "pos", "item")
EVENT_COLUMNS: Final = ("visitor_id", "occurred_at", "item_id")
_BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)  # of logs without times
_TIMESTAMP: Final = pa.timestamp("us", "UTC")


@dataclass(frozen=True)
class Log:
    """A training log as INTERACTIONS; `items` has the id of each item number, at its place."""

    interactions: pa.Table
    items: pa.Array

    def cases(self, path: Path) -> list[Case]:
        """The cases of a test set, in the log's item numbers; items the log does not know get numbers above them."""
        table = _read(path)
        _require(table, ("prefix", "target"), path)
        prefixes, targets = _lists(table["prefix"]), _lists(table["target"])
        numbers = self._numbers(pa.concat_arrays([prefixes.flatten(), targets.flatten()]))
        split = len(prefixes.flatten())
        pairs = zip(_cut(prefixes, numbers[:split]), _cut(targets, numbers[split:]), strict=True)
        found = [Case(tuple(past), frozenset(next_ones), str(n)) for n, (past, next_ones) in enumerate(pairs)]
        if not found or any(not case.prefix or not case.targets for case in found):
            raise DomainError("invalid", f"{path}: each row needs a prefix of at least one item and a target.")
        return found

    def as_orders(self) -> pa.Table:
        """The interactions as orders where they hold no purchase: a session, or what a visitor did at one moment."""
        table = self.interactions
        if pc.any(pc.equal(table["type"], PURCHASE)).as_py():
            return table
        moments = pc.binary_join_element_wise(table["visitor"], table["occurred_at"].cast(pa.string()), " ")
        orders = pc.coalesce(table["session"], moments)
        bought = pa.repeat(PURCHASE, table.num_rows)
        renamed = table.set_column(table.column_names.index("order_id"), "order_id", orders)
        return renamed.set_column(table.column_names.index("type"), "type", bought)

    def _numbers(self, ids: pa.Array) -> list[int]:
        every = pa.concat_arrays([self.items, pc.unique(ids)])
        numbers: list[int] = pc.index_in(ids, value_set=pc.unique(every)).to_pylist()
        return numbers


def read(path: Path) -> Log:
    """A training log; raises `invalid` if a column is missing, and says which."""
    table = _read(path)
    if set(SESSION_COLUMNS) <= set(table.column_names):
        columns, ids = _of_sessions(table)
    else:
        _require(table, EVENT_COLUMNS, path)
        columns, ids = _of_events(table)
    if not table.num_rows or any(columns[name].null_count for name in ("visitor", "occurred_at")) or ids.null_count:
        raise DomainError("invalid", f"{path}: the log is empty, or a visitor, time or item is missing.")
    encoded = ids.dictionary_encode()
    nothing = pa.nulls(table.num_rows)
    whole = {"order_id": nothing, "quantity": nothing, **columns, "item": encoded.indices}
    schema = INTERACTIONS.to_pyarrow()
    return Log(pa.table({name: whole[name].cast(schema.field(name).type) for name in schema.names}), encoded.dictionary)


def _of_sessions(table: pa.Table) -> tuple[dict[str, pa.Array], pa.Array]:
    """Sessions follow one another, by number or else as they stand: a millisecond each, and in it a step each."""
    sessions = table["session"].combine_chunks()
    ranked = pc.rank(sessions, tiebreaker="dense") if pa.types.is_integer(sessions.type) else None
    order = (ranked if ranked is not None else sessions.dictionary_encode().indices).to_numpy(zero_copy_only=False)
    steps = np.minimum(table["pos"].to_numpy(), 999)
    moments = int(_BEGINNING.timestamp()) * 1_000_000 + order.astype(np.int64) * 1_000 + steps.astype(np.int64)
    names = sessions.cast(pa.string())
    columns = {
        "visitor": names,
        "session": names,
        "type": pa.repeat("view", table.num_rows),
        "occurred_at": pa.array(moments).cast(pa.timestamp("us")).cast(_TIMESTAMP),
    }
    return columns, _text(table["item"])


def _of_events(table: pa.Table) -> tuple[dict[str, pa.Array], pa.Array]:
    given = set(table.column_names)
    visitors, moments = _text(table["visitor_id"]), _moments(table["occurred_at"].combine_chunks())
    nothing = pa.nulls(table.num_rows, pa.string())
    kinds = _text(table["type"]) if "type" in given else pa.repeat("view", table.num_rows)
    joined = pc.binary_join_element_wise(visitors, moments.cast(pa.string()), " ")
    orders = pc.if_else(pc.equal(kinds, PURCHASE), joined, pa.scalar(None, pa.string()))
    columns = {
        "visitor": visitors,
        "session": _text(table["session_id"]) if "session_id" in given else nothing,
        "type": kinds,
        "occurred_at": moments,
        "order_id": pc.coalesce(_text(table["order_id"]), orders) if "order_id" in given else orders,
        "quantity": table["quantity"].combine_chunks() if "quantity" in given else pa.nulls(table.num_rows),
    }
    return columns, _text(table["item_id"])


def _moments(column: pa.Array) -> pa.Array:
    """Times as timestamps, ISO 8601 text, or Unix seconds or milliseconds."""
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        seconds = pc.max(column).as_py() or 0
        scale = 1_000 if seconds > timedelta(days=365_000).total_seconds() else 1_000_000
        return pc.multiply(column.cast(pa.float64()), scale).cast(pa.int64(), safe=False).cast(_TIMESTAMP)
    try:
        if pa.types.is_timestamp(column.type) and column.type.tz is None:
            return pc.assume_timezone(column.cast(pa.timestamp("us")), "UTC")
        return column.cast(_TIMESTAMP)
    except pa.ArrowInvalid as error:
        raise DomainError("invalid", f"A time is not understood: {error}") from error


def _text(column: pa.ChunkedArray) -> pa.Array:
    text = column.cast(pa.string())
    return text.combine_chunks() if isinstance(text, pa.ChunkedArray) else text


def _lists(column: pa.ChunkedArray) -> pa.Array:
    """A column of lists of ids as text; single ids are lists of one."""
    flat = column.combine_chunks()
    if not (pa.types.is_list(flat.type) or pa.types.is_large_list(flat.type)):
        return pa.ListArray.from_arrays(np.arange(len(flat) + 1, dtype=np.int32), _text(flat))
    return flat.cast(pa.list_(pa.string()))


def _cut(lists: pa.Array, flat: list[int]) -> list[list[int]]:
    ends = np.cumsum(pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False))
    return [flat[end - size : end] for end, size in zip(ends, np.diff(ends, prepend=0), strict=True)]


def _require(table: pa.Table, columns: tuple[str, ...], path: Path) -> None:
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        wanted = f"{', '.join(SESSION_COLUMNS)}, or {', '.join(EVENT_COLUMNS)}"
        known = f"{path} has no column {', '.join(missing)}; it has {', '.join(table.column_names)}."
        raise DomainError("invalid", f"{known} A training log has {wanted}; a test set has prefix and target.")


def _read(path: Path) -> pa.Table:
    try:
        return parquet.read_table(path)
    except FileNotFoundError as error:
        raise DomainError("not_found", f"There is no file {path}.") from error
    except (pa.ArrowInvalid, OSError) as error:
        raise DomainError("invalid", f"{path} is no Parquet file that can be read: {error}") from error
