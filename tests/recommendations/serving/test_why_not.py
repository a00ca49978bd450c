"""`why_not`: each of its codes through HTTP, in a case where it is true; and every empty slate says why."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from recommendations.serving.explaining import LOST
from tenants.types import TenantRef
from tests.api import Api
from tests.events.test_posting import send
from tests.recommendations.conftest import ids, notice, slate
from tests.recommendations.serving.settings import placement, rules

ACME = {"field": "brand", "op": "eq", "value": "Acme"}
FILTER = '{"field": "brand", "op": "eq", "value": "Acme"}'


def change(api: Api, item_id: str, **fields: Any) -> None:
    assert api.call("PATCH", f"catalog/items/{item_id}", data=fields).status == 200


def why(api: Api, wanted: str, /, **params: Any) -> Any:
    answer = slate(api, why_not=wanted, **params)
    told = answer["why_not"]
    assert (told["code"] == "shown") == (wanted in ids(answer))
    assert told["item_id"] == wanted
    assert told["message"].endswith(".")
    assert told["code"] in LOST
    return told


def in_days(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


def test_shown_and_outranked(shop: Api) -> None:
    told = why(shop, "cup", placement="pdp", item_id="mug")
    assert (told["code"], told["place"], told["source"]) == ("shown", 1, "also_viewed")
    told = why(shop, "pot", placement="pdp", item_id="mug", limit=1)
    assert told["code"] == "outranked"
    assert told["place"] > 1


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"availability": "out_of_stock"}, "out_of_stock"),
        ({"expires_at": in_days(-1)}, "expired"),
        ({"published_at": in_days(1)}, "not_published_yet"),
    ],
)
def test_not_to_be_had(shop: Api, fields: dict[str, Any], code: str) -> None:
    change(shop, "cup", **fields)
    assert why(shop, "cup", placement="pdp", item_id="mug")["code"] == code


def test_named_by_the_request(shop: Api) -> None:
    assert why(shop, "cup", placement="pdp", item_id="mug", exclude="cup")["code"] == "excluded"
    assert why(shop, "mug", placement="pdp", item_id="mug")["code"] == "excluded"


def test_known_to_the_visitor(shop: Api) -> None:
    assert why(shop, "cup", placement="home", visitor_id="v0")["code"] == "known"
    assert why(shop, "cup", placement="pdp", item_id="mug", session_items="cup")["code"] == "known"


def test_hidden_by_rules(shop: Api, tenant_a: TenantRef) -> None:
    placement(shop, tenant_a, "plain", "popular", "new")
    basket = {"type": "add_to_cart", "visitor_id": "v9", "item_id": "lamp"}
    send(shop, basket)
    for n in range(3):
        send(
            shop,
            {
                "type": "impression",
                "visitor_id": "v9",
                "item_id": "rug",
                "event_id": f"{n:08}-0000-4000-8000-000000000000",
            },
        )
    asked = {"placement": "plain", "visitor_id": "v9"}
    assert why(shop, "lamp", **asked)["code"] == "shown"
    rules(shop, tenant_a, cart={"type": "hide", "what": "in_cart"}, seen={"type": "hide", "what": "seen", "times": 3})
    assert (why(shop, "lamp", **asked)["code"], why(shop, "lamp", **asked)["by"]) == ("hidden", "cart")
    assert (why(shop, "rug", **asked)["code"], why(shop, "rug", **asked)["by"]) == ("hidden", "seen")
    assert why(shop, "rug", placement="plain", visitor_id="v8")["code"] == "shown"
    send(shop, basket | {"type": "remove_from_cart"})
    send(shop, {"type": "click", "visitor_id": "v9", "item_id": "rug"})
    assert why(shop, "lamp", **asked)["code"] == "shown"
    assert why(shop, "rug", **asked)["code"] == "shown"
    send(shop, basket | {"occurred_at": in_days(0)})
    assert why(shop, "lamp", **asked)["code"] == "hidden"
    order = {"type": "purchase", "visitor_id": "v9", "order_id": "o9", "items": [{"item_id": "lamp", "price": 1}]}
    send(shop, order)
    assert why(shop, "lamp", **asked)["code"] == "known"  # it was bought, so it is not in the cart


def test_filtered_by_the_request_the_placement_and_rules(shop: Api, tenant_a: TenantRef) -> None:
    asked = {"placement": "pdp", "item_id": "mug"}
    assert why(shop, "tea", **asked, filter=FILTER) | {"message": ""} == {
        "item_id": "tea", "code": "filtered", "by": "filter", "place": None, "source": "also_viewed", "message": "",
    }  # fmt: skip
    assert why(shop, "tea", **asked, currency="USD")["by"] == "currency"
    rules(shop, tenant_a, only={"type": "include", "filter": ACME})
    assert (why(shop, "tea", **asked)["code"], why(shop, "tea", **asked)["by"]) == ("filtered", "only")
    rules(shop, tenant_a, never={"type": "exclude", "filter": ACME})
    assert (why(shop, "cup", **asked)["code"], why(shop, "cup", **asked)["by"]) == ("filtered", "never")
    rules(shop, tenant_a)
    placement(shop, tenant_a, "acme", "popular", "new", filter=ACME)
    told = why(shop, "tea", placement="acme")
    assert (told["code"], told["by"]) == ("filtered", "placement")


def test_a_variant_of_what_is_at_hand(shop: Api) -> None:
    for item in ("mug", "cup"):
        change(shop, item, group_id="g")
    assert why(shop, "cup", placement="pdp", item_id="mug")["code"] == "same_group"


def test_shown_elsewhere(shop: Api) -> None:
    first = {"placement": "pdp", "item_id": "mug", "limit": 1}
    body = {"requests": [first, first | {"why_not": "cup"}]}
    answer = shop.post("recommendations/batch", body).json["results"][1]
    assert answer["why_not"]["code"] == "shown_elsewhere"
    shown = slate(shop, **first)
    assert why(shop, "cup", **first, after=shown["recommendation_id"])["code"] == "shown_elsewhere"


def test_unknown_and_not_proposed(shop: Api, tenant_a: TenantRef) -> None:
    placement(shop, tenant_a, "alike", "similar")
    assert why(shop, "nothing", placement="alike", item_id="mug")["code"] == "unknown_item"
    assert why(shop, "lamp", placement="alike", item_id="mug")["code"] == "not_proposed"
    answer = slate(shop, placement="alike", why_not="lamp")  # nothing to start from, and the question is answered
    assert (answer["empty_reason"]["code"], answer["why_not"]["code"]) == ("no_context", "not_proposed")


def test_an_empty_slate_says_why(shop: Api, tenant_a: TenantRef, api_b: Api) -> None:
    placement(shop, tenant_a, "alike", "similar")
    placement(shop, tenant_a, "plain", "popular")
    placement(shop, tenant_a, "again", "buy_again")

    def reason(**params: Any) -> str:
        answer = slate(shop, **params)
        assert answer["items"] == []
        assert answer["empty_reason"]["message"]
        return str(answer["empty_reason"]["code"])

    assert reason(placement="alike") == "no_context"
    assert reason(placement="alike", item_id="nothing") == "no_candidates"
    assert reason(placement="again", visitor_id="v0") == "nothing_due"
    others = ["cup", "pot", "tea", "jam", "lamp", "bulb", "rug"]
    assert reason(placement="alike", item_id="mug", exclude=others) == "nothing_available"
    assert reason(placement="plain", filter='{"any": []}') == "nothing_matches"
    notice(api_b)
    assert slate(api_b, placement="pdp", strategy="popular")["empty_reason"]["code"] == "no_model"
