"""Groups as Shopify's products with their variants: what other readers see, and that nothing of an item is lost."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.feeds import shopify_writing
from catalog.feeds.types import Format
from catalog.types import ItemIn
from tests.catalog.feeds.items import items, read_items, shown, written


def products(*given: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(written(given, Format.SHOPIFY))["products"]
    return found


def cup(item_id: str, title: str, group_id: str | None = "70", **fields: Any) -> dict[str, Any]:
    return {"item_id": item_id, "title": title, "group_id": group_id, **fields}


def titles(*whole: str, **attributes: list[str]) -> list[str]:
    """The title of the product of variants that are called so, and the titles of its variants."""
    values = [dict(zip(attributes, each, strict=True)) for each in zip(*attributes.values(), strict=True)]
    given = [cup(str(number), title, attributes=values[number] if values else {}) for number, title in enumerate(whole)]
    (product,) = products(*given)
    return [product["title"], *(variant["title"] for variant in product["variants"])]


def test_a_group_is_a_product_with_variants() -> None:
    shared = {"brand": "Acme", "categories": ["Home > Cups"], "description": "A cup\nof <clay>"}
    at = "https://shop.example/products/cup?variant="
    images = ["https://cdn.example/red.jpg", "https://cdn.example/blue.jpg", "https://cdn.example/both.jpg"]
    red = {"material": "clay", "colour": "Red", "sku": "C-R", "tags": ["gift"], "additional_image_link": images[2:]}
    (product,) = products(
        cup("1", "Clay Cup Red", url=at + "1", price="9.95", image_url=images[0], attributes=red, **shared),
        cup("2", "Clay Cup Blue", url=at + "2", price="12.00", sale_price="8.00", availability="out_of_stock",
            image_url=images[1], attributes={"material": "clay", "colour": "Blue"}, **shared),
    )  # fmt: skip
    first, second = product.pop("variants")
    assert product == {
        "id": 70,
        "title": "Clay Cup",
        "handle": "cup",
        "body_html": "A cup<br>\nof &lt;clay&gt;",
        "vendor": "Acme",
        "product_type": "Home > Cups",
        "tags": ["gift"],
        "options": [
            {"name": "colour", "position": 1, "values": ["Red", "Blue"]},
            {"name": "material", "position": 2, "values": ["clay"]},
        ],
        "images": [{"src": src} for src in images],
    }
    assert set(first.pop("recomengine")) == {"url", "attributes"}
    assert first == {
        "id": 1, "title": "Red", "price": "9.95", "compare_at_price": None, "available": True,
        "featured_image": {"src": images[0]}, "option1": "Red", "option2": "clay", "sku": "C-R",
    }  # fmt: skip
    assert set(second.pop("recomengine")) == {"url", "attributes"}
    assert second == {
        "id": 2, "title": "Blue", "price": "8.00", "compare_at_price": "12.00", "available": False,
        "featured_image": {"src": images[1]}, "option1": "Blue", "option2": "clay",
    }  # fmt: skip


def test_what_shopify_says_itself_is_not_said_again() -> None:
    colours = ({"colour": "Red"}, {"colour": "Blue"})
    given = [cup(str(n), f"Cup {each['colour']}", attributes=each) for n, each in enumerate(colours)]
    assert [variant["recomengine"] for variant in products(*given)[0]["variants"]] == [{}, {}]


def test_an_item_without_a_group_is_a_product_of_one_variant() -> None:
    one, other, grouped = products(cup("1", "Cup", None), cup("2", "Cup", None), cup("3", "Cup"))
    assert [each["id"] for each in (one, other, grouped)] == [1, 2, 70]
    assert one["options"] == [{"name": "Title", "position": 1, "values": ["Default Title"]}]
    assert one["variants"][0]["title"] == one["variants"][0]["option1"] == "Default Title"
    assert one["variants"][0]["recomengine"] == {"group_id": None}


def test_titles() -> None:
    colour = ["Red", "Blue"]
    assert titles("Cup Red", "Cup Rosé") == ["Cup", "Red", "Rosé"]
    assert titles("Cup", "Cup", colour=colour, size=["S", "M"]) == ["Cup", "Red / S", "Blue / M"]
    assert titles("Blue Cup", "Blue Cup L", colour=colour) == ["Blue Cup", "Red", "L"]
    assert titles("Cup", "Cups", colour=colour) == ["Cup", "Red", "Blue"]
    assert titles("Red Cup", "Blue Cup", colour=colour) == ["Red Cup", "Red", "Blue"]
    assert titles("Red Cup", "Blue Cup") == ["Red Cup", "Default Title", "Default Title"]


def test_options_are_texts_that_all_variants_have() -> None:
    first = {"sku": "1", "clay": True, "maker": "Ann", "size": "S", "shape": "low", "colour": "Red", "only": "x"}
    second = {"sku": "2", "clay": "no", "maker": "Ann", "size": "M", "shape": "high", "colour": "Red", "only": ""}
    (product,) = products(cup("1", "Cup", attributes=first), cup("2", "Cup", attributes=second))
    assert [option["name"] for option in product["options"]] == ["size", "shape", "maker"]


@pytest.mark.parametrize("limit", [{"MAX_VARIANTS": 3}, {"_MAX_SIZE": 3_500}])
def test_a_group_too_large_for_a_product_goes_on_in_another(
    limit: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shopify_writing, *next(iter(limit.items())))
    given = [cup(str(n), f"Cup {n}", description="y" * 1000) for n in range(8)]
    assert [(each["id"], len(each["variants"])) for each in products(*given)] == [(70, 3), (70, 3), (70, 2)]
    found = read_items(written(given, Format.SHOPIFY), Format.SHOPIFY)
    assert found == [msgspec.convert(item, ItemIn) for item in given]


def test_the_largest_product_is_read_again() -> None:
    """It is a row, and no row may hold more than 5 MB."""
    texts = {f"attribute {n}": "<&\"'\n" * 2000 for n in range(11)}
    texts |= {"tags": ["x" * 9000], "additional_image_link": ["https://cdn.example/" + "y" * 1900]}
    given = [cup(str(n), "Cup", description="&" * 10_000, attributes=texts | {"a": str(n)}) for n in range(100)]
    assert len(read_items(written(given, Format.SHOPIFY), Format.SHOPIFY)) == 100


def test_no_more_than_a_product_is_held() -> None:
    taken = 0

    def endless() -> Iterator[dict[str, Any]]:
        nonlocal taken
        while True:
            taken += 1
            yield cup(str(taken), f"Cup {taken}", str((taken + 2) // 3))

    parts = shopify_writing.document(endless())
    for number in range(1, 4):
        assert f'"id":{number},' in next(parts)
        assert taken == 3 * number + 1


@st.composite
def variants(draw: st.DrawFn) -> list[ItemIn]:
    """Items of few groups, which have much in common."""
    found = draw(st.lists(items(), min_size=1, max_size=5))
    starts, ends = st.sampled_from(["Cup", "Blue Cup", " Cup", " "]), st.sampled_from(["", " ", " Red", "s"])
    alike = draw(st.booleans())
    for item in found:
        item.group_id = draw(st.sampled_from([None, "7", "07", "cups"]))
        item.title = draw(starts) + draw(ends) + draw(ends | st.just(" Default Title"))
        if alike:
            item.brand, item.description, item.published_at = found[0].brand, found[0].description, None
            item.attributes = {"colour": draw(st.sampled_from(["Red", "Blue", "", "Default Title"]))}
            item.image_url = draw(st.sampled_from(["", "https://cdn.example/1.jpg", "https://cdn.example/2.jpg"]))
    return found


@given(variants())
@settings(max_examples=60, deadline=None)
def test_any_groups_come_back_as_they_were(wanted: list[ItemIn]) -> None:
    assert read_items(written(map(shown, wanted), Format.SHOPIFY), Format.SHOPIFY) == wanted
