"""Logs from anywhere as interactions, so that the engine can be tried and checked without a shop.

A training log has either the columns `session, pos, item`, or `visitor_id, occurred_at, item_id` and if it likes
`type`, `session_id`, `order_id` and `quantity`. A test set has `prefix` (lists of items, oldest first) and `target` (an
item, or a list of them). Ids may be numbers or text, rows may stand in any order. What is not understood is refused,
never guessed, since nobody would notice it in the figures.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from recomengine.lib.errors import DomainError
from recommendations.algorithms.baskets import PURCHASE
from recommendations.algorithms.types import INTERACTIONS, POSITIVE_TYPES
from recommendations.evaluation.types import Case

SESSION_COLUMNS: Final = ("session", "pos", "item")
EVENT_COLUMNS: Final = ("visitor_id", "occurred_at", "item_id")
OPTIONAL_COLUMNS: Final = ("type", "session_id", "order_id", "quantity")
TEST_COLUMNS: Final = ("prefix", "target")
LONGEST_SESSION: Final = 10_000  # places that are told apart; beyond it all are the last
_UNITS: Final = ((1e11, 1_000_000), (1e14, 1_000), (1e17, 1))  # Unix times below: microseconds in one; above, nano
_BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)  # of logs without times
_TIMESTAMP: Final = pa.timestamp("us", "UTC")


@dataclass(frozen=True)
class Log:
    """A training log as INTERACTIONS; `items` has the id of each item number, at its place."""

    interactions: pa.Table
    items: pa.Array

    def cases(self, path: Path) -> list[Case]:
        """The cases of a test set, in the log's item numbers; items the log does not know get numbers above them."""
        table = _read(path, TEST_COLUMNS)
        _require(table, TEST_COLUMNS, path)
        with _understood(path):
            prefixes, targets = _lists(table["prefix"]), _lists(_each_in_a_list(table["target"]))
        if not table.num_rows or not all(map(_is_whole, (prefixes, targets))):
            raise DomainError("invalid", f"{path}: each row needs a prefix of at least one item and a target.")
        numbers = self._numbers(pa.concat_arrays([prefixes.flatten(), targets.flatten()]))
        split = len(prefixes.flatten())
        pairs = zip(_cut(prefixes, numbers[:split]), _cut(targets, numbers[split:]), strict=True)
        return [Case(tuple(past), frozenset(next_ones), str(n)) for n, (past, next_ones) in enumerate(pairs)]

    def as_orders(self) -> pa.Table:
        """The interactions as orders where they hold no purchase: a session, or what a visitor did at one moment."""
        table = self.interactions
        if pc.any(pc.equal(table["type"], PURCHASE)).as_py():
            return table
        orders = table["session"]
        if orders.null_count:
            orders = pc.coalesce(orders, _at_once(table["visitor"], table["occurred_at"]))
        bought = pa.repeat(PURCHASE, table.num_rows)
        renamed = table.set_column(table.column_names.index("order_id"), "order_id", orders)
        return renamed.set_column(table.column_names.index("type"), "type", bought)

    def _numbers(self, ids: pa.Array) -> list[int]:
        every = pa.concat_arrays([self.items, pc.unique(ids)])
        numbers: list[int] = pc.index_in(ids, value_set=pc.unique(every)).to_pylist()
        return numbers


def read(path: Path) -> Log:
    """A training log; raises `invalid` if a column is missing or not understood, and says which."""
    table = _read(path, (*SESSION_COLUMNS, *EVENT_COLUMNS, *OPTIONAL_COLUMNS))
    by_session = set(SESSION_COLUMNS) <= set(table.column_names)
    required = SESSION_COLUMNS if by_session else EVENT_COLUMNS
    _require(table, required, path)
    if not table.num_rows:
        raise DomainError("invalid", f"{path}: the log is empty.")
    if missing := [name for name in required if table[name].null_count]:
        raise DomainError("invalid", f"{path}: rows without {', '.join(missing)}.")
    with _understood(path):
        columns, ids = _of_sessions(table) if by_session else _of_events(table)
        items = pc.unique(ids).sort()
        numbers = pc.index_in(ids, value_set=items)
        nothing = pa.nulls(table.num_rows)
        whole = {"order_id": nothing, "quantity": nothing, **columns, "item": numbers}
        schema = INTERACTIONS.to_pyarrow()
        known = pa.table({name: whole[name].cast(schema.field(name).type) for name in schema.names})
    if not pc.any(pc.is_in(known["type"], pa.array(POSITIVE_TYPES))).as_py():
        raise DomainError("invalid", f"{path}: no row has a type of {', '.join(POSITIVE_TYPES)}.")
    return Log(known, items)


def _of_sessions(table: pa.Table) -> tuple[dict[str, pa.Array], pa.Array]:
    """Sessions follow one another, by number or else as they stand: in a session's time each step has a microsecond."""
    sessions, places = table["session"].combine_chunks(), table["pos"].cast(pa.float64()).cast(pa.int64())
    is_number = pa.types.is_integer(sessions.type) or pa.types.is_floating(sessions.type)
    order = pc.rank(sessions, tiebreaker="dense") if is_number else sessions.dictionary_encode().indices
    steps = pc.min_element_wise(pc.subtract(places, pc.min(places)), LONGEST_SESSION - 1).combine_chunks()
    passed = pc.multiply(order.cast(pa.int64()), pc.add(pc.max(steps), 1))
    moments = pc.add(pc.add(passed, steps), int(_BEGINNING.timestamp()) * 1_000_000)
    names = _text(table["session"])
    columns = {
        "visitor": names,
        "session": names,
        "type": pa.repeat("view", table.num_rows),
        "occurred_at": moments.cast(_TIMESTAMP),
    }
    return columns, _text(table["item"])


