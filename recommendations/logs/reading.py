"""Logs from anywhere as interactions, so that the engine can be tried and checked without a shop.

A training log has either the columns `session, pos, item`, or `visitor_id, occurred_at, item_id` and if it likes
`type`, `session_id`, `order_id` and `quantity`. A test set has `prefix` (lists of items, oldest first) and `target` (an
item, or a list of them). Ids may be numbers or text, rows may stand in any order. What is not understood is refused,
never guessed, since nobody would notice it in the figures.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import parquet

from recomengine.lib.errors import DomainError
from recommendations.algorithms.baskets import PURCHASE
from recommendations.algorithms.types import INTERACTIONS, POSITIVE_TYPES
from recommendations.evaluation.metrics import Catalogue
from recommendations.evaluation.types import Case
from recommendations.logs.columns import MOMENT, Columns, Ids, Lists, check_span, ids, lists, moments, text, understood

SESSION_COLUMNS: Final = ("session", "pos", "item")
EVENT_COLUMNS: Final = ("visitor_id", "occurred_at", "item_id")
MORE_COLUMNS: Final = ("type", "session_id", "order_id", "quantity")
TEST_COLUMNS: Final = ("prefix", "target")
_NO_IDS: Final = ("occurred_at", "quantity")
WANTED: Final = (
    f"A training log has {', '.join(SESSION_COLUMNS)}, or {', '.join(EVENT_COLUMNS)};"
    f" a test set has {' and '.join(TEST_COLUMNS)}."
)
_BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)  # of logs without times
_Interactions = dict[str, Any]
"""Arrow arrays by the columns of INTERACTIONS, for now with the items' ids."""


@dataclass(frozen=True)
class Log:
    """A training log: `path` is a Parquet file of INTERACTIONS, `items` has the id of each item number, at its place.

    `counts`: how many rows name each item, by number; `types`: how many rows are of each type.
    """

    path: Path
    items: pa.Array
    counts: NDArray[np.int64]
    types: Mapping[str | None, int]

    @property
    def interactions(self) -> pa.Table:
        """All of it in memory, read anew."""
        return parquet.ParquetFile(self.path).read()

    def with_items(self, more: pa.Array) -> "Log":
        """The same log of a shop that has these items (text) as well; numbers stay."""
        return replace(self, items=pc.unique(pa.concat_arrays([self.items, more])))

    def catalogue(self) -> Catalogue:
        """All items, with how many rows name each."""
        return Catalogue(np.arange(len(self.items)), np.pad(self.counts, (0, len(self.items) - len(self.counts))))

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
        return {kind or "none": count for kind, count in self.types.items() if kind not in POSITIVE_TYPES}

    def as_orders(self, interactions: ibis.Table) -> ibis.Table:
        """The interactions as orders where they hold no purchase: a session, or what a visitor did at one moment."""
        if PURCHASE in self.types:
            return interactions
        table = interactions.filter(interactions.type.isin(POSITIVE_TYPES))
        # A session id holds within its visitor.
        at_once = table.visitor + " " + table.occurred_at.cast("string")
        order = ibis.coalesce(table.visitor + " " + table.session, at_once)
        return table.mutate(order_id=order, type=ibis.literal(PURCHASE))


def read(path: Path, folder: Path) -> Log:
    """A training log, its interactions written into a folder; memory does not grow with those of events.

    Raises `invalid` if a column is missing or not understood, and says which.
    """
    columns = Columns(path)
    by_session = all(name in columns for name in SESSION_COLUMNS)
    wanted = SESSION_COLUMNS if by_session else EVENT_COLUMNS
    _require(columns, wanted)
    with understood(path):
        items = _items(columns, wanted[-1])
        parts = _of_sessions(columns) if by_session else _of_events(columns)
        log, missing = _kept(parts, items, folder / "interactions.parquet")
    if not log.types:
        raise DomainError("invalid", f"{path}: the log is empty.")
    names = zip(("visitor", "occurred_at", "item"), wanted, strict=True)
    if absent := [name for column, name in names if missing[column]]:
        raise DomainError("invalid", f"{path}: rows without {', '.join(absent)}.")
    if not any(kind in POSITIVE_TYPES for kind in log.types):
        raise DomainError("invalid", f"{path}: no row has a type of {', '.join(POSITIVE_TYPES)}.")
    return log


def _items(columns: Columns, name: str) -> pa.Array:
    """The different ids of a column, sorted."""
    known = pa.array([], pa.string())
    for part in columns.parts(name):
        known = pc.unique(pa.concat_arrays([known, pc.unique(text(part[name]))]))
    return known.drop_null().sort()


