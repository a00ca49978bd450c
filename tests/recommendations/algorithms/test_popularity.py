from events.interest import EVENT_WEIGHTS
from recommendations.algorithms.popularity import POPULAR, PopularParams, popular
from tests.recommendations.algorithms.conftest import Run
from tests.recommendations.algorithms.tables import Row, event, interactions


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
