from datetime import timedelta

import pytest

from recommendations.algorithms.popularity import (
    POPULAR,
    PopularParams,
    TrendingParams,
    forward_weight,
    popular,
    trending,
)
from recommendations.algorithms.types import EVENT_WEIGHTS
from tests.recommendations.algorithms.conftest import Run
from tests.recommendations.algorithms.tables import START, Row, event, interactions

DAY = 1440


def ranked(run: Run, rows: list[Row], params: PopularParams = POPULAR) -> list[tuple[int, float, int]]:
    table = run(popular(interactions(rows), params)).sort_by("rank")
    return [(row["item"], row["score"], row["count"]) for row in table.to_pylist()]


def test_popular_adds_up_weights_by_type(run: Run) -> None:
    rows = [
        event("a", 1),
        event("b", 1, type="purchase"),
        event("a", 2, type="add_to_cart"),
        event("a", 2, type="click"),
    ]
    assert ranked(run, rows) == [(1, 6, 2), (2, 4, 1)]


def test_no_single_visitor_makes_an_item_popular(run: Run) -> None:
    rows = [
        *(event("fan", 1, minute, "purchase") for minute in range(100)),
        *(event(v, 2, type="purchase") for v in "abc"),
    ]
    assert ranked(run, rows) == [(2, 15, 3), (1, 10, 1)]
    assert ranked(run, rows, PopularParams(visitor_cap=5)) == [(2, 15, 3), (1, 5, 1)]


def test_popular_ties_go_to_the_smaller_item(run: Run) -> None:
    assert [item for item, *_ in ranked(run, [event("a", item) for item in (3, 1, 2)])] == [1, 2, 3]


def test_a_shop_can_weigh_its_own_types(run: Run) -> None:
    rows = [event("a", 1, type="wish"), event("a", 2)]
    table = run(popular(interactions(rows), weights={**EVENT_WEIGHTS, "wish": 2.0})).sort_by("rank")
    assert table["item"].to_pylist() == [1, 2]


def test_trending_halves_with_every_half_life(run: Run) -> None:
    rows = [
        event("a", 1, 0, "purchase"),
        event("a", 2, 3 * DAY),
        event("b", 3, -3 * DAY, "purchase"),
        event("c", 3, -3 * DAY),
    ]
    table = run(trending(interactions(rows))).sort_by("rank")
    assert table["item"].to_pylist() == [1, 3, 2]
    assert table["score"].to_pylist() == pytest.approx([2.5, 6 / 4, 1])
    assert table["count"].to_pylist() == [1, 2, 1]


def test_a_short_half_life_prefers_the_new(run: Run) -> None:
    rows = [event("a", 1, 0, "purchase"), event("a", 2, DAY)]
    table = run(trending(interactions(rows), TrendingParams(half_life=timedelta(hours=6)))).sort_by("rank")
    assert table["item"].to_pylist() == [2, 1]


def test_forward_weights_rank_as_the_batch_job_does(run: Run) -> None:
    half_life, landmark = timedelta(days=3), START - timedelta(days=200)
    rows = [
        event("a", item, minute * 977, type) for minute, (item, type) in enumerate([(1, "view"), (2, "purchase")] * 9)
    ]
    streamed = {1: 0.0, 2: 0.0}
    for row in rows:
        streamed[row["item"]] += forward_weight(EVENT_WEIGHTS[row["type"]], row["occurred_at"], landmark, half_life)
    factor = forward_weight(1, rows[-1]["occurred_at"], landmark, half_life)
    batch = {row["item"]: row["score"] * factor for row in run(trending(interactions(rows))).to_pylist()}
    assert batch == pytest.approx(streamed, rel=1e-6)


def test_a_landmark_too_far_back_is_an_error() -> None:
    with pytest.raises(OverflowError):
        forward_weight(1, START, START - timedelta(days=3_100), timedelta(days=3))
