"""Columns onto fields, and values as feeds spell them."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from catalog.feeds.converting import mapper
from catalog.feeds.mapping import check, complete, merged, proposed
from catalog.feeds.types import Format, Mapping, Target
from catalog.types import ItemIn
from recomengine.lib.feeds.types import FeedBroken, Record, RowError


def targets(*columns: str, format: Format = Format.CSV) -> list[str]:
    return [target.field for target in proposed(columns, format).values()]


def made(columns: dict[str, Any], chosen: Mapping | None = None, currency: str = "") -> ItemIn | RowError:
    return mapper(Format.CSV, chosen or {}, currency)(Record(2, {"id": "1", "title": "Cup", **columns}))


def item(columns: dict[str, Any], chosen: Mapping | None = None, currency: str = "") -> ItemIn:
    found = made(columns, chosen, currency)
    assert isinstance(found, ItemIn), found
    return found


def error(columns: dict[str, Any], chosen: Mapping | None = None) -> tuple[str, str, str]:
    found = made(columns, chosen)
    assert isinstance(found, RowError), found
    assert found.line == 2
    assert found.message
    return found.code, found.field, found.value


def test_the_proposal() -> None:
    assert targets("ID", "Name", "product-url", "Image Link", "imageLink2") == [
        "item_id", "title", "url", "image_url", "attributes.imageLink2",
    ]  # fmt: skip
    assert targets("sku", "title") == ["item_id", "title"]
    assert targets("sku", "id") == ["attributes.sku", "item_id"]
    assert targets("google_product_category", "product_type") == ["attributes.google_product_category", "categories"]
    assert targets("google_product_category") == ["categories"]
    assert targets("availability_date", "expiration_date") == ["attributes.availability_date", "expires_at"]
    assert targets("attributes.color", "attributes") == ["attributes.color", "attributes"]
    assert targets("options") == ["attributes.options"]
    assert targets("options", format=Format.SHOPIFY) == ["attributes"]


def test_what_the_shop_chose_goes_first() -> None:
    chosen = {"sku": Target("item_id"), "note": Target(""), "weight": Target("attributes.weight", "number")}
    mapping = merged(["id", "sku", "note", "weight"], Format.CSV, chosen)
    assert mapping == {"id": Target("attributes.id"), **chosen}
    found = item({"sku": "A", "note": "x", "weight": "1,5"}, chosen)
    assert (found.item_id, found.attributes) == ("A", {"id": "1", "weight": 1.5})


def test_columns_of_a_mapping_may_be_spelled_in_another_way() -> None:
    chosen = {"Image Link": Target("attributes.picture"), "preis": Target("price"), "Preis": Target("sale_price")}
    found = merged(["image_link", "Preis", "preis"], Format.CSV, chosen)
    assert [found[column].field for column in ("image_link", "Preis", "preis")] == [
        "attributes.picture", "sale_price", "price",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "chosen",
    [{"a": Target("colour")}, {"a": Target("attributes.")}, {"a": Target("price"), "b": Target("price")}],
)
def test_a_mapping_that_cannot_be(chosen: Mapping) -> None:
    with pytest.raises(ValueError, match="`a`"):
        check(chosen)


@pytest.mark.parametrize(
    ("columns", "chosen", "named"),
    [
        (["Artikelnr", "Name"], {}, ["mapped to `item_id`,", "`Artikelnr`, `Name`", "mapping", "rename"]),
        (["a"], {}, ["`item_id` and `title`"]),
        (["id", "title"], {"title": Target("")}, ["`title`"]),
        (["id", "title"], {"Weight": Target("attributes.weight")}, ["mapping has `Weight`", "`id`, `title`"]),
        (["id", "title"], {"Nr": Target("item_id")}, ["`item_id`", "mapping has `Nr`", "`id`, `title`"]),
        ([f"column {n}" for n in range(60)], {}, ["`column 49` and 10 more"]),
        (["x" * 1000], {}, [f"`{'x' * 60}`"]),
    ],
)
def test_a_table_without_a_column_that_every_item_needs(columns: list[str], chosen: Mapping, named: list[str]) -> None:
    with pytest.raises(FeedBroken) as caught:
        complete(Format.CSV, chosen)(columns)
    assert (caught.value.code, caught.value.line) == ("missing_column", 1)
    assert [each for each in named if each not in caught.value.message] == []


def test_a_table_with_the_columns_that_every_item_needs() -> None:
    complete(Format.CSV, {})(["SKU", "Product Name"])
    complete(Format.CSV, {"Artikelnr": Target("item_id"), "Name": Target("title")})(["Name", "Artikelnr"])


@pytest.mark.parametrize(
    ("given", "amount", "currency"),
    [
        ("9.95", "9.95", None), ("9.95 EUR", "9.95", "EUR"), ("EUR 9.95", "9.95", "EUR"), ("eur9.95", "9.95", "EUR"),
        ("9,95 €", "9.95", "EUR"), ("1.299,00", "1299.00", None), ("1,299.00", "1299.00", None),
        ("1,299", "1299", None),
        ("0,995", "0.995", None), ("1.299", "1.299", None), ("1.299.000", "1299000", None),
        ("1 299,50 zł", "1299.50", "PLN"),
        ("CHF 1'299.–", "1299", "CHF"), ("$5", "5", "USD"), ("1,00,000.50 ₹", "100000.50", "INR"), (9.95, "9.95", None),
        (10, "10", None), (" 5 ", "5", None), (".5", "0.5", None), ("$9.95 CAD", "9.95", "CAD"),
    ],
)  # fmt: skip
def test_prices(given: Any, amount: str, currency: str | None) -> None:
    found = item({"price": given})
    assert (found.price, found.currency) == (Decimal(amount), currency)


def test_currencies() -> None:
    assert item({"price": "$5"}, currency="CAD").currency == "CAD"
    assert item({"price": "5"}, currency="EUR").currency == "EUR"
    assert item({"price": "5 USD", "currency": "usd"}, currency="EUR").currency == "USD"
    assert error({"price": "5 USD", "currency": "EUR"}) == ("conflicting_currencies", "price", "5 USD")
    assert error({"price": "5 USD", "sale_price": "4 EUR"}) == ("conflicting_currencies", "sale_price", "4 EUR")


@pytest.mark.parametrize(
    "given", ["free", "1.2.3,4", "1,2,3", "9.95 EUR USD", "9 pieces", "5-6", "1e5", True, "9" * 99]
)
def test_what_is_no_price(given: Any) -> None:
    code, field, _ = error({"price": given})
    assert (code in {"invalid_price", "invalid"}, field) == (True, "price")


def test_amounts_have_their_limits() -> None:
    assert error({"price": "-1"}) == ("invalid", "price", "-1")
    assert error({"price": "1.23456"}) == ("invalid", "price", "1.23456")
    assert error({"sale_price": "10000000000"}) == ("invalid", "sale_price", "10000000000")


@pytest.mark.parametrize(
    ("given", "known"),
    [
        ("in stock", "in_stock"), ("In_Stock", "in_stock"), ("InStock", "in_stock"),
        ("http://schema.org/InStock", "in_stock"),
        ("https://schema.org/OutOfStock", "out_of_stock"), ("available for order", "in_stock"),
        ("sold out", "out_of_stock"),
        ("discontinued", "out_of_stock"), ("pre-order", "preorder"), ("backorder", "preorder"), ("true", "in_stock"),
        (False, "out_of_stock"), ("1", "in_stock"), ("0", "out_of_stock"), (12, "in_stock"), ("-3", "out_of_stock"),
    ],
)  # fmt: skip
def test_availability(given: Any, known: str) -> None:
    assert item({"availability": given}).availability == known


def test_an_availability_that_is_not_known() -> None:
    assert error({"availability": "maybe"}) == ("invalid_availability", "availability", "maybe")
    found = made({"availability": "maybe"})
    assert isinstance(found, RowError)
    assert "`out_of_stock`" in found.message


@pytest.mark.parametrize(
    ("given", "instant"),
    [
        ("2026-11-01T09:00:00Z", datetime(2026, 11, 1, 9, tzinfo=UTC)),
        ("2026-11-01T09:00+0100", datetime(2026, 11, 1, 8, tzinfo=UTC)),
        ("2026-11-01 09:00:00 +01:00", datetime(2026, 11, 1, 8, tzinfo=UTC)),
        ("2026-11-01 09:00 UTC", datetime(2026, 11, 1, 9, tzinfo=UTC)),
        ("2026-11-01T09:00", datetime(2026, 11, 1, 9, tzinfo=UTC)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("Sun, 01 Nov 2026 09:00:00 +0100", datetime(2026, 11, 1, 8, tzinfo=UTC)),
        ("1 Nov 2026 09:00:00 GMT", datetime(2026, 11, 1, 9, tzinfo=UTC)),
    ],
)
def test_dates(given: str, instant: datetime) -> None:
    assert item({"published_at": given}).published_at == instant


@pytest.mark.parametrize("given", ["01/02/2026", "soon", "2026-13-01", "Sun, 41 Nov 2026 09:00:00 GMT", "1", 20.5])
def test_what_is_no_date(given: Any) -> None:
    assert error({"expiration_date": given})[:2] == ("invalid_date", "expires_at")


@pytest.mark.parametrize(
    ("given", "start", "end"),
    [
        ("2026-11-01T00:00+0100/2026-11-30T23:59+0100", datetime(2026, 10, 31, 23), datetime(2026, 11, 30, 22, 59)),
        ("2026-11-01T08:00 / 2026-11-30T20:00", datetime(2026, 11, 1, 8), datetime(2026, 11, 30, 20)),
        ("2026-11-01/2026-11-30", datetime(2026, 11, 1), datetime(2026, 12, 1)),  # its last day belongs to the sale
    ],
)
def test_when_a_sale_is(given: str, start: datetime, end: datetime) -> None:
    found = item({"sale_price_effective_date": given})
    assert (found.sale_starts_at, found.sale_ends_at) == (start.replace(tzinfo=UTC), end.replace(tzinfo=UTC))
    assert error({"sale_price_effective_date": "2026-11-01"})[0] == "invalid_date"


def test_categories() -> None:
    assert item({"categories": "A>B"}).categories == ["A > B"]
    assert item({"categories": "A > B|Salt/Pepper"}).categories == ["A > B", "Salt/Pepper"]
    assert item({"categories": '["A | B", "C"]'}).categories == ["A | B", "C"]
    assert item({"categories": ["A", ""]}).categories == ["A"]
    assert error({"categories": "A > > B"}) == ("invalid", "categories", "A > > B")


def test_attributes() -> None:
    kinds: dict[str, Target] = {
        "n": Target("attributes.n", "number"), "b": Target("attributes.b", "boolean"),
        "l": Target("attributes.l", "list"),
    }  # fmt: skip
    found = item(
        {"n": "1.299,5", "b": "Yes", "l": "a, b", "c": "x", "e": "", "attributes": '{"c": 1, "d": null}'}, kinds
    )
    assert found.attributes == {"n": 1299.5, "b": True, "l": ["a", "b"], "c": "x", "d": None}
    assert item({"n": 3, "b": False, "l": ["x"], "o": {"w": 1}, "m": [1, "a"]}, kinds).attributes == {
        "n": 3, "b": False, "l": ["x"], "o": '{"w":1}', "m": ["1", "a"],
    }  # fmt: skip
    assert error({"n": "many"}, kinds) == ("invalid_number", "attributes.n", "many")
    assert error({"b": "maybe"}, kinds) == ("invalid_boolean", "attributes.b", "maybe")
    assert error({"attributes": "red"}) == ("invalid_attributes", "attributes", "red")


def test_images_and_addresses() -> None:
    found = item({"images": ["//cdn.example/1.jpg", "https://cdn.example/2.jpg"], "link": " https://a.example/1 "})
    assert (found.image_url, found.url) == ("https://cdn.example/1.jpg", "https://a.example/1")
    assert found.attributes == {"images": ["https://cdn.example/2.jpg"]}
    assert error({"link": "javascript:alert(1)"}) == ("invalid", "url", "javascript:alert(1)")


def test_what_is_missing_or_wrong_names_the_item() -> None:
    convert = mapper(Format.CSV, {})
    missing = convert(Record(7, {"id": "A1", "title": ""}))
    assert isinstance(missing, RowError)
    assert (missing.line, missing.code, missing.field, missing.item_id) == (7, "missing_field", "title", "A1")
    long = convert(Record(8, {"id": 12, "title": "x" * 301}))
    assert isinstance(long, RowError)
    assert (long.code, long.field, long.value, long.item_id) == ("invalid", "title", "x" * 200, "12")