def _kept(parts: Iterable[_Interactions], items: pa.Array, path: Path) -> tuple[Log, Counter[str]]:
    """The log out of parts whose items are still ids, written to a file; and how many rows lack what each needs."""
    schema = INTERACTIONS.to_pyarrow()
    counts, missing, types = np.zeros(len(items), np.int64), Counter[str](), Counter[str | None]()
    moments_met: list[int] = []
    with parquet.ParquetWriter(path, schema) as writer:
        for part in parts:
            whole = part | {"item": pc.index_in(part["item"], value_set=items)}
            nothing = pa.nulls(len(whole["item"]))
            table = pa.table({name: whole.get(name, nothing).cast(schema.field(name).type) for name in schema.names})
            writer.write_table(table)
            missing.update({name: table[name].null_count for name in schema.names})
            types.update({each["values"]: each["counts"] for each in table["type"].value_counts().to_pylist()})
            counts += np.bincount(table["item"].drop_null().to_numpy(), minlength=len(items))
            ends = pc.min_max(table["occurred_at"].cast(pa.int64())).as_py()
            moments_met += [each for each in ends.values() if each is not None]
    if moments_met:
        check_span(min(moments_met), max(moments_met))
    return Log(path, items, counts, types), missing


def _of_sessions(columns: Columns) -> Iterator[_Interactions]:
    """Sessions follow one another by number or else by name, and each step takes a microsecond."""
    sessions = ids(columns["session"])
    places = columns["pos"].cast(pa.int64())
    if sessions.places.null_count or places.null_count:
        raise pa.ArrowInvalid("rows without session or pos")
    turns = _dense(_in_order(sessions), places.to_numpy())
    turns += int(_BEGINNING.timestamp()) * 1_000_000
    start = 0
    for part in columns.parts("item"):
        rows = part.num_rows
        names = sessions.known.take(sessions.places.slice(start, rows))
        yield {
            "visitor": names,
            "session": names,
            "item": text(part["item"]),
            "type": pa.repeat("view", rows),
            "occurred_at": pa.array(turns[start : start + rows]).cast(MOMENT),
        }
        start += rows


def _in_order(sessions: Ids) -> NDArray[np.int32]:
    """For every row the rank of its session: by number where all are numbers, so that 9 comes before "10"."""
    are_numbers = pc.all(pc.match_substring_regex(sessions.known, r"^-?\d{1,18}$")).as_py()
    ranks = pc.rank(sessions.known.cast(pa.int64()) if are_numbers else sessions.known, tiebreaker="dense")
    found: NDArray[np.int32] = ranks.to_numpy().astype(np.int32)[sessions.places.to_numpy()]
    return found


def _dense(sessions: NDArray[np.int32], places: NDArray[np.int64]) -> NDArray[np.int64]:
    """The ranks of (session, place), from 0; equal pairs share one."""
    order = np.lexsort((places, sessions))
    is_new = (np.diff(sessions[order]) != 0) | (np.diff(places[order]) != 0)
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.concatenate([[0], np.cumsum(is_new)])
    return ranks


def _of_events(columns: Columns) -> Iterator[_Interactions]:
    largest = columns.largest("occurred_at")
    for part in columns.parts(*EVENT_COLUMNS, *(name for name in MORE_COLUMNS if name in columns)):
        given = {name: text(part[name]) for name in part.column_names if name not in _NO_IDS}
        found = {
            "visitor": given["visitor_id"],
            "session": given.get("session_id", pa.nulls(part.num_rows)),
            "item": given["item_id"],
            "type": pc.utf8_lower(given["type"]) if "type" in given else pa.repeat("view", part.num_rows),
            "occurred_at": moments(part["occurred_at"], largest),
            "order_id": given.get("order_id", pa.nulls(part.num_rows, pa.string())),
            "quantity": part["quantity"] if "quantity" in columns else pa.nulls(part.num_rows),
        }
        yield found | {"order_id": _orders(found)}


def _orders(events: _Interactions) -> Any:
    """The order of each event; purchases without one that a visitor made at one moment are one."""
    without = pc.and_(pc.equal(events["type"], PURCHASE), pc.is_null(events["order_id"]))
    at_once = pc.binary_join_element_wise(events["visitor"], events["occurred_at"].cast(pa.string()), " ")
    return pc.if_else(pc.fill_null(without, False), at_once, events["order_id"])


def _require(columns: Columns, wanted: tuple[str, ...]) -> None:
    if missing := columns.missing(wanted):
        raise DomainError("invalid", f"{missing} {WANTED}")


def _cut(rows: Lists, flat: list[int]) -> list[list[int]]:
    return [flat[start:end] for start, end in pairwise(rows.starts.tolist())]
