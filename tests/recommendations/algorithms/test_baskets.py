from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommendations.algorithms.baskets import (
    PRODUCT_PAGE,
    BasketParams,
    PairStatistics,
    bought_together,
    pair_statistics,
)
from tests.recommendations.algorithms import references
from tests.recommendations.algorithms.conftest import Run
from tests.recommendations.algorithms.rows import histories
from tests.recommendations.algorithms.tables import Row, event, interactions, lists, order

ANY = replace(PRODUCT_PAGE, min_count=1)


def test_two_orders_by_hand(run: Run) -> None:
    rows = [*order("o", 1, 2), *order("p", 1, 2, 3), *order("q", 1)]
    found = lists(run(bought_together(interactions(rows), ANY)))
    both = 1 + 2**-0.5
    assert found[1][2].score == pytest.approx(both / ((3 + 2) * 2**0.1), rel=1e-6)
    assert found[2][1].score == pytest.approx(both / ((2 + 2) * 3**0.1), rel=1e-6)
    assert found[3][1].score == pytest.approx(2**-0.5 / ((1 + 2) * 3**0.1), rel=1e-6)
    assert (found[1][2].count, found[1][3].count) == (2, 1)


def test_a_pair_needs_two_orders(run: Run) -> None:
    rows = [*order("o", 1, 2), *order("p", 1, 2, 3)]
    assert {item: set(near) for item, near in lists(run(bought_together(interactions(rows)))).items()} == {
        1: {2},
        2: {1},
    }


def test_the_lines_of_an_item_are_one(run: Run) -> None:
    rows = [*order("o", 1, 2, 2, 2), *order("p", 1, 2)]
    found = lists(run(bought_together(interactions(rows))))
    assert found[1][2].count == 2
    assert found[1][2].score == pytest.approx(2 / (4 * 2**0.1), rel=1e-6)


def test_lines_without_units_or_order_do_not_count(run: Run) -> None:
    rows = [
        event("v", 1, type="purchase", order_id="o", quantity=1),
        event("v", 2, type="purchase", order_id="o", quantity=0),
    ]
    loose = [event("v", item, type="purchase") for item in (1, 2)]
    assert run(bought_together(interactions([*rows, *loose]), ANY)).num_rows == 0


def test_a_huge_order_keeps_the_lines_with_most_units(run: Run) -> None:
    rows = [event("v", n, type="purchase", order_id="o", quantity=q) for n, q in ((1, 1), (2, 5), (3, None), (4, 9))]
    found = lists(run(bought_together(interactions(rows), replace(ANY, max_items=3))))
    assert set(found) == {1, 2, 4}


def test_ties_go_to_the_smaller_neighbour(run: Run) -> None:
    rows = [*order("o", 1, 9, 4, 7)]
    assert list(lists(run(bought_together(interactions(rows), ANY)))[1]) == [4, 7, 9]


def test_a_stronger_penalty_prefers_the_rarer_neighbour(run: Run) -> None:
    rows = [*order("a", 1, 2), *order("b", 1, 2), *order("c", 1, 2), *order("d", 1, 3), *order("e", 1, 3)]
    rows += [line for n in range(20) for line in order(f"x{n}", 2, 5)]
    mild, strong = (
        lists(run(bought_together(interactions(rows), BasketParams(popularity_penalty=a)))) for a in (0, 0.5)
    )
    assert (next(iter(mild[1])), next(iter(strong[1]))) == (2, 3)


def test_an_older_order_counts_half_after_the_half_life(run: Run) -> None:
    older = [dict(line, occurred_at=line["occurred_at"] - timedelta(days=120)) for line in order("o", 1, 2)]
    found = lists(run(bought_together(interactions([*older, *order("p", 1, 3)]), ANY)))
    assert found[1][2].score == pytest.approx(0.5 / ((1.5 + 2) * 0.5**0.1), rel=1e-6)
    assert found[1][3].score == pytest.approx(1 / ((1.5 + 2) * 1**0.1), rel=1e-6)


def test_an_order_is_as_old_as_its_first_line(run: Run) -> None:
    first, second = order("o", 1, 2)
    second["occurred_at"] += timedelta(days=120)
    found = lists(run(bought_together(interactions([first, second]), ANY)))
    assert found[2][1].score == pytest.approx(0.5 / ((0.5 + 2) * 0.5**0.1), rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(rows=histories(), min_count=st.sampled_from([1, 2]))
def test_agrees_with_plain_python(run: Run, rows: list[Row], min_count: int) -> None:
    # Short enough that the ages in these rows differ in weight, long enough that none comes to nothing.
    params = replace(ANY, min_count=min_count, half_life_days=5.0)
    found = lists(run(bought_together(interactions(rows), params)))
    scores = {(item, other): (row.score, row.count) for item, near in found.items() for other, row in near.items()}
    expected = references.bought_together(rows, params)
    assert scores.keys() == expected.keys()
    for pair, (score, count) in expected.items():
        assert scores[pair][0] == pytest.approx(score, rel=1e-6)
        assert scores[pair][1] == count


def test_statistics_of_a_pair_by_hand() -> None:
    rows = [*order("a", 1, 2, 3), *order("b", 1, 2), *order("c", 1), *order("d", 2), *order("e", 4)]
    pair = pair_statistics(interactions(rows), 1, 2)
    assert pair == PairStatistics(orders=5, with_item=3, with_neighbour=3, together=2)
    assert pair.support == pytest.approx(2 / 5)
    assert pair.confidence == pytest.approx(2 / 3)
    assert pair.lift == pytest.approx((2 / 3) / (3 / 5))


def test_statistics_that_are_not_defined_are_missing() -> None:
    nobody = pair_statistics(interactions([]), 1, 2)
    assert nobody == PairStatistics(0, 0, 0, 0)
    assert (nobody.support, nobody.confidence, nobody.lift) == (None, None, None)
    unseen = pair_statistics(interactions(order("o", 2)), 1, 2)
    assert (unseen.support, unseen.confidence, unseen.lift) == (0, None, None)
