"""How often visits come back to what they have seen, counted and used."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommendations.algorithms.returning import PLACES, PRIOR, TIMES, learn_returns, with_returns
from recommendations.algorithms.scoring import Scored
from recommendations.algorithms.visits import visits
from tests.recommendations.algorithms.tables import event, interactions, visit

MOMENTS = st.lists(st.integers(0, 8), min_size=1, max_size=3, unique=True)
VISITS = st.lists(st.lists(MOMENTS, max_size=12), max_size=8)
ALIKE = ((((0.1,) * TIMES,) * PLACES),) * 6
NEW = [Scored(item, score, 0, 1) for item, score in ((5, 4.0), (6, 2.0), (7, 1.0))]


def test_no_visit_ever_came_back() -> None:
    rates = learn_returns([])
    assert {rate for places in rates for times in places for rate in times} == {0.0}


def test_a_rate_by_hand() -> None:
    """After one item, three of four visits look at it again: 3 returns of 4 chances, near the rate of its place."""
    rates = learn_returns([[[1], [1]], [[2], [2]], [[3], [3]], [[4], [5]]])
    of_place = 3 / (4 + PRIOR)
    of_times = (3 + PRIOR * of_place) / (4 + PRIOR)
    assert rates[0][0][0] == pytest.approx((3 + PRIOR * of_times) / (4 + PRIOR), abs=1e-5)


def test_lines_of_an_order_are_seen_together_and_come_back_together() -> None:
    """Of the two items of the first order one comes back at once: it is the first or second newest."""
    once = learn_returns([[[1, 2], [1, 3]]])
    assert once[1][1][0] == pytest.approx(
        1 / (1 + PRIOR) * (1 + PRIOR / (1 + PRIOR) + (PRIOR / (1 + PRIOR)) ** 2), abs=1e-5
    )
    assert once[1][0][0] == 0


def test_what_was_seen_long_ago_comes_back_at_the_rate_of_the_last_place() -> None:
    rates = (((*((0.0,) * TIMES for _ in range(PLACES - 1)), (0.01,) * TIMES)),) * 6
    past = range(100, 130)
    chances = dict(with_returns([], past, rates))
    assert {item for item, chance in chances.items() if chance == 0.01} == set(range(100, 111))


@given(VISITS)
def test_rates_are_probabilities(found: list[list[list[int]]]) -> None:
    rates = learn_returns(found)
    assert all(len(places) == PLACES and all(len(times) == TIMES for times in places) for places in rates)
    assert all(0 <= rate < 1 for places in rates for times in places for rate in times)


@given(VISITS, st.lists(st.integers(0, 8), min_size=1, max_size=30))
def test_each_item_is_there_once_in_the_order_of_its_chance(found: list[list[list[int]]], past: list[int]) -> None:
    ranked = with_returns(NEW, past, learn_returns(found), again=2.0)
    assert {item for item, _ in ranked} == {5, 6, 7} | set(past)
    assert len(ranked) == len({item for item, _ in ranked})
    chances = [chance for _, chance in ranked]
    assert chances == sorted(chances, reverse=True)
    assert sum(chances) <= 1 + 1e-9


def test_new_items_share_what_is_left_as_far_as_they_are_found() -> None:
    """Rates of a place by hand; 0.4 is left, of which half is found among items of scores 4, 2 and 1."""
    rates = ((((0.6,) * TIMES,) * PLACES),) * 6
    ranked = with_returns(NEW, [9], rates, found=0.5)
    assert [item for item, _ in ranked] == [9, 5, 6, 7]
    assert dict(ranked) == pytest.approx({9: 0.6, 5: 0.2 * 4 / 7, 6: 0.2 * 2 / 7, 7: 0.2 / 7})
    assert dict(with_returns(NEW, [9], rates))[5] == pytest.approx(0.4 * 4 / 7)


def test_a_seen_item_is_also_as_likely_as_its_score_says() -> None:
    """0.8 is left for scores of 4, 2 times the factor, and 1."""
    ranked = dict(with_returns(NEW, [9, 6], ALIKE, again=3.0))
    assert ranked == pytest.approx({5: 0.8 * 4 / 11, 6: 0.1 + 0.8 * 6 / 11, 7: 0.8 / 11, 9: 0.1})
    assert dict(with_returns(NEW, [9, 6], ALIKE))[6] == pytest.approx(0.1)


def test_without_rates_only_new_items_are_shown() -> None:
    assert [item for item, _ in with_returns(NEW, [6, 1], ())] == [5, 7]


def test_visits_end_with_their_session_or_a_pause_and_keep_repeats() -> None:
    loose = [event("w", item, minute) for item, minute in ((6, 0), (6, 1), (7, 2), (8, 60))]
    rows = [*visit("a", 1, 1, 2), *visit("a", 3, day=1.0), *visit("b", 4, 5), *loose]
    found = [[(1,), (1,), (2,), (3,)], [(4,), (5,)], [(6,), (6,), (7,)], [(8,)]]
    assert sorted(visits(interactions(rows))) == found


def test_what_was_looked_at_at_one_moment_is_one_step() -> None:
    rows = [event("w", item, minute) for item, minute in ((6, 0), (5, 0), (7, 2))]
    assert list(visits(interactions(rows))) == [[(5, 6), (7,)]]
