"""A product's page: all that is known of it, what was done with it, and what goes with it."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from catalog import cards, details, finding, items
from catalog.types import ItemIn
from recomengine.lib import clock
from tenants.types import TenantRef
from tests.dashboard.conftest import ago, happened
from tests.dashboard.test_overview import words
from tests.dashboard.test_previewer import Links

YESTERDAY, TOMORROW = clock.now() - timedelta(days=1), clock.now() + timedelta(days=1)


def page(browser: Client, item_id: str) -> str:
    answer = browser.get(f"/catalog/items/{item_id}/")
    assert answer.status_code == 200
    return words(answer.content)


def test_every_field_is_there(ann: Client, tenant_a: TenantRef) -> None:
    item = ItemIn(
        item_id="A 1/b?c", title="Red mug", description="Holds tea.\nAnd coffee.", url="https://shop.example/a",
        image_url="https://img.example/a.png", price=Decimal(10), sale_price=Decimal(8), sale_ends_at=TOMORROW,
        brand="Kiln & Co", categories=["Kitchen > Mugs"], group_id="mugs",
        attributes={"colour": "red", "weight": 340, "dishwasher": True, "materials": ["clay", "glaze"], "note": None},
    )  # fmt: skip
    items.write(tenant_a, [item])
    answer = ann.get("/catalog/items/A%201/b%3Fc/")
    shown = words(answer.content)
    for text in (
        "Red mug Before: €10.00 €8.00", "A 1/b?c", "Kiln &amp; Co", "Holds tea. And coffee.", "https://shop.example/a",
        "https://img.example/a.png", "Kitchen &gt; Mugs", "Group mugs", "Price €10.00", "Sale price €8.00 until",
        "colour red text", "weight 340 number", "dishwasher yes yes or no", "materials clay glaze list", "note – empty",
    ):  # fmt: skip
        assert text in shown
    assert {
        "/catalog/?brand=Kiln+%26+Co", "/catalog/?category=Kitchen+%3E+Mugs", "/previewer/?item=A+1%2Fb%3Fc",
    } <= set(Links(answer.content).found)  # fmt: skip


def test_a_sale_price_holds_only_while_the_sale_lasts(ann: Client, tenant_a: TenantRef) -> None:
    common: dict[str, Any] = {"title": "Mug", "price": Decimal(10), "sale_price": Decimal(8)}
    items.write(
        tenant_a,
        [
            ItemIn(item_id="now", sale_starts_at=YESTERDAY, **common),
            ItemIn(item_id="later", sale_starts_at=TOMORROW, **common),
            ItemIn(item_id="over", sale_ends_at=YESTERDAY, **common),
        ],
    )
    on_sale = {item.item_id: item.on_sale for item in finding.find_all(tenant_a, ["now", "later", "over"])}
    assert on_sale == {"now": True, "later": False, "over": False}
    assert "Before: €10.00 €8.00" in page(ann, "now")
    assert "Before:" not in page(ann, "later")


@pytest.mark.parametrize(
    ("fields", "reasons", "sentence"),
    [
        ({}, [], ""),
        ({"availability": "preorder", "expires_at": TOMORROW, "published_at": YESTERDAY}, [], ""),
        ({"availability": "out_of_stock"}, ["out_of_stock"], "because it is out of stock ."),
        ({"published_at": TOMORROW}, ["not_published"], "because it is published only on"),
        ({"expires_at": YESTERDAY, "availability": "out_of_stock"}, ["out_of_stock", "expired"], "and expired on"),
    ],
)
def test_it_says_why_no_slate_shows_it(
    ann: Client, tenant_a: TenantRef, fields: dict[str, Any], reasons: list[str], sentence: str
) -> None:
    items.write(tenant_a, [ItemIn(item_id="mug", title="Mug", **fields)])
    item = items.get(tenant_a, "mug")
    assert details.hidden(item, clock.now()) == reasons
    assert cards.card(item).is_showable(clock.now().timestamp()) == (not reasons)
    shown = page(ann, "mug").replace(" .", ".")
    assert ("Not shown in any recommendation" in shown) == bool(reasons)
    assert sentence.replace(" .", ".") in shown


def test_variants_of_the_group_are_listed(ann: Client, tenant_a: TenantRef) -> None:
    sizes = [ItemIn(item_id=f"shirt-{size}", title=f"Shirt {size}", group_id="shirt") for size in ("s", "m", "l")]
    items.write(tenant_a, [*sizes, ItemIn(item_id="hat", title="Hat", group_id="hat")])
    links = [link for link in Links(ann.get("/catalog/items/shirt-m/").content).found if "/items/" in link]
    assert links == ["/catalog/items/shirt-l/", "/catalog/items/shirt-s/"]
    assert "No other product is in the group hat" in page(ann, "hat")


def test_what_was_done_with_it_lately_and_by_whom(ann: Client, shop: TenantRef) -> None:
    happened(
        shop,
        {"type": "view", "visitor_id": "v-1", "item_id": "mug", "placement": "home", "occurred_at": ago(minutes=5)},
        {"type": "view", "visitor_id": "v-old", "item_id": "mug", "occurred_at": ago(days=30)},
        {
            "type": "purchase", "visitor_id": "v-2", "order_id": "o-9", "occurred_at": ago(minutes=2),
            "items": [{"item_id": "mug", "quantity": 3, "price": "9.95"}, {"item_id": "pot", "price": "1"}],
        },
    )  # fmt: skip
    shown = page(ann, "mug")
    assert "view 2 purchase 1" in shown
    assert "purchase ×3 v-2 order o-9 2" in shown.replace("\xa0", " ")
    assert shown.index("v-2") < shown.index("v-1") < shown.index("v-77")
    assert "v-old" not in shown
    assert "/previewer/?visitor=v-77" in Links(ann.get("/catalog/items/mug/").content).found
    assert "Nothing yet" in page(ann, "cup")


def test_its_neighbours_come_with_their_reasons_and_lead_to_their_pages(ann: Client, shop: TenantRef) -> None:
    answer = ann.get("/catalog/items/mug/")
    shown = words(answer.content)
    assert "41 shoppers interested in both" in shown
    assert "7 orders with both" in shown
    assert "Similar" in shown
    assert "Trending" not in shown
    assert {"/catalog/items/cup/", "/catalog/items/pot/"} <= set(Links(answer.content).found)


def test_before_the_first_training_it_says_what_to_do(ann: Client, tenant_a: TenantRef) -> None:
    items.write(tenant_a, [ItemIn(item_id="mug", title="Mug")])
    assert "No model has been trained yet" in page(ann, "mug")


@pytest.mark.parametrize("item_id", ["nothing", "mug%00", "a/b//c", "x" * 3000])
def test_what_is_not_in_the_catalogue_has_no_page(ann: Client, shop: TenantRef, item_id: str) -> None:
    assert ann.get(f"/catalog/items/{item_id}/").status_code == 404


def test_texts_are_never_markup(ann: Client, tenant_a: TenantRef) -> None:
    bad = "<script>alert(1)</script>"
    item = ItemIn(item_id=bad, title=bad, description=bad, brand=bad, categories=["a"], attributes={bad: [bad]})
    items.write(tenant_a, [item])
    happened(tenant_a, {"type": "view", "visitor_id": bad, "item_id": bad})
    (link,) = {link for link in Links(ann.get("/catalog/items/%3Cscript%3Ealert(1)%3C/script%3E/").content).found
               if "visitor=" in link}  # fmt: skip
    assert "<script>alert" not in ann.get("/catalog/items/%3Cscript%3Ealert(1)%3C/script%3E/").content.decode()
    assert "%3Cscript%3E" in link
