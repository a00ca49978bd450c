from datetime import datetime, timedelta

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings

from recommendations.algorithms.sessions import sessions
from recommendations.algorithms.types import SESSION_EVENTS
from recommendations.evaluation.holdout import divide, divide_sessions, split_moment
from tests.recommendations.algorithms.rows import histories
from tests.recommendations.algorithms.tables import START, Row, event, interactions, order, visit


def at(minute: float) -> datetime:
    return START + timedelta(minutes=minute)


def ended(*minutes: float | None) -> ibis.Table:
    """Sessions of two steps that ended at these minutes."""
    rows = [
        {"session": str(number), "position": step, "item": step, "ended_at": end, "returns": False}
        for number, end in enumerate(None if minute is None else at(minute) for minute in minutes)
        for step in (1, 2)
    ]
    return ibis.memtable(pa.Table.from_pylist(rows, SESSION_EVENTS.to_pyarrow()), schema=SESSION_EVENTS)


def rows_of(table: ibis.Table) -> list[Row]:
    return table.to_pyarrow().to_pylist()


def test_the_newest_tenth_of_the_sessions_is_held_out() -> None:
    steps = ended(*range(30))
    moment = split_moment(steps)
    assert moment == at(26)
    training, held_out = divide_sessions(steps, at(26))
    assert {row["session"] for row in rows_of(held_out)} == {"27", "28", "29"}
    assert training.count().execute() + held_out.count().execute() == 60


def test_no_more_than_enough_are_held_out() -> None:
    assert split_moment(ended(*range(30)), share=0.5, at_most=4) == at(25)


def test_sessions_of_one_moment_stay_together() -> None:
    assert split_moment(ended(*range(10), 9, 9), share=0.25) == at(8)
    assert split_moment(ended(0, 1, 2, 3, 3, 3, 3, 4), share=0.3) == at(3)


@pytest.mark.parametrize("minutes", [[], [1], [1, 2, 3], [5] * 40, [None] * 40])
def test_there_may_be_nothing_to_hold_out(minutes: list[float | None]) -> None:
    assert split_moment(ended(*minutes)) is None


def test_training_sees_nothing_after_the_moment() -> None:
    """A visit under way is cut: its beginning is training's, what came later is asked for."""
    table = interactions([event("a", item, minute) for item, minute in ((1, 0), (2, 5), (3, 10), (4, 15))])
    training, held_out = divide(table, at(5))
    assert sorted(row["item"] for row in rows_of(training)) == [1, 2]
    assert sorted(row["item"] for row in rows_of(held_out)) == [3, 4]


def test_half_an_order_is_not_held_out() -> None:
    late = [event("v", 9, 30, type="purchase", order_id="o"), event("v", 8, 30, type="purchase", order_id="p")]
    same_id = event("w", 7, 30, type="purchase", order_id="o")
    _, held_out = divide(interactions([*order("o", 1, 2), *late, same_id, *visit("s", 5, 6)]), at(10))
    assert sorted(row["item"] for row in rows_of(held_out)) == [7, 8]


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(rows=histories())
def test_no_training_step_is_younger_than_a_held_out_one(rows: list[Row]) -> None:
    table = interactions(rows)
    moment = split_moment(sessions(table), share=0.5)
    if moment is None:
        return
    training, held_out = divide(table, moment)
    assert all(row["occurred_at"] <= moment for row in rows_of(training))
    assert all(row["occurred_at"] > moment for row in rows_of(held_out))
    assert training.count().execute() == sum(row["occurred_at"] <= moment for row in rows)
