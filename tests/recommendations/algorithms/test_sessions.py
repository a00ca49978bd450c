from collections import Counter
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommendations.algorithms.sessions import DEFAULT, SessionParams, sessions
from recommendations.algorithms.types import SESSION_EVENTS
from tests.recommendations.algorithms import references
from tests.recommendations.algorithms.conftest import Run
from tests.recommendations.algorithms.rows import histories
from tests.recommendations.algorithms.tables import Row, event, interactions, order, visit

Moments = tuple[tuple[int, ...], ...]
"""The items at each position of a session."""


def derived(run: Run, rows: list[Row], params: SessionParams = DEFAULT) -> list[tuple[int, ...]]:
    """The items of each session in which nothing happened at the same moment, sessions sorted."""
    return [tuple(item for (item,) in moments) for moments in by_moment(run, rows, params)]


def by_moment(run: Run, rows: list[Row], params: SessionParams = DEFAULT) -> list[Moments]:
    """The items at each position of each session, sessions sorted."""
    found: dict[str, dict[int, list[int]]] = {}
    for step in run(sessions(interactions(rows), params)).to_pylist():
        found.setdefault(step["session"], {}).setdefault(step["position"], []).append(step["item"])
    for positions in found.values():
        assert max(positions) - min(positions) == len(positions) - 1
    return sorted(tuple(tuple(sorted(items)) for _, items in sorted(session.items())) for session in found.values())


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
    assert by_moment(run, rows) == [((1, 2), (3,))]


def test_the_same_moment_is_one_position(run: Run) -> None:
    rows = [event("v", 1, -1), *order("o", 5, 3, 4), event("v", 2, 1)]
    assert by_moment(run, rows) == [((1,), (3, 4, 5), (2,))]


def test_an_item_counts_once_at_a_moment(run: Run) -> None:
    assert by_moment(run, order("o", 1, 2, 1)) == [((1, 2),)]


def test_an_item_counts_once_at_consecutive_moments(run: Run) -> None:
    rows = [*order("o", 1, 2), event("v", 2, 1), event("v", 1, 2), event("v", 3, 3)]
    assert by_moment(run, rows) == [((1, 2), (1,), (3,))]


def test_a_pause_splits_between_moments_only(run: Run) -> None:
    rows = [*order("o", 1, 2), *(event("v", item, 40) for item in (1, 2)), event("v", 3, 50)]
    assert by_moment(run, rows) == [((1, 2),), ((1, 2), (3,))]


def test_a_large_order_keeps_the_lines_with_most_units(run: Run) -> None:
    rows = [event("v", item, 0, "purchase", order_id="o", quantity=(item * 7) % 11) for item in range(1, 11)]
    assert by_moment(run, rows, SessionParams(max_at_once=3)) == [((3, 6, 9),)]


def test_lines_of_equal_units_are_kept_whatever_their_numbers(run: Run) -> None:
    rows = [event(f"v{n}", item, n, "purchase", order_id=f"o{n}") for n in range(40) for item in range(1000, 1100)]
    kept = Counter(item for ((*items,),) in by_moment(run, rows, SessionParams(max_at_once=10)) for item in items)
    assert len(kept) > 90
    assert max(kept.values()) < 15


def test_a_long_session_keeps_its_last_steps(run: Run) -> None:
    assert derived(run, visit("s", 1, 2, 3, 4), SessionParams(max_events=3)) == [(2, 3, 4)]


def test_a_long_session_keeps_most_units_of_its_oldest_moment(run: Run) -> None:
    rows = [event("v", item, 0, "purchase", order_id="o", quantity=item) for item in (1, 4, 2)]
    assert by_moment(run, [*rows, event("v", 3, 1)], SessionParams(max_events=2)) == [((4,), (3,))]


@pytest.mark.parametrize(
    ("rows", "most"),
    [
        ([event("v", n % 700, n / 10, session="s") for n in range(5_000)], 200),
        ([event("v", n % 700, n * 29) for n in range(5_000)], 200),
        ([event("v", n, 0) for n in range(5_000)], 100),
        ([event("v", n % 700, n // 500) for n in range(5_000)], 200),
    ],
    ids=["one session", "never a pause", "one moment", "few moments"],
)
def test_what_no_shopper_does_costs_no_more_than_a_long_session(run: Run, rows: list[Row], most: int) -> None:
    assert run(sessions(interactions(rows))).num_rows == most


def test_pauses_split_a_visitor_of_thousands_of_events(run: Run) -> None:
    rows = [event("v", n, n * 31) for n in range(3_000)]
    pairs = [event("w", n, n // 2 * 60 + n % 2) for n in range(3_000)]
    assert run(sessions(interactions([*rows, *pairs]))).num_rows == 3_000


def test_the_types_that_count_can_be_chosen(run: Run) -> None:
    rows = [event("v", 1, 0, type="wish"), event("v", 2, 1, type="wish"), event("v", 3, 2)]
    assert derived(run, rows, SessionParams(types=("wish",))) == [(1, 2)]


def test_a_session_ends_with_its_last_step(run: Run) -> None:
    rows = visit("s", 1, 2, 3)
    steps = run(sessions(interactions(rows)))
    assert set(steps["ended_at"].to_pylist()) == {rows[-1]["occurred_at"]}
    assert steps.schema.types == SESSION_EVENTS.to_pyarrow().types


@settings(max_examples=25, deadline=None)
@given(rows=histories(), max_events=st.sampled_from([2, 3, 200]), max_at_once=st.sampled_from([2, 100]))
def test_agrees_with_plain_python(run: Run, rows: list[Row], max_events: int, max_at_once: int) -> None:
    params = SessionParams(max_events=max_events, max_at_once=max_at_once)
    expected = [
        tuple(tuple(step.item for step in together) for _, together in groupby(steps, key=lambda step: step.position))
        for steps in references.sessions(rows, params)
    ]
    assert Counter(by_moment(run, rows, params)) == Counter(expected)
