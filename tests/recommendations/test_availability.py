"""What may not be shown is gone from the next answer on, whatever the model says."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from recomengine.lib import clock
from recommendations.training import running
from tenants.types import TenantRef
from tests.api import Api
from tests.recommendations.conftest import ids, notice, slate, visit

Change = Callable[[Api, str], Any]


def patched(**fields: Any) -> Change:
    def change(api: Api, item_id: str) -> None:
        assert api.call("PATCH", f"catalog/items/{item_id}", data=fields).status == 200

    return change


def replaced(api: Api, item_id: str) -> None:
    item = {"item_id": item_id, "title": "Sold out", "availability": "out_of_stock"}
    assert api.post("catalog/items/batch", {"items": [item]}).json["updated"] == 1


def deleted(api: Api, item_id: str) -> None:
    assert api.call("DELETE", f"catalog/items/{item_id}").status == 204


def moment(**ahead: float) -> str:
    return (clock.now() + timedelta(**ahead)).isoformat()


def popular(api: Api) -> list[str]:
    return ids(slate(api, strategy="popular", limit=50))


GONE = {
    "out of stock": patched(availability="out_of_stock"),
    "out of stock by batch": replaced,
    "deleted": deleted,
    "expired": patched(expires_at=moment(minutes=-1)),
    "not out yet": patched(published_at=moment(days=1)),
}


@pytest.mark.parametrize("change", GONE.values(), ids=GONE)
def test_it_is_gone_from_the_next_answer_of_every_strategy(shop: Api, change: Change) -> None:
    before = popular(shop)
    change(shop, "cup")
    assert popular(shop) == [item for item in before if item != "cup"]
    for params in (
        {"strategy": "also_viewed", "item_id": "mug"},
        {"strategy": "similar", "item_id": "mug"},
        {"strategy": "session", "session_items": "mug"},
        {"strategy": "for_you", "visitor_id": "v3"},
        {"strategy": "bought_together", "item_id": ["tea", "mug"]},
    ):
        assert "cup" not in ids(slate(shop, limit=50, **params))


@pytest.mark.parametrize(
    "fields",
    [
        {"availability": "preorder"},
        {"expires_at": moment(days=1)},
        {"published_at": moment(hours=-1)},
        {"price": "1.00"},
    ],
)
def test_what_may_be_shown_stays(shop: Api, fields: dict[str, Any]) -> None:
    before = popular(shop)
    patched(**fields)(shop, "cup")
    assert popular(shop) == before


def test_it_comes_back_as_soon(shop: Api) -> None:
    before = popular(shop)
    patched(availability="out_of_stock")(shop, "cup")
    patched(availability="in_stock")(shop, "cup")
    assert popular(shop) == before


def test_a_shown_product_is_as_it_is_now(shop: Api) -> None:
    patched(title="Greener mug", price="7.50", sale_price="5.00")(shop, "cup")
    [product] = [item["product"] for item in slate(shop, strategy="popular")["items"] if item["item_id"] == "cup"]
    assert (product["title"], product["price"], product["sale_price"]) == ("Greener mug", "7.50", "5.00")


def test_an_item_expires_by_itself(shop: Api) -> None:
    patched(expires_at=moment(minutes=10))(shop, "cup")
    assert "cup" in popular(shop)
    with time_machine.travel(clock.now() + timedelta(minutes=11), tick=True):
        assert "cup" not in popular(shop)


def test_an_item_that_was_deleted_and_added_again_waits_for_the_next_model(shop: Api) -> None:
    deleted(shop, "cup")
    assert shop.post("catalog/items", {"item_id": "cup", "title": "Green mug"}).status == 201
    items = slate(shop, strategy="popular", limit=20)["items"]
    assert {item["item_id"]: item["source"] for item in items}["cup"] == "new"


def test_a_slate_is_filled_however_many_of_the_best_are_gone(shop: Api) -> None:
    for item in popular(shop)[:5]:
        deleted(shop, item)
    assert ids(slate(shop, strategy="popular", limit=2)) == ["bulb", "lamp"]
    deleted(shop, "bulb")
    deleted(shop, "lamp")
    assert ids(slate(shop, strategy="popular")) == ["rug"]
    deleted(shop, "rug")
    answer = slate(shop, strategy="popular")
    assert (answer["items"], answer["empty_reason"]["code"]) == ([], "nothing_available")


VARIANTS = [{"item_id": f"cup-{size}", "title": "Green mug", "group_id": "cup"} for size in "sml"]


@pytest.fixture
def variants(filled: Api, tenant_a: TenantRef, quick_training: None) -> Api:
    """The tiny shop with three sizes of a cup, all seen with the mug, which is a variant as well, and with the pot."""
    filled.post(
        "catalog/items/batch", {"items": [*VARIANTS, {"item_id": "mug", "title": "Blue mug", "group_id": "mug"}]}
    )
    visits = [visit(f"g{n}", "mug", f"cup-{size}", "pot", days=30 + n) for n, size in enumerate("smlsml")]
    filled.post("events/batch", {"events": [event for events in visits for event in events]})
    running.train(tenant_a)
    notice(filled)
    return filled


def test_of_a_group_one_variant_is_shown_the_best(variants: Api) -> None:
    shown = ids(slate(variants, strategy="also_viewed", item_id="mug", limit=50))
    assert len([item for item in shown if item.startswith("cup-")]) == 1
    assert {"cup", "pot"} <= set(shown)


def test_when_the_best_variant_is_gone_the_next_takes_its_place(variants: Api) -> None:
    def sizes() -> list[str]:
        shown = ids(slate(variants, strategy="also_viewed", item_id="mug", limit=50))
        return [item for item in shown if item.startswith("cup-")]

    [first] = sizes()
    patched(availability="out_of_stock")(variants, first)
    [second] = sizes()
    assert first != second


def test_no_variant_of_the_product_at_hand_is_shown(variants: Api) -> None:
    asked = {"strategy": "similar", "limit": 50}
    assert not [item for item in ids(slate(variants, item_id="cup-s", **asked)) if item.startswith("cup-")]
    patched(group_id=None)(variants, "cup-s")
    assert [item for item in ids(slate(variants, item_id="cup-s", **asked)) if item.startswith("cup-")]


def test_a_placement_may_show_all_variants(variants: Api) -> None:
    assert variants.call("PATCH", "placements/pdp", data={"one_per_group": False}).json["one_per_group"] is False
    notice(variants)
    shown = ids(slate(variants, placement="pdp", item_id="mug", limit=50))
    assert [item for item in shown if item.startswith("cup-")] != []
    assert {"cup-s", "cup-m", "cup-l"} <= set(shown)
