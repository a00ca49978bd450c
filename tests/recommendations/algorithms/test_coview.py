from collections.abc import Callable
from dataclasses import replace
from math import log

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommendations.algorithms.coview import (
    BROWSING,
    PURCHASING,
    CoviewParams,
    choose_params,
    coview,
    coview_of_sessions,
    purchase_share,
)
from recommendations.algorithms.engine import open_engine
from recommendations.algorithms.sessions import numbered_sessions
from recommendations.algorithms.types import SESSION_EVENTS
from tests.recommendations.algorithms import references
from tests.recommendations.algorithms.conftest import Run
from tests.recommendations.algorithms.rows import histories
from tests.recommendations.algorithms.tables import START, Row, event, interactions, lists, order, visit

BARE = replace(BROWSING, popularity_penalty=0.0)
"""Scores are n_i^-½ · ln(1 + N/n_i) · W_ij."""


def by_pair(run: Run, rows: list[Row], params: CoviewParams) -> dict[tuple[int, int], tuple[float, int]]:
    """(item, neighbour) → score, count."""
    found = lists(run(coview(interactions(rows), params)))
    return {(item, other): (row.score, row.count) for item, near in found.items() for other, row in near.items()}


def test_one_session_by_hand(run: Run) -> None:
    found = lists(run(coview(interactions(visit("s", 1, 2, 3)), BARE)))
    weights = {item: {other: row.score / log(2) for other, row in near.items()} for item, near in found.items()}
    assert weights == {
        1: pytest.approx({2: 1, 3: 1 / 2}, rel=1e-6),
        2: pytest.approx({3: 1, 1: 0.6}, rel=1e-6),
        3: pytest.approx({2: 0.6, 1: 0.3}, rel=1e-6),
    }


def test_frequent_neighbours_are_penalised_by_a_power_of_their_steps(run: Run) -> None:
    rows = [*visit("s", 1, 2), *visit("t", 1, 3), *visit("u", 3, 4)]
    near = lists(run(coview(interactions(rows))))[1]
    assert near[3].score / near[2].score == pytest.approx(2**-0.15, rel=1e-6)


def test_the_factor_of_the_anchor_is_folded_in(run: Run) -> None:
    found = lists(run(coview(interactions([*visit("s", 1, 2), *visit("t", 1, 3)]), replace(BARE, backward=1.0))))
    assert found[2][1].score == pytest.approx(log(1 + 2 / 1), rel=1e-6)
    assert found[1][2].score == pytest.approx(2**-0.5 * log(1 + 2 / 2), rel=1e-6)


def test_a_session_counts_half_after_thirty_days(run: Run) -> None:
    near = lists(run(coview(interactions([*visit("s", 1, 2), *visit("t", 1, 3, day=30)]), BARE)))[1]
    assert near[2].score / near[3].score == pytest.approx(0.5, rel=1e-6)


def test_pairs_beyond_the_window_do_not_count(run: Run) -> None:
    near = lists(run(coview(interactions(visit("s", *range(1, 13))))))
    assert set(near[1]) == set(range(2, 12))


def test_the_purchasing_setting_knows_neither_distance_nor_direction(run: Run) -> None:
    found = lists(run(coview(interactions(visit("s", *range(1, 23))), replace(PURCHASING, popularity_penalty=0.0))))
    assert set(found[1]) == set(range(2, 22))
    assert len({row.score for near in found.values() for row in near.values()}) == 1


@pytest.mark.parametrize(("params", "weight"), [(BARE, 0.8), (replace(PURCHASING, popularity_penalty=0.0), 1)])
def test_the_lines_of_an_order_are_all_as_near(run: Run, params: CoviewParams, weight: float) -> None:
    found = lists(run(coview(interactions(order("o", *range(1, 43))), params)))
    assert all(set(near) == set(range(1, 43)) - {item} for item, near in found.items())
    scores = {row.score for near in found.values() for row in near.values()}
    assert list(scores) == pytest.approx([weight * log(2)], rel=1e-6)


def test_an_order_is_one_position_on_the_way(run: Run) -> None:
    rows = [event("v", 1, -1), *order("o", 5, 6), event("v", 2, 1)]
    found = lists(run(coview(interactions(rows), BARE)))
    weights = {other: row.score / log(2) for other, row in found[1].items()}
    assert weights == pytest.approx({5: 1, 6: 1, 2: 1 / 2}, rel=1e-6)
    assert found[5][2].score == found[6][2].score


