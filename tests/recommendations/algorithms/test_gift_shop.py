"""Known answers on the real orders of the example shop."""

import ibis
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from recomengine.demo import gift_shop
from recommendations.algorithms.baskets import PairStatistics, bought_together, pair_statistics
from recommendations.algorithms.content import similar
from recommendations.algorithms.coview import PURCHASING, choose_params, coview, purchase_share
from recommendations.algorithms.types import INTERACTIONS, CatalogItem
from tests.recommendations.algorithms.conftest import Run
from tests.recommendations.algorithms.tables import lists


class Shop:
    """The shop's order lines as interactions, and its item numbers both ways."""

    def __init__(self) -> None:
        self.lines = gift_shop.lines()
        codes = self.lines["item_id"].combine_chunks().dictionary_encode()
        self.codes: list[str] = codes.dictionary.to_pylist()
        self.numbers = {code: number for number, code in enumerate(self.codes)}
        nothing = pa.nulls(len(self.lines), pa.string())
        columns = {
            "visitor": self.lines["invoice"],
            "session": nothing,
            "type": pa.repeat("purchase", len(self.lines)),
            "item": codes.indices,
            "occurred_at": self.lines["invoice_date"].cast(pa.timestamp("us", "UTC")),
            "order_id": self.lines["invoice"],
            "quantity": self.lines["quantity"],
        }
        self.orders = pa.table(columns).cast(INTERACTIONS.to_pyarrow())

    def interactions(self, country: str | None = None) -> ibis.Table:
        rows = self.orders if country is None else self.orders.filter(pc.equal(self.lines["country"], country))
        return ibis.memtable(rows, schema=INTERACTIONS)


@pytest.fixture(scope="module")
def shop() -> Shop:
    return Shop()


@pytest.fixture(scope="module")
def together(run: Run, shop: Shop) -> dict[str, list[str]]:
    """Item code → codes of the neighbours, best first."""
    found = lists(run(bought_together(shop.interactions())))
    return {shop.codes[item]: [shop.codes[other] for other in near] for item, near in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize(("item", "neighbour"), [("22386", "85099B"), ("22727", "22726")])
def test_what_goes_together_is_in_the_top_three(together: dict[str, list[str]], item: str, neighbour: str) -> None:
    assert neighbour in together[item][:3]


@pytest.mark.slow
def test_most_items_that_sell_have_neighbours(shop: Shop, together: dict[str, list[str]]) -> None:
    assert len(together) > 0.9 * len(shop.codes)


@pytest.mark.slow
def test_viewed_together_is_what_orders_hold_whatever_the_codes(run: Run, shop: Shop) -> None:
    found = lists(run(coview(shop.interactions(), PURCHASING)))
    near = {code: [shop.codes[other] for other in found[shop.numbers[code]]] for code in ("22386", "22727", "85123A")}
    assert near["22386"][0] == "85099B"
    assert near["22727"][:2] == ["22726", "22728"]
    assert {"21733", "82482"} <= set(near["85123A"][:5])


def published(shop: Shop, item: str, neighbour: str) -> PairStatistics:
    """Statistics over every French invoice, those without a product included, as the published figures count."""
    pair = pair_statistics(shop.interactions("France"), shop.numbers[item], shop.numbers[neighbour])
    empty = gift_shop.orders_without_products().filter(pc.field("country") == "France").num_rows
    return PairStatistics(pair.orders + empty, pair.with_item, pair.with_neighbour, pair.together)


def test_french_alarm_clocks(shop: Shop) -> None:
    pair = published(shop, "22727", "22726")
    assert pair == PairStatistics(orders=392, with_item=37, with_neighbour=38, together=31)
    assert pair.support == pytest.approx(0.079082, abs=5e-7)
    assert pair.confidence == pytest.approx(0.837838, abs=5e-7)
    assert pair.lift == pytest.approx(8.642959, abs=5e-7)


def test_french_spotty_paper_plates_and_cups(shop: Shop) -> None:
    pair = published(shop, "21094", "21086")
    assert pair.confidence == pytest.approx(0.96)
    assert pair.lift == pytest.approx(6.968889, abs=5e-7)


def test_similar_titles_are_similar(run: Run, shop: Shop) -> None:
    items = [CatalogItem(shop.numbers[item["item_id"]], item["title"]) for item in gift_shop.items()]
    near = lists(run(similar(items)))[shop.numbers["22727"]]
    assert {"22726", "22728", "22729", "22730"} <= {shop.codes[other] for other in list(near)[:6]}


def test_orders_alone_are_recognised_as_purchase_like(run: Run, shop: Shop) -> None:
    assert choose_params(purchase_share(shop.interactions()).to_pyarrow().as_py()) is PURCHASING
