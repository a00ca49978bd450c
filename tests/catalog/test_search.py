"""Searching the catalogue through the API: words, mistakes, filters, facets, order, pages, and whatever is typed."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from catalog import items, popularity, spelling
from catalog import search as searching
from catalog.models import Item
from catalog.search import Search
from catalog.types import ItemIn
from recomengine.lib import clock
from tenants import tenancy
from tenants.types import TenantRef
from tests.api import Api

ITEMS: list[dict[str, Any]] = [
    {"item_id": "MUG-1", "title": "Red mug", "brand": "Bodum", "price": "9.95", "categories": ["Home > Kitchen > Mugs"],
     "attributes": {"color": "red", "sizes": ["S", "M"], "weight": 300, "eco": True}},
    {"item_id": "MUG-2", "title": "Blue mugs, set of two", "brand": "Acme", "price": "20.00", "sale_price": "15.00",
     "categories": ["Home > Kitchen > Mugs"], "attributes": {"color": "blue", "sizes": ["M"]}},
    {"item_id": "POT-1", "title": "Tea pot", "brand": "Bodum", "price": "30.00", "availability": "out_of_stock",
     "categories": ["Home > Kitchen"], "attributes": {"color": "red", "note": "goes with the red mug"}},
    {"item_id": "KIT-1", "title": "Kitchen towel crème", "brand": "Acme", "price": "4.00",
     "categories": ["Home > Bath"]},
    {"item_id": "SOFA/9", "title": "Sofa", "brand": "Comfort & Sons", "categories": ["Living"], "group_id": "SOFAS"},
]  # fmt: skip


@pytest.fixture
def shop(api_a: Api) -> Api:
    answer = api_a.post("catalog/items/batch", {"items": ITEMS})
    assert answer.json["created"] == len(ITEMS), answer.body
    return api_a


def find(api: Api, q: str | None = None, **params: Any) -> Any:
    answer = api.get("catalog/search", params | ({} if q is None else {"q": q}))
    assert answer.status == 200, answer.body
    return answer.json


def ids(found: Any) -> list[str]:
    return [product["item_id"] for product in found["results"]]


def query_of(link: str) -> list[tuple[str, str]]:
    return parse_qsl(link.split("?", 1)[1])


def refusal(api: Api, **params: Any) -> tuple[str, list[str]]:
    answer = api.get("catalog/search", params)
    assert answer.status == 400, answer.body
    return answer.json["code"], [error["pointer"] for error in answer.json.get("errors", [])]


@pytest.mark.smoke
def test_a_search_answers_with_products_counts_and_what_it_did(shop: Api) -> None:
    found = find(shop, "mug", facets="brand,category,availability,price,attributes.color,attributes.sizes")
    assert ids(found) == ["MUG-1", "MUG-2", "POT-1"]
    assert found["results"][0] == shop.get("catalog/items/MUG-1").json
    assert {name: value for name, value in found.items() if name not in ("results", "facets")} == {
        "total": 3, "total_relation": "eq", "corrections": {}, "matched": "all", "next": None, "previous": None,
    }  # fmt: skip
    assert found["facets"] == {
        "brand": [{"value": "Bodum", "count": 2}, {"value": "Acme", "count": 1}],
        "category": [
            {"value": "Home", "count": 3},
            {"value": "Home > Kitchen", "count": 3},
            {"value": "Home > Kitchen > Mugs", "count": 2},
        ],
        "availability": [{"value": "in_stock", "count": 2}, {"value": "out_of_stock", "count": 1}],
        "price": [
            {"from": "5.00", "to": "10.00", "count": 1},
            {"from": "10.00", "to": "20.00", "count": 1},
            {"from": "20.00", "to": "50.00", "count": 1},
        ],
        "attributes.color": [{"value": "red", "count": 2}, {"value": "blue", "count": 1}],
        "attributes.sizes": [{"value": "M", "count": 2}, {"value": "S", "count": 1}],
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("red mug", ["MUG-1", "POT-1"]),
        ("MUGS", ["MUG-2", "MUG-1", "POT-1"]),  # the stem finds both, the very word weighs more
        ("mug bodum", ["MUG-1", "POT-1"]),
        ("mug with a bodum", ["MUG-1", "POT-1"]),  # words that say nothing are not asked for
        ("the", ["POT-1"]),
        ("bod", ["POT-1", "MUG-1"]),  # the beginning of a word; the newest first
        ("red bo", ["MUG-1", "POT-1"]),
        ("bo red", ["MUG-1", "POT-1"]),  # no word, so the beginning of one
        ("creme", ["KIT-1"]),
        ("CRÈME", ["KIT-1"]),
        ("comfort & sons", ["SOFA/9"]),
        ("kitchen", ["KIT-1", "POT-1", "MUG-2", "MUG-1"]),
        ("home kitchen mugs", ["MUG-2", "MUG-1", "POT-1"]),
        ("MUG-2", ["MUG-2"]),
        ("mug-", ["MUG-1", "MUG-2", "POT-1"]),
        ("sofa/9", ["SOFA/9"]),
        ("sofas", ["SOFA/9"]),
        ("nothing", []),
        ("!!! ???", []),
        ("🙂", []),
    ],
)
def test_words_find_items(shop: Api, text: str, expected: list[str]) -> None:
    assert ids(find(shop, text)) == expected


def test_mistyped_words_are_corrected_and_the_answer_says_so(shop: Api) -> None:
    for typed, meant in [("kichen", "kitchen"), ("sfoa", "sofa"), ("bodun", "bodum"), ("towell", "towel")]:
        found = find(shop, typed)
        assert found["corrections"] == {typed: [meant]}
        assert ids(found) == ids(find(shop, meant))
    found = find(shop, "blue mgu")
    assert (found["corrections"], ids(found)) == ({"mgu": ["mug"]}, ["MUG-2"])


def test_what_is_known_or_has_digits_is_not_corrected(shop: Api) -> None:
    shop.post("catalog/items", {"item_id": "x", "title": "kit case", "attributes": {"type": "bodun"}})
    for text in ("bodun", "bodu", "case", "mug-3", "zzzzzz"):
        assert find(shop, text)["corrections"] == {}


def test_without_an_item_that_has_all_words_those_with_one_are_found(shop: Api) -> None:
    found = find(shop, "sofa towel")
    assert (found["matched"], sorted(ids(found)), found["total"]) == ("any", ["KIT-1", "SOFA/9"], 2)
    assert find(shop, "nothing atall")["matched"] == "any"


def test_an_exact_id_comes_first_then_ids_that_begin_so(shop: Api) -> None:
    shop.post("catalog/items", {"item_id": "teapot", "title": "Brush"})
    shop.post("catalog/items", {"item_id": "teapot-2", "title": "Other brush"})
    shop.post("catalog/items", {"item_id": "z", "title": "Teapot"})
    assert ids(find(shop, "teapot")) == ["teapot", "teapot-2", "z"]


def test_of_items_that_fit_as_well_the_most_popular_come_first(shop: Api, tenant_a: TenantRef) -> None:
    for n in range(4):
        shop.post("catalog/items", {"item_id": f"lamp{n}", "title": "Lamp"})
    with tenancy.use(tenant_a):
        keys = dict(Item.objects.values_list("item_id", "pk"))
    assert popularity.replace(tenant_a, {keys["lamp1"]: 7.0, keys["lamp0"]: 100.0, keys["POT-1"]: 10_000}) == 3
    assert ids(find(shop, "lamp")) == ["lamp0", "lamp1", "lamp3", "lamp2"]
    assert ids(find(shop, limit=3)) == ["POT-1", "lamp0", "lamp1"]
    assert ids(find(shop, "lamp", sort="newest")) == ["lamp3", "lamp2", "lamp1", "lamp0"]
    assert popularity.replace(tenant_a, {keys["lamp1"]: 7.0}) == 2
    assert ids(find(shop, sort="popularity", limit=2)) == ["lamp1", "lamp3"]


def test_sorted_by_what_a_shopper_pays(shop: Api) -> None:
    assert ids(find(shop, sort="price")) == ["KIT-1", "MUG-1", "MUG-2", "POT-1", "SOFA/9"]
    assert ids(find(shop, sort="-price")) == ["POT-1", "MUG-2", "MUG-1", "KIT-1", "SOFA/9"]
    ended = (clock.now() - timedelta(days=1)).isoformat()
    shop.call("PATCH", "catalog/items/MUG-2", data={"sale_price": "1.00", "sale_ends_at": ended})
    assert ids(find(shop, sort="price", limit=1)) == ["KIT-1"]


def test_filters_narrow_and_their_facets_keep_the_other_choices(shop: Api) -> None:
    found = find(shop, "mug", brand="Bodum", category="Home>Kitchen", facets="brand,category,attributes.color")
    assert ids(found) == ["MUG-1", "POT-1"]
    assert found["facets"]["brand"] == [{"value": "Bodum", "count": 2}, {"value": "Acme", "count": 1}]
    assert found["facets"]["attributes.color"] == [{"value": "red", "count": 2}]
    assert ids(find(shop, brand=["Acme", "Comfort & Sons"])) == ["SOFA/9", "MUG-2", "KIT-1"]
    assert ids(find(shop, price_from="9.95", price_to="15")) == ["MUG-2", "MUG-1"]
    assert ids(find(shop, availability="out_of_stock")) == ["POT-1"]
    wanted = {
        "any": [{"field": "attributes.sizes", "op": "eq", "value": "S"}, {"field": "price", "op": "gt", "value": 25}]
    }
    found = find(shop, filter=json.dumps(wanted), brand="Bodum", facets="brand")
    assert ids(found) == ["POT-1", "MUG-1"]
    same = find(
        shop, filter=json.dumps({"all": [wanted, {"field": "brand", "op": "eq", "value": "Bodum"}]}), facets="brand"
    )
    assert same == found


def test_pages_follow_one_another(shop: Api) -> None:
    for params in ({}, {"q": "mug"}, {"q": "mug", "sort": "newest"}):
        whole = ids(find(shop, **params))
        page = find(shop, limit=2, **params)
        seen, before = ids(page), None
        while page["next"]:
            before, page = page, find(shop, **dict(query_of(page["next"])))
            seen += ids(page)
            assert page["total"] == len(whole)
            assert find(shop, **dict(query_of(page["previous"])))["results"] == before["results"]
        assert seen == whole


def test_broad_searches_are_bounded_and_say_so(shop: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "PAGED", 3)
    monkeypatch.setattr(searching, "RANKED", 2)
    found = find(shop, "home", limit=1, facets="availability", count_up_to=3)
    assert (found["total"], found["total_relation"]) == (3, "gte")
    following = find(shop, **dict(query_of(found["next"])))
    assert (len(following["results"]), following["next"]) == (1, None)  # the two most popular are in order
    assert len(ids(find(shop, "home", limit=100, sort="newest"))) == 3
    assert ids(find(shop, "MUG-1", limit=1)) == ["MUG-1"]


def test_the_item_of_the_very_id_is_found_however_many_are_more_popular(
    shop: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.post("catalog/items", {"item_id": "home", "title": "x"})
    shop.post("catalog/items", {"item_id": "y", "title": "Home, sweet home"})
    shop.post("catalog/items", {"item_id": "z", "title": "Home, sweet home"})
    monkeypatch.setattr(searching, "RANKED", 2)
    assert ids(find(shop, "home"))[0] == "home"


@pytest.mark.parametrize(
    "params",
    [
        {"sort": "cheap"}, {"limit": "0"}, {"limit": "101"}, {"limit": "x"}, {"count_up_to": "0"},
        {"count_up_to": "100001"}, {"cursor": "x"}, {"facets": "colour"},
        {"facets": ",".join(f"attributes.a{n}" for n in range(11))}, {"q": ["a", "b"]}, {"price_from": "x"},
        {"price_to": "NaN"}, {"category": " > "}, {"brand": "a\x00"}, {"filter": "{"},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(shop: Api, params: dict[str, Any]) -> None:
    assert refusal(shop, **params)[0] == "invalid"


def test_refusals_name_the_place(shop: Api) -> None:
    assert refusal(shop, word="x")[0] == "unknown_parameter"
    bad = json.dumps({"all": [{"field": "price", "op": "lt", "value": "x"}]})
    assert refusal(shop, filter=bad) == ("invalid", ["/filter/all/0/value"])


def test_another_tenants_items_are_not_found(shop: Api, api_b: Api) -> None:
    found = find(api_b, "mug", facets="brand")
    assert (ids(found), found["total"], found["facets"]["brand"], found["corrections"]) == ([], 0, [], {})
    assert find(api_b, "kichen")["corrections"] == {}


def test_each_shop_is_searched_in_its_language(tenant_a: TenantRef) -> None:
    german = replace(tenant_a, locale="de-DE")
    items.write(german, [ItemIn(item_id="1", title="Bücher für den Garten", currency="EUR")])
    for text in ("buch", "BÜCHERN", "garten bucher", "gartens"):
        assert [item.item_id for item in searching.search(german, Search(text)).items] == ["1"], text


ODD = [
    "'",
    '"',
    "\\",
    "&",
    "|",
    "!",
    ":*",
    "(",
    ")",
    "<->",
    "%",
    "_",
    "\x00",
    "mug",
    "'mug':*",
    "\ufeff",
    "é",
    "茶",
    "\u202e",
]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(ODD) | st.text(max_size=5), max_size=12).map("".join)
    | st.lists(st.sampled_from(ODD) | st.text(max_size=5), max_size=12).map(" ".join),
    st.sampled_from([1, 1, 1, 1000]),
)
def test_whatever_is_typed_is_answered(shop: Api, text: str, times: int) -> None:
    text = (text * times)[:10_000]
    answer = shop.get("catalog/search", {"q": text.encode("utf-8", "surrogatepass"), "facets": "brand"})
    assert answer.status == 200, (text, answer.body)


def test_long_texts_are_answered_by_their_beginning(shop: Api) -> None:
    for text in ("mug " * 2_500, "m" * 10_000, "a b c d e f g h i j k l m n o p " * 600, "\x00" * 10_000, "(" * 10_000):
        assert shop.get("catalog/search", {"q": text}).status == 200
    assert ids(find(shop, "mug " * 2_500))[0] == "MUG-1"


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from(["filter", "brand", "category", "price_from", "facets", "sort", "limit", "cursor"]),
        st.text(max_size=8) | st.sampled_from(["{}", '{"all":[]}', "1", "brand", "attributes.x", "price"]),
        max_size=3,
    )
)
def test_any_parameters_are_answered_or_refused(shop: Api, params: dict[str, str]) -> None:
    sent = {name: value.encode("utf-8", "surrogatepass") for name, value in params.items()}
    assert shop.get("catalog/search", sent).status in (200, 400)


@pytest.mark.parametrize(
    ("one", "other", "mistakes"),
    [
        ("kichen", "kitchen", 1),
        ("mgu", "mug", 1),
        ("", "ab", 2),
        ("abc", "abc", 0),
        ("kitten", "sitting", 3),
        ("ca", "abc", 3),
    ],
)
def test_mistakes_are_counted(one: str, other: str, mistakes: int) -> None:
    assert spelling.distance(one, other) == spelling.distance(other, one) == mistakes


def test_the_nearest_words_that_begin_alike_come_first() -> None:
    assert spelling.nearest("towl", ["town", "bowl", "towel", "owl", "table"], 3) == ["towel", "town", "bowl"]
    assert spelling.nearest("xyz", ["abc"], 3) == []
