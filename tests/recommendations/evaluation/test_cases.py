import random
from collections import Counter
from itertools import chain

import ibis
import pytest
from hypothesis import given, settings

from recommendations.algorithms.baskets import order_lines
from recommendations.algorithms.sessions import sessions
from recommendations.evaluation.cases import (
    Draw,
    basket_cases,
    history_cases,
    known_only,
    next_item_cases,
    novel_only,
)
from recommendations.evaluation.holdout import divide
from recommendations.evaluation.types import Case
from tests.recommendations.algorithms.rows import histories
from tests.recommendations.algorithms.tables import START, Row, event, interactions, order, visit
from tests.recommendations.evaluation.made import case


def steps(rows: list[Row]) -> ibis.Table:
    return sessions(interactions(rows))


def asked(cases: list[Case]) -> list[tuple[list[int], list[int]]]:
    return [(list(each.prefix), sorted(each.targets)) for each in cases]


def test_every_step_of_a_session_is_a_case() -> None:
    found = next_item_cases(steps([*visit("a", 1, 2, 1, 3), *visit("b", 7, 8)]))
    assert asked(found) == [([1], [2]), ([1, 2], [1]), ([1, 2, 1], [3]), ([7], [8])]
    assert len({each.unit for each in found}) == 2


def test_novel_leaves_out_what_the_prefix_holds() -> None:
    rows = visit("a", 1, 2, 1, 3)
    novel = next_item_cases(steps(rows), Draw(novel=True))
    assert asked(novel) == [([1], [2]), ([1, 2, 1], [3])]
    assert novel_only(next_item_cases(steps(rows))) == novel


def test_what_came_at_one_moment_is_one_target_set() -> None:
    rows = [event("v", 9), *(event("v", item, 5, type="purchase", order_id="o") for item in (4, 3)), event("v", 1, 9)]
    assert asked(next_item_cases(steps(rows))) == [([9], [3, 4]), ([9, 3, 4], [1])]


def test_a_session_of_one_moment_asks_for_nothing() -> None:
    assert next_item_cases(steps(order("o", 1, 2, 3))) == []
    assert next_item_cases(steps([])) == []


def test_cases_are_bounded_in_a_session_and_in_total() -> None:
    rows = [row for number in range(12) for row in visit(f"s{number}", *range(40))]
    found = next_item_cases(steps(rows), Draw(cases=100, per_session=10))
    assert len(found) == 100
    assert max(Counter(each.unit for each in found).values()) == 10
    assert {len(each.prefix) for each in found} > set(range(5, 35))
    assert len({each.unit for each in next_item_cases(steps(rows), Draw(cases=5))}) <= 5


def test_the_seed_alone_decides_what_is_drawn() -> None:
    rows = [row for number in range(12) for row in visit(f"s{number}", *range(10))]
    shuffled = random.Random(3).sample(rows, len(rows))
    draw = Draw(cases=20)
    assert next_item_cases(steps(shuffled), draw) == next_item_cases(steps(rows), draw)
    assert next_item_cases(steps(rows), Draw(cases=20, seed=2)) != next_item_cases(steps(rows), draw)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(rows=histories())
def test_prefix_and_targets_follow_one_another(rows: list[Row]) -> None:
    table = steps(rows)
    moments: dict[str, dict[int, list[int]]] = {}
    for row in table.order_by("session", "position", "item").to_pyarrow().to_pylist():
        moments.setdefault(row["session"], {}).setdefault(row["position"], []).append(row["item"])
    expected = [
        (session, list(chain.from_iterable(steps_of[:at])), steps_of[at])
        for session, by_position in moments.items()
        for steps_of in [list(by_position.values())]
        for at in range(1, len(steps_of))
    ]
    assert [(each.unit, list(each.prefix), sorted(each.targets)) for each in next_item_cases(table)] == expected


def test_a_basket_is_asked_from_one_item_and_for_one() -> None:
    rows = [*order("a", 1, 2, 3, 4, 5), *order("b", 8, 9), *order("c", 7, 7)]
    single, cart = basket_cases(order_lines(interactions(rows)))
    assert [each.unit for each in single] == [each.unit for each in cart] == ["a", "b"]
    for alone, rest, items in zip(single, cart, ({1, 2, 3, 4, 5}, {8, 9}), strict=True):
        assert (len(alone.prefix), len(rest.targets)) == (1, 1)
        for each in (alone, rest):
            assert sorted([*each.prefix, *each.targets]) == sorted(items)


def test_baskets_are_drawn_by_seed_and_bounded() -> None:
    rows = [row for number in range(30) for row in order(f"o{number:02}", *range(10))]
    lines = order_lines(interactions(rows))
    found = basket_cases(lines, Draw(cases=10))
    assert len(found.single) == len(found.cart) == 10
    assert found == basket_cases(order_lines(interactions(rows[::-1])), Draw(cases=10))
    targets = Counter(item for each in basket_cases(lines).cart for item in each.targets)
    assert len(targets) > 5


def test_visitors_who_came_back_are_asked_for_what_they_turned_to() -> None:
    rows = [
        *(event("back", item, minute) for item, minute in ((1, 0), (2, 1), (1, 2), (3, 60), (2, 61))),
        *(event("back", item, minute, type="impression") for item, minute in ((8, 1), (9, 62))),
        event("gone", 1),
        event("new", 1, 60),
    ]
    parts = divide(interactions(rows), START.replace(minute=30))
    (found,) = history_cases(*parts)
    assert found == Case((2, 1), frozenset({2, 3}), "back")
    assert history_cases(*parts, Draw(novel=True)) == [Case((2, 1), frozenset({3}), "back")]
    assert history_cases(*divide(interactions([]), START)) == []


def test_what_is_absurdly_long_is_cut_to_its_newest_part() -> None:
    rows = [event("v", number, number / 60) for number in range(1500)]
    parts = divide(interactions([*rows, event("v", 1, 60)]), START.replace(minute=30))
    (found,) = history_cases(*parts)
    assert found.prefix == tuple(range(500, 1500))
    (cart,) = basket_cases(order_lines(interactions(order("o", *range(1500))))).cart
    assert len(cart.prefix) == 999


def test_unknown_targets_are_taken_out_only_when_asked() -> None:
    cases = [case(1), case(2), case(1, 2)]
    assert known_only(cases, [2, 3]) == [case(2), case(2)]
