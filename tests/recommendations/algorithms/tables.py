"""Small tables to run the algorithms on, written as the events they stand for."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import ibis
import pyarrow as pa

from recommendations.algorithms.types import INTERACTIONS

START = datetime(2026, 3, 1, 12, tzinfo=UTC)

Row = dict[str, Any]


def event(visitor: str, item: int, minute: float = 0, type: str = "view", **more: Any) -> Row:
    """One interaction, so many minutes after START."""
    moment = START + timedelta(minutes=minute)
    blank = {"session": None, "order_id": None, "quantity": None}
    return {**blank, "visitor": visitor, "item": item, "occurred_at": moment, "type": type, **more}


def visit(session: str, *items: int, day: float = 0) -> list[Row]:
    """A visitor's whole session, one view a minute."""
    return [event("v", item, day * 1440 + minute, session=session) for minute, item in enumerate(items)]


def order(order_id: str, *items: int, visitor: str = "v") -> list[Row]:
    return [event(visitor, item, type="purchase", order_id=order_id) for item in items]


def interactions(rows: Iterable[Row]) -> ibis.Table:
    return ibis.memtable(pa.Table.from_pylist(list(rows), INTERACTIONS.to_pyarrow()), schema=INTERACTIONS)


@dataclass(frozen=True)
class Neighbour:
    """One row of a neighbour list, for readable assertions."""

    score: float
    count: int
    rank: int


def lists(table: pa.Table) -> dict[int, dict[int, Neighbour]]:
    """A NEIGHBOURS result as item → neighbour → row, best first."""
    found: dict[int, dict[int, Neighbour]] = {}
    for row in table.sort_by([("item", "ascending"), ("rank", "ascending")]).to_pylist():
        found.setdefault(row["item"], {})[row["neighbour"]] = Neighbour(row["score"], row["count"], row["rank"])
    return found
