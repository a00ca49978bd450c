"""Logs from anywhere as interactions, so that the engine can be tried and checked without a shop.

A training log has either the columns `session, pos, item`, or `visitor_id, occurred_at, item_id` and if it likes
`type`, `session_id`, `order_id` and `quantity`. A test set has `prefix` (lists of items, oldest first) and `target` (an
item, or a list of them). Ids may be numbers or text, rows may stand in any order. What is not understood is refused,
never guessed, since nobody would notice it in the figures.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from recomengine.lib.errors import DomainError
from recommendations.algorithms.baskets import PURCHASE
from recommendations.algorithms.types import INTERACTIONS, POSITIVE_TYPES
from recommendations.evaluation.types import Case
from recommendations.log_columns import MOMENT, Columns, Ids, Lists, ids, lists, moments, understood

SESSION_COLUMNS: Final = ("session", "pos", "item")
EVENT_COLUMNS: Final = ("visitor_id", "occurred_at", "item_id")
TEST_COLUMNS: Final = ("prefix", "target")
WANTED: Final = (
    f"A training log has {', '.join(SESSION_COLUMNS)}, or {', '.join(EVENT_COLUMNS)};"
    f" a test set has {' and '.join(TEST_COLUMNS)}."
)
_BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)  # of logs without times
_POSITIVE: Final = pa.array(POSITIVE_TYPES)
_Interactions = dict[str, pa.Array | pa.ChunkedArray]


@dataclass(frozen=True)
class Log:
    """A training log as INTERACTIONS; `items` has the id of each item number, at its place."""

    interactions: pa.Table
    items: pa.Array

    def with_items(self, more: pa.Array) -> "Log":
        """The same log of a shop that has these items (text) as well; numbers stay."""
        return Log(self.interactions, pc.unique(pa.concat_arrays([self.items, more])))

    def numbers(self, known: pa.Array) -> list[int]:
        """The numbers of ids (text); those that the log does not know get numbers above its own."""
        every = pc.unique(pa.concat_arrays([self.items, known]))
        found: list[int] = pc.index_in(known, value_set=every).to_pylist()
        return found

    def cases(self, path: Path) -> list[Case]:
        """The cases of a test set, each its own unit; raises `invalid` if a row is not understood."""
        columns = Columns(path)
        _require(columns, TEST_COLUMNS)
        with understood(path):
            prefixes, targets = lists(columns["prefix"]), lists(columns["target"], single=True)
        if len(prefixes.starts) == 1:
            raise DomainError("invalid", f"{path}: the test set is empty.")
        wrong = np.flatnonzero(prefixes.wrong() | targets.wrong())
        if len(wrong):
            message = f"{path}: row {wrong[0] + 1} needs a prefix of at least one item and a target"
            raise DomainError("invalid", f"{message} ({len(wrong)} such rows in all).")
        numbers = self.numbers(pa.concat_arrays([prefixes.ids, targets.ids]))
        split = len(prefixes.ids)
        pairs = zip(_cut(prefixes, numbers[:split]), _cut(targets, numbers[split:]), strict=True)
        return [Case(tuple(past), frozenset(next_ones), str(n)) for n, (past, next_ones) in enumerate(pairs)]

    def ignored(self) -> dict[str, int]:
        """How many rows are of each type that says nothing in an item's favour, which trainings pass over."""
        types = self.interactions["type"].value_counts().to_pylist()
        return {each["values"] or "none": each["counts"] for each in types if each["values"] not in POSITIVE_TYPES}

    def as_orders(self) -> pa.Table:
        """The interactions as orders where they hold no purchase: a session, or what a visitor did at one moment."""
        if pc.any(pc.equal(self.interactions["type"], PURCHASE)).as_py():
            return self.interactions
        table = self.interactions.filter(pc.is_in(self.interactions["type"], _POSITIVE))
        # A session id holds within its visitor.
        sessions = pc.binary_join_element_wise(table["visitor"], table["session"], " ")
        orders = pc.coalesce(sessions, _at_once(table["visitor"], table["occurred_at"]))
        bought = pa.repeat(PURCHASE, table.num_rows)
        renamed = table.set_column(table.column_names.index("order_id"), "order_id", orders)
        return renamed.set_column(table.column_names.index("type"), "type", bought)


