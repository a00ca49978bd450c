from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommendations.algorithms.sessions import DEFAULT, SessionParams, sessions
from recommendations.algorithms.types import SESSION_EVENTS
from tests.recommendations.algorithms import references
from tests.recommendations.algorithms.conftest import Run
from tests.recommendations.algorithms.rows import histories
from tests.recommendations.algorithms.tables import Row, event, interactions, order, visit


def derived(run: Run, rows: list[Row], params: SessionParams = DEFAULT) -> list[tuple[int, ...]]:
    """The items of each session, sessions sorted."""
    steps = run(sessions(interactions(rows), params)).sort_by([("session", "ascending"), ("position", "ascending")])
    found: dict[str, list[int]] = {}
    for step in steps.to_pylist():
        found.setdefault(step["session"], []).append(step["item"])
    return sorted(map(tuple, found.values()))


def test_an_explicit_session_holds_across_pauses(run: Run) -> None:
    assert derived(run, [event("v", 1, 0, session="s"), event("v", 2, 500, session="s")]) == [(1, 2)]


def test_visitors_do_not_share_a_session_id(run: Run) -> None:
    rows = [event(visitor, item, item, session="1") for visitor in "ab" for item in (1, 2)]
    assert derived(run, rows) == [(1, 2), (1, 2)]


@pytest.mark.parametrize(("pause", "expected"), [(30, [(1, 2, 3, 4)]), (30.1, [(1, 2), (3, 4)])])
def test_a_pause_of_more_than_thirty_minutes_splits(run: Run, pause: float, expected: list[tuple[int, ...]]) -> None:
    rows = [event("v", 1, 0), event("v", 2, 20), event("v", 3, 20 + pause), event("v", 4, 25 + pause)]
    assert derived(run, rows) == expected


def test_sessions_with_and_without_id_stay_apart(run: Run) -> None:
    rows = [*visit("s", 1, 2), event("v", 3, 0), event("v", 4, 1)]
    assert derived(run, rows) == [(1, 2), (3, 4)]


def test_consecutive_repeats_count_once(run: Run) -> None:
    assert derived(run, visit("s", 1, 1, 2, 2, 1, 1)) == [(1, 2, 1)]


def test_sessions_of_one_step_are_dropped(run: Run) -> None:
    assert derived(run, [*visit("s", 1, 1, 1), *visit("t", 2)]) == []


def test_the_lines_of_an_order_share_session_and_moment(run: Run) -> None:
    rows = [
        event("v", 2, 100, type="purchase", order_id="o", session="s"),
        event("v", 1, 0, type="purchase", order_id="o"),
        event("v", 3, 50, session="s"),
    ]
    assert derived(run, rows) == [(1, 2, 3)]


def test_equal_moments_are_ordered_by_item(run: Run) -> None:
    assert derived(run, order("o", 5, 3, 4)) == [(3, 4, 5)]


def test_a_long_session_keeps_its_last_steps(run: Run) -> None:
    assert derived(run, visit("s", 1, 2, 3, 4), SessionParams(max_events=3)) == [(2, 3, 4)]


def test_the_types_that_count_can_be_chosen(run: Run) -> None:
    rows = [event("v", 1, 0, type="wish"), event("v", 2, 1, type="wish"), event("v", 3, 2)]
    assert derived(run, rows, SessionParams(types=("wish",))) == [(1, 2)]


def test_a_session_ends_with_its_last_step(run: Run) -> None:
    rows = visit("s", 1, 2, 3)
    steps = run(sessions(interactions(rows)))
    assert set(steps["ended_at"].to_pylist()) == {rows[-1]["occurred_at"]}
    assert steps.schema.types == SESSION_EVENTS.to_pyarrow().types


@settings(max_examples=25, deadline=None)
@given(rows=histories(), max_events=st.sampled_from([2, 3, 200]))
def test_agrees_with_plain_python(run: Run, rows: list[Row], max_events: int) -> None:
    expected = [tuple(item for _, item in steps) for steps in references.sessions(rows, max_events)]
    assert Counter(derived(run, rows, SessionParams(max_events=max_events))) == Counter(expected)
