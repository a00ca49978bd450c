"""What may not be shown is gone from the next answer on, whatever the model says."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from recomengine.lib import clock
from tests.api import Api
from tests.recommendations.conftest import ids, slate

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
    patched(expires_at=moment(seconds=1.5))(shop, "cup")
    assert "cup" in popular(shop)
    deadline = time.monotonic() + 3
    while "cup" in popular(shop):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_an_item_that_was_deleted_and_added_again_waits_for_the_next_model(shop: Api) -> None:
    deleted(shop, "cup")
    assert shop.post("catalog/items", {"item_id": "cup", "title": "Green mug"}).status == 201
    assert "cup" not in popular(shop)


def test_a_slate_is_filled_however_many_of_the_best_are_gone(shop: Api) -> None:
    for item in popular(shop)[:5]:
        deleted(shop, item)
    assert ids(slate(shop, strategy="popular", limit=2)) == ["bulb", "lamp"]
    deleted(shop, "bulb")
    deleted(shop, "lamp")
    answer = slate(shop, strategy="popular")
    assert (answer["items"], answer["empty_reason"]["code"]) == ([], "nothing_available")
