"""Shopify's products, as the storefront and the Admin API give them."""

import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from catalog.feeds.reading import read
from catalog.feeds.types import Format
from catalog.types import ItemIn
from recomengine.lib.feeds.types import FeedBroken, RowError
from tests.catalog.feeds.items import read_items

FEED = (Path(__file__).parent / "data" / "products.json").read_bytes()
URL = "https://quay.example/collections/all/products.json?limit=250"


def variants(*products: dict[str, Any]) -> list[ItemIn | RowError]:
    return read_items(json.dumps({"products": products}).encode(), Format.SHOPIFY)


def item_of(variant: dict[str, Any], **product: Any) -> ItemIn:
    whole = {"id": 1, "title": "Cup", "variants": [{"id": 2, "title": "Default Title", "price": "5.00", **variant}]}
    (item,) = variants({**whole, **product})
    assert isinstance(item, ItemIn)
    return item


def test_a_shop() -> None:
    navy, cream, card = read_items(FEED, Format.SHOPIFY, currency="CAD", base_url=URL)
    assert navy == ItemIn(
        item_id="9001",
        title="Harbour Sweater Navy / S",
        description="Knitted from merino & silk.\nWarm\nLight",
        url="https://quay.example/products/harbour-sweater?variant=9001",
        image_url="https://cdn.quay.example/navy.jpg",
        price=Decimal("99.00"),
        sale_price=Decimal("79.00"),
        currency="CAD",
        brand="North Quay",
        categories=["Knitwear"],
        attributes={
            "sku": "HS-N-S",
            "tags": ["winter", "wool"],
            "Colour": "Navy",
            "Size": "S",
            "additional_image_link": ["https://cdn.quay.example/front.jpg"],
        },
        group_id="7001",
        published_at=datetime(2026, 3, 2, 14, 30, tzinfo=UTC),
    )
    assert isinstance(cream, ItemIn)
    assert (cream.price, cream.sale_price, cream.availability) == (Decimal("99.00"), None, "out_of_stock")
    assert cream.image_url == "https://cdn.quay.example/front.jpg"
    assert isinstance(card, ItemIn)
    assert (card.title, card.price, card.sale_price, card.attributes) == ("Gift card", Decimal("25.00"), None, {})
    assert card.url == "https://quay.example/products/gift-card"


def test_without_the_shops_address_items_have_none() -> None:
    assert [item.url for item in read_items(FEED, Format.SHOPIFY) if isinstance(item, ItemIn)] == ["", "", ""]


def test_one_variant_that_is_wrong_does_not_lose_the_others() -> None:
    first, second, third = variants(
        {"id": 1, "title": "A", "variants": [{"id": 2, "price": "free"}, {"id": 3, "price": "5.00"}]}, {"id": 4}
    )
    assert isinstance(first, RowError)
    assert (first.line, first.code, first.field, first.value, first.item_id) == (
        1,
        "invalid_price",
        "price",
        "free",
        "2",
    )
    assert isinstance(second, ItemIn)
    assert isinstance(third, RowError)
    assert (third.line, third.code) == (2, "no_variants")


@pytest.mark.parametrize(
    ("variant", "product", "availability"),
    [
        ({"inventory_quantity": 3}, {}, "in_stock"),
        ({"inventory_quantity": 0}, {}, "out_of_stock"),
        ({"inventory_quantity": 0, "inventory_policy": "continue"}, {}, "in_stock"),
        ({"inventory_quantity": 0, "inventory_management": None}, {}, "in_stock"),
        ({}, {}, "in_stock"),
        ({"available": True}, {"status": "draft"}, "out_of_stock"),
        ({"available": True}, {"status": "active"}, "in_stock"),
        ({"available": True}, {"published_at": None}, "out_of_stock"),
    ],
)
def test_availability(variant: dict[str, Any], product: dict[str, Any], availability: str) -> None:
    assert item_of(variant, **product).availability == availability


def test_the_admin_api() -> None:
    item = item_of(
        {"image_id": 8, "barcode": "4006381333931"},
        tags="summer, sale",
        image={"src": "https://cdn.example/1.jpg"},
        images=[{"id": 7, "src": "https://cdn.example/1.jpg"}, {"id": 8, "src": "//cdn.example/2.jpg"}],
    )
    assert item.image_url == "https://cdn.example/2.jpg"
    assert item.attributes["tags"] == ["summer", "sale"]
    assert item.attributes["barcode"] == "4006381333931"


def test_other_shapes_of_the_document() -> None:
    product = {"id": 1, "title": "Cup", "variants": [{"id": 2}]}
    for document in (
        [product],
        {"product": product},
        {"count": 1, "products": [product]},
        {"products": [product], "a": 1},
    ):
        (item,) = read_items(json.dumps(document, indent=1).encode(), Format.SHOPIFY)
        assert isinstance(item, ItemIn)


@pytest.mark.parametrize(
    ("data", "code", "rows"),
    [
        (b'{"errors": "Not Found"}', "not_a_feed", 0),
        (b"", "not_a_feed", 0),
        (b'{"products": [{"id": 1, "title": "a", "variants": [{"id": 2}]}, {"id"', "malformed_json", 1),
        (b'{"products": [{"id": 1, "title": "a", "variants": [{"id": 2}]} {"id": 3}]}', "malformed_json", 1),
        (b'{"products": [1, 2]}', "malformed_json", 0),
        (b'{"products": []}{"products": []}', "malformed_json", 0),
        (b'{"products": [{"id": 1, "title": "' + b"x" * 6_000_000, "row_too_large", 0),
    ],
)
def test_a_document_that_is_not_whole(data: bytes, code: str, rows: int) -> None:
    found = []
    with pytest.raises(FeedBroken) as caught:  # noqa: PT012
        for row in read(io.BytesIO(data), Format.SHOPIFY):
            found.append(row)  # noqa: PERF402
    assert (caught.value.code, len(found)) == (code, rows)