def test_counts_the_sessions_that_hold_both(run: Run) -> None:
    rows = [*visit("s", 1, 2, 1, 2, 1), *visit("t", 2, 1), *visit("u", 1, 3)]
    found = lists(run(coview(interactions(rows))))
    assert found[1][2].count == found[2][1].count == 2
    assert found[1][3].count == 1


def test_ties_go_to_the_smaller_neighbour(run: Run) -> None:
    rows = [*visit("s", 1, 9), *visit("t", 1, 4), *visit("u", 1, 7)]
    assert list(lists(run(coview(interactions(rows))))[1]) == [4, 7, 9]


def test_builds_from_sessions_made_elsewhere(run: Run) -> None:
    columns = {
        "session": ["s", "s"],
        "position": [0, 1],
        "item": [1, 2],
        "ended_at": [START] * 2,
        "returns": [False] * 2,
    }
    steps = pa.table(columns, SESSION_EVENTS.to_pyarrow())
    assert run(coview_of_sessions(ibis.memtable(steps))).num_rows == 2


def test_keeping_what_is_read_twice_changes_nothing() -> None:
    rows = [*visit("s", 1, 2, 1, 3), *visit("t", 2, 3, day=1), *order("o", 1, 3, 4, visitor="w")]
    with open_engine(memory_limit="1GB") as engine:
        steps = engine.create_table("steps", numbered_sessions(interactions(rows)))
        kept = engine.to_pyarrow(coview_of_sessions(steps, keep=engine.create_table))
        assert engine.table("pairs").count().execute() == 5
        assert lists(kept) == lists(engine.to_pyarrow(coview_of_sessions(steps)))


@settings(max_examples=25, deadline=None)
@given(rows=histories(), params=st.sampled_from([BROWSING, PURCHASING, replace(BROWSING, window=2)]))
def test_agrees_with_plain_python(run: Run, rows: list[Row], params: CoviewParams) -> None:
    scores = by_pair(run, rows, params)
    expected = references.coview(rows, params)
    assert scores.keys() == expected.keys()
    for pair, (score, count) in expected.items():
        assert scores[pair][0] == pytest.approx(score, rel=1e-6)
        assert scores[pair][1] == count


@settings(max_examples=25, deadline=None)
@given(
    rows=histories(),
    numbers=st.permutations([1, 2, 3, 4, 5]),
    params=st.sampled_from([BROWSING, PURCHASING, replace(BROWSING, window=1)]),
)
def test_the_numbers_of_items_mean_nothing(run: Run, rows: list[Row], numbers: list[int], params: CoviewParams) -> None:
    renamed = dict(enumerate(numbers, start=1))
    other = [{**row, "item": renamed[row["item"]]} for row in rows]
    assert by_pair(run, other, params) == {
        (renamed[item], renamed[near]): pytest.approx(row, rel=1e-6)
        for (item, near), row in by_pair(run, rows, params).items()
    }


@pytest.mark.parametrize("params", [BROWSING, PURCHASING])
def test_the_numbers_of_items_mean_nothing_in_a_large_order(run: Run, params: CoviewParams) -> None:
    def lines(number: Callable[[int], int]) -> list[Row]:
        return [event("v", number(n), 0, "purchase", order_id="o", quantity=n % 150) for n in range(1, 150)]

    every = replace(params, k=200)
    plain, renamed = by_pair(run, lines(int), every), by_pair(run, lines(lambda n: n * 50 % 151), every)
    assert len(plain) == 100 * 99
    assert renamed.keys() == {(item * 50 % 151, near * 50 % 151) for item, near in plain}


@pytest.mark.parametrize(
    ("types", "share"),
    [([], 0), (["view", "view", "click", "purchase"], 0.25), (["purchase"], 1), (["purchase", "refund"], 1)],
)
def test_share_of_purchases(run: Run, types: list[str], share: float) -> None:
    table = interactions([event("v", 1, type=type) for type in types])
    assert purchase_share(table).to_pyarrow().as_py() == share


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, BROWSING), (0.5, BROWSING), (0.51, PURCHASING), (1.0, PURCHASING)]
)
def test_purchase_like_shops_get_their_own_setting(share: float, expected: CoviewParams) -> None:
    assert choose_params(share) == expected