def read(path: Path) -> Log:
    """A training log; raises `invalid` if a column is missing or not understood, and says which."""
    columns = Columns(path)
    by_session = all(name in columns for name in SESSION_COLUMNS)
    _require(columns, SESSION_COLUMNS if by_session else EVENT_COLUMNS)
    with understood(path):
        found = ids(columns["item" if by_session else "item_id"])
        if not len(found.places):
            raise DomainError("invalid", f"{path}: the log is empty.")
        items = pc.unique(found.known).drop_null().sort()
        numbers: pa.ChunkedArray = found.numbers(items)
        whole = {"item": numbers, **(_of_sessions(columns) if by_session else _of_events(columns))}
        schema = INTERACTIONS.to_pyarrow()
        nothing = pa.nulls(len(numbers))
        known = pa.table({name: whole.get(name, nothing).cast(schema.field(name).type) for name in schema.names})
    names = zip(("visitor", "occurred_at", "item"), SESSION_COLUMNS if by_session else EVENT_COLUMNS, strict=True)
    if missing := [name for column, name in names if known[column].null_count]:
        raise DomainError("invalid", f"{path}: rows without {', '.join(missing)}.")
    if not pc.any(pc.is_in(known["type"], _POSITIVE)).as_py():
        raise DomainError("invalid", f"{path}: no row has a type of {', '.join(POSITIVE_TYPES)}.")
    return Log(known, items)


def _of_sessions(columns: Columns) -> _Interactions:
    """Sessions follow one another by number or else by name, and each step takes a microsecond."""
    sessions = ids(columns["session"])
    places = columns["pos"].cast(pa.int64())
    if sessions.places.null_count or places.null_count:
        raise pa.ArrowInvalid("rows without session or pos")
    turns = _dense(_in_order(sessions), places.to_numpy())
    began = int(_BEGINNING.timestamp()) * 1_000_000
    names = sessions.whole()
    return {
        "visitor": names,
        "session": names,
        "type": pa.repeat("view", len(turns)),
        "occurred_at": pa.array(turns + began, pa.int64()).cast(MOMENT),
    }


def _in_order(sessions: Ids) -> NDArray[np.int64]:
    """For every row the rank of its session: by number where all are numbers, so that 9 comes before "10"."""
    are_numbers = pc.all(pc.match_substring_regex(sessions.known, r"^-?\d{1,18}$")).as_py()
    ranks = pc.rank(sessions.known.cast(pa.int64()) if are_numbers else sessions.known, tiebreaker="dense")
    found: NDArray[np.int64] = ranks.to_numpy()[sessions.places.to_numpy()].astype(np.int64)
    return found


def _dense(sessions: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.int64]:
    """The ranks of (session, place), from 0; equal pairs share one."""
    order = np.lexsort((places, sessions))
    is_new = (np.diff(sessions[order]) != 0) | (np.diff(places[order]) != 0)
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.concatenate([[0], np.cumsum(is_new)])
    return ranks


def _of_events(columns: Columns) -> _Interactions:
    visitors, times = ids(columns["visitor_id"]).whole(), moments(columns["occurred_at"])
    found: _Interactions = {"visitor": visitors, "occurred_at": times}
    if "session_id" in columns:
        found["session"] = ids(columns["session_id"]).whole()
    if "quantity" in columns:
        found["quantity"] = columns["quantity"]
    orders = ids(columns["order_id"]).whole() if "order_id" in columns else pa.nulls(len(times), pa.string())
    if "type" not in columns:
        return {**found, "type": pa.repeat("view", len(times)), "order_id": orders}
    kinds = ids(columns["type"])
    found["type"] = Ids(pc.utf8_lower(kinds.known), kinds.places).whole()
    without = pc.and_(pc.equal(found["type"], PURCHASE), pc.is_null(orders))
    if pc.any(without).as_py():
        orders = pc.if_else(pc.fill_null(without, False), _at_once(visitors, times), orders)
    return {**found, "order_id": orders}


def _at_once(visitors: Any, times: Any) -> Any:
    """What names the things that a visitor did at one moment."""
    return pc.binary_join_element_wise(visitors, times.cast(pa.string()), " ")


def _require(columns: Columns, wanted: tuple[str, ...]) -> None:
    if missing := columns.missing(wanted):
        raise DomainError("invalid", f"{missing} {WANTED}")


def _cut(rows: Lists, flat: list[int]) -> list[list[int]]:
    return [flat[start:end] for start, end in pairwise(rows.starts.tolist())]
