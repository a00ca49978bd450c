"""What holds for every algorithm, whatever it computes."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from operator import itemgetter

import ibis
import pyarrow as pa
import pytest

from recommendations.algorithms import backing, baskets, content, coview, popularity
from recommendations.algorithms.engine import open_engine
from recommendations.algorithms.types import NEIGHBOURS, RANKING, CatalogItem
from tests.recommendations.algorithms.conftest import Run
from tests.recommendations.algorithms.tables import Row, event, interactions, order, visit


@dataclass(frozen=True)
class Shop:
    """Everything an algorithm may learn from."""

    rows: tuple[Row, ...]
    items: tuple[CatalogItem, ...]

    def shuffled(self, seed: int) -> "Shop":
        shuffle = random.Random(seed)
        return Shop(
            tuple(shuffle.sample(self.rows, len(self.rows))), tuple(shuffle.sample(self.items, len(self.items)))
        )


Job = Callable[[Shop, int], ibis.Table]
Learned = Callable[[str], list[Row]]


def _two_hop(shop: Shop, k: int) -> ibis.Table:
    lists = coview.coview(interactions(shop.rows))
    return content.two_hop(content.similar(shop.items), lists, content.ContentParams(k=k))


NEIGHBOUR_JOBS: dict[str, Job] = {
    "coview": lambda shop, k: coview.coview(interactions(shop.rows), replace(coview.BROWSING, k=k)),
    "coview_purchasing": lambda shop, k: coview.coview(interactions(shop.rows), replace(coview.PURCHASING, k=k)),
    "bought_together": lambda shop, k: baskets.bought_together(interactions(shop.rows), baskets.BasketParams(k=k)),
    "similar": lambda shop, k: content.similar(shop.items, content.ContentParams(k=k)),
    "two_hop": _two_hop,
    "backed": lambda shop, k: backing.backed(coview.coview(interactions(shop.rows)), content.similar(shop.items), k),
}
RANKING_JOBS: dict[str, Job] = {
    "popular": lambda shop, k: popularity.popular(interactions(shop.rows), popularity.PopularParams(k=k)),
}
JOBS = {**NEIGHBOUR_JOBS, **RANKING_JOBS}
every_job = pytest.mark.parametrize("name", JOBS)
neighbour_jobs = pytest.mark.parametrize("name", NEIGHBOUR_JOBS)

NEW = 99
ITEMS = tuple(CatalogItem(n, f"mug number{n} {'red' if n % 2 else 'blue'}", "Acme") for n in (1, 2, 3, 4, 5, NEW))
ITEM_NUMBERS = {item.item for item in ITEMS}
SHOP = Shop(
    (
        *visit("a", 1, 2, 3, 2, 5),
        *visit("b", 3, 1, 4, day=40),
        *visit("c", 2, 2, 1, 5, day=41.5),
        *order("o1", 1, 2, 5, visitor="w"),
        *order("o2", 2, 1, visitor="x"),
        *order("o3", 5, 2, 4, visitor="y"),
        *order("o4", 5, 4, visitor="z"),
        event("u", 3, 7, "add_to_cart"),
    ),
    ITEMS,
)
EMPTY = Shop((), ())
ONE_ITEM = Shop((*visit("a", 1, 1), *order("o", 1), *order("p", 1)), ITEMS[:1])


def schema_of(name: str) -> ibis.Schema:
    return NEIGHBOURS if name in NEIGHBOUR_JOBS else RANKING


@pytest.fixture(scope="module")
def learned(run: Run) -> Learned:
    """What an algorithm learns from SHOP."""
    return cache(lambda name: in_order(run(JOBS[name](SHOP, 50))))


def in_order(table: pa.Table) -> list[Row]:
    keys = [name for name in ("item", "neighbour") if name in table.column_names]
    rows: list[Row] = table.sort_by([(key, "ascending") for key in keys]).to_pylist()
    return rows


@every_job
@pytest.mark.parametrize("shop", [EMPTY, ONE_ITEM, SHOP], ids=["empty", "one item", "shop"])
def test_declares_and_returns_its_schema(run: Run, name: str, shop: Shop) -> None:
    expression = JOBS[name](shop, 50)
    assert expression.schema() == schema_of(name)
    assert run(expression).schema.types == schema_of(name).to_pyarrow().types


@every_job
def test_learns_nothing_from_nothing(run: Run, name: str) -> None:
    assert run(JOBS[name](EMPTY, 50)).num_rows == 0


@neighbour_jobs
def test_a_single_item_has_no_neighbour(run: Run, name: str) -> None:
    assert run(JOBS[name](ONE_ITEM, 50)).num_rows == 0


@every_job
def test_finds_something_in_a_shop(learned: Learned, name: str) -> None:
    assert learned(name)


@neighbour_jobs
def test_no_item_is_its_own_neighbour(learned: Learned, name: str) -> None:
    assert all(row["item"] != row["neighbour"] for row in learned(name))


@every_job
def test_proposes_only_what_it_was_given(learned: Learned, name: str) -> None:
    assert {row[column] for row in learned(name) for column in ("item", "neighbour") if column in row} <= ITEM_NUMBERS


@every_job
def test_the_order_of_the_input_does_not_matter(run: Run, learned: Learned, name: str) -> None:
    assert in_order(run(JOBS[name](SHOP.shuffled(seed=1), 50))) == learned(name)


@every_job
def test_ranks_by_score_and_then_by_item(learned: Learned, name: str) -> None:
    lists: dict[int, list[Row]] = {}
    for row in sorted(learned(name), key=itemgetter("rank")):
        lists.setdefault(row["item"] if "neighbour" in row else 0, []).append(row)
    for rows in lists.values():
        assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
        keys = [(-row["score"], row.get("neighbour", row["item"])) for row in rows]
        assert all(better < worse for better, worse in pairwise(keys))
        assert all(row["score"] > 0 and row["count"] >= 0 for row in rows)


@every_job
@pytest.mark.parametrize("k", [1, 2])
def test_a_smaller_k_keeps_the_best(run: Run, learned: Learned, name: str, k: int) -> None:
    assert in_order(run(JOBS[name](SHOP, k))) == [row for row in learned(name) if row["rank"] <= k]


@pytest.mark.parametrize("name", [name for name in JOBS if name != "similar"])
def test_only_positive_events_count(run: Run, learned: Learned, name: str) -> None:
    noise = [
        event("n", item, minute, type, order_id=f"noise{minute}", session="n")
        for type in ("impression", "remove_from_cart", "refund", "a type of the shop's own")
        for minute, item in enumerate((1, 5, 3, 4))
    ]
    assert in_order(run(JOBS[name](replace(SHOP, rows=(*SHOP.rows, *noise)), 50))) == learned(name)


@every_job
def test_another_engine_gives_the_same_answer(learned: Learned, name: str) -> None:
    with open_engine(threads=1) as other:
        assert in_order(other.to_pyarrow(JOBS[name](SHOP, 50))) == learned(name)