def _of_events(table: pa.Table) -> tuple[dict[str, pa.Array], pa.Array]:
    given = set(table.column_names)
    visitors, moments = _text(table["visitor_id"]), _moments(table["occurred_at"].combine_chunks())
    nothing = pa.nulls(table.num_rows, pa.string())
    kinds = pc.utf8_lower(_text(table["type"])) if "type" in given else pa.repeat("view", table.num_rows)
    orders = _text(table["order_id"]) if "order_id" in given else nothing
    without = pc.and_(pc.equal(kinds, PURCHASE), pc.is_null(orders))
    if pc.any(without).as_py():
        orders = pc.if_else(pc.fill_null(without, False), _at_once(visitors, moments), orders)
    columns = {
        "visitor": visitors,
        "session": _text(table["session_id"]) if "session_id" in given else nothing,
        "type": kinds,
        "occurred_at": moments,
        "order_id": orders,
        "quantity": table["quantity"].combine_chunks() if "quantity" in given else pa.nulls(table.num_rows),
    }
    return columns, _text(table["item_id"])


def _at_once(visitors: pa.Array, moments: pa.Array) -> pa.Array:
    """What names the things that a visitor did at one moment."""
    return pc.binary_join_element_wise(visitors, moments.cast(pa.string()), " ")


def _moments(column: pa.Array) -> pa.Array:
    """Times as timestamps or dates, ISO 8601 text (UTC without an offset), or Unix seconds down to nanoseconds."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return _unix(column).cast(_TIMESTAMP)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        column = pc.replace_substring_regex(column.cast(pa.string()), r" ?(UTC|Z)$", "")
        has_offset = pc.match_substring_regex(column, r":.*[+-]\d\d(:?\d\d)?$")
        return pc.if_else(has_offset, column, pc.binary_join_element_wise(column, "Z", "")).cast(_TIMESTAMP)
    return column.cast(pa.timestamp("us", getattr(column.type, "tz", None)), safe=False).cast(_TIMESTAMP)


def _unix(column: pa.Array) -> pa.Array:
    """Microseconds; the unit is told by the size of the largest, which lies after 1973 in each."""
    largest = pc.max(pc.abs(column)).as_py()
    scale = next((scale for below, scale in _UNITS if largest < below), None)
    if scale is None:
        return pc.divide(column.cast(pa.int64()), 1_000)
    return pc.multiply(column, scale).cast(pa.int64(), safe=pa.types.is_integer(column.type))


def _text(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """Ids as text, equal whatever the type that holds them: 7, 7.0 and "7" are one."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type):
        column = column.cast(pa.int64())
    text = column.cast(pa.string())
    return text.combine_chunks() if isinstance(text, pa.ChunkedArray) else text


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _each_in_a_list(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Single ids as lists of one, lists as they are; no id is no list."""
    if _is_list(column.type):
        return column
    ids = _text(column)
    ends = pa.array(range(len(ids) + 1), pa.int32())
    return pa.chunked_array([pa.ListArray.from_arrays(ends, ids, mask=ids.is_null())])


def _lists(column: pa.ChunkedArray) -> pa.Array:
    """A column of lists of ids as text."""
    lists = column.combine_chunks()
    if not _is_list(lists.type):
        raise pa.ArrowInvalid(f"prefix has to hold lists, not {lists.type}")
    sizes = pc.fill_null(pc.list_value_length(lists), 0)
    ends = pc.cumulative_sum(sizes.cast(pa.int32()))
    starts = pa.concat_arrays([pa.array([0], pa.int32()), ends])
    return pa.ListArray.from_arrays(starts, _text(lists.flatten()))


def _is_whole(lists: pa.Array) -> bool:
    """Whether every list holds an id, and each place of it."""
    return not lists.flatten().null_count and bool(pc.min(pc.list_value_length(lists)).as_py())


def _cut(lists: pa.Array, flat: list[int]) -> Iterator[list[int]]:
    starts = lists.offsets.to_pylist()
    return (flat[start:end] for start, end in pairwise(starts))


@contextmanager
def _understood(path: Path) -> Iterator[None]:
    """Refuses what Arrow cannot take for an id, a time or a number."""
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise DomainError("invalid", f"{path}: a value is not understood: {error}") from error


def _require(table: pa.Table, columns: tuple[str, ...], path: Path) -> None:
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        wanted = f"{', '.join(SESSION_COLUMNS)}, or {', '.join(EVENT_COLUMNS)}"
        known = f"{path} has no column {', '.join(missing)}; it has {', '.join(table.column_names)}."
        raise DomainError("invalid", f"{known} A training log has {wanted}; a test set has prefix and target.")


def _read(path: Path, wanted: tuple[str, ...]) -> pa.Table:
    """The wanted ones of a file's columns; all, if it has none of them."""
    try:
        data = parquet.ParquetDataset(path)
        return data.read(columns=[name for name in data.schema.names if name in wanted] or None)
    except FileNotFoundError as error:
        raise DomainError("not_found", f"There is no file {path}.") from error
    except (pa.ArrowInvalid, OSError) as error:
        raise DomainError("invalid", f"{path} is no Parquet file that can be read: {error}") from error
