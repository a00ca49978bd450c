"""The parameters of a request through HTTP: what each does, GET as POST, pages, batches, and what is refused."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from recommendations.parsing import FIELDS
from tenants.types import KeyType, TenantRef
from tests.api import Api
from tests.conftest import new_key
from tests.recommendations.conftest import ids, lasting, notice, slate
from tests.recommendations.serving.settings import placement, rules

CHEAP = {"field": "price", "op": "lte", "value": 5}
ACME = {"field": "brand", "op": "eq", "value": "Acme"}


def test_only_the_named_fields_are_told(shop: Api) -> None:
    whole = slate(shop, placement="pdp", item_id="mug")["items"][0]["product"]
    assert set(whole) == set(FIELDS)
    for fields in (["title"], ["title", "price"], ["price,title"], ["title", "title"]):
        answer = slate(shop, placement="pdp", item_id="mug", fields=fields)
        names = {name for each in fields for name in each.split(",")}
        assert answer["items"][0]["product"] == {name: whole[name] for name in names}
    refused = shop.get("recommendations", {"fields": "heading"})
    assert (refused.status, refused.json["errors"][0]["code"]) == (400, "unknown_field")


def test_a_currency_keeps_other_prices_out(shop: Api) -> None:
    assert shop.call("PATCH", "catalog/items/cup", data={"currency": "USD"}).status == 200
    assert "cup" not in ids(slate(shop, placement="home", currency="EUR", limit=50))
    assert ids(slate(shop, placement="home", currency="USD", limit=50)) == ["cup"]
    for wrong in ("eur", "EURO", ""):
        assert shop.get("recommendations", {"currency": wrong}).status == 400


def test_a_locale_is_read_and_a_wrong_one_refused(shop: Api) -> None:
    plain = slate(shop, placement="home")
    assert lasting(slate(shop, placement="home", locale="de-AT")) == lasting(plain)
    for wrong in ("d", "de AT", "de-\n", "x" * 36):
        assert shop.get("recommendations", {"locale": wrong}).status == 400


def test_diversity_mixes_brands(shop: Api, tenant_a: TenantRef) -> None:
    placement(shop, tenant_a, "plain", "popular", "new")
    plain = slate(shop, placement="plain", limit=8)
    mixed = slate(shop, placement="plain", limit=8, diversity=1)
    assert set(ids(mixed)) == set(ids(plain))
    brands = {item["item_id"]: item["product"]["brand"] for item in plain["items"]}
    first = [brands[item] for item in ids(mixed)[: len(set(brands.values()))]]
    assert sorted(first) == sorted(set(brands.values()))
    assert ids(slate(shop, placement="plain", limit=8, diversity=0)) == ids(plain)


@pytest.mark.parametrize(
    "params",
    [
        {"placement": "pdp", "item_id": "mug"},
        {"placement": "cart", "item_id": ["mug", "tea"], "exclude": ["cup"], "limit": 3},
        {"strategy": "session", "session_items": ["mug", "tea"], "visitor_id": "v1", "user_id": "u1"},
        {"placement": "home", "filter": CHEAP, "diversity": 0.5, "currency": "EUR", "locale": "de"},
        {"placement": "home", "fields": ["title", "price"], "explain": True, "why_not": "rug"},
    ],
)
def test_get_and_post_say_the_same(shop: Api, params: dict[str, Any]) -> None:
    posted = shop.post("recommendations", params)
    assert posted.status == 200, posted.body
    as_text = {name: json.dumps(value) if name == "filter" else value for name, value in params.items()}
    got = slate(shop, **(as_text | ({"explain": 1} if "explain" in params else {})))
    assert timeless(got) == timeless(posted.json)


def timeless(answer: Any) -> Any:
    """Without what ages between two answers: the scores of what is new or trends."""
    return json.loads(json.dumps(lasting(answer)))


def test_pages_follow_until_there_is_nothing_more(shop: Api) -> None:
    seen: list[str] = []
    answer = slate(shop, placement="pdp", item_id="mug", limit=2)
    while answer["items"]:
        assert not set(ids(answer)) & set(seen)
        seen += ids(answer)
        answer = slate(shop, placement="pdp", item_id="mug", limit=2, after=answer["recommendation_id"])
    assert sorted(seen) == sorted(ids(slate(shop, placement="pdp", item_id="mug", limit=50)))
    assert answer["empty_reason"]["code"] == "nothing_available"


def test_a_page_of_nobody_elses_is_found(shop: Api, api_b: Api) -> None:
    known = slate(shop)["recommendation_id"]
    notice(api_b)
    for api, after in ((shop, "0" * 32), (api_b, known), (shop, "x:y"), (shop, known.upper())):
        answer = api.get("recommendations", {"after": after})
        assert (answer.status, answer.json["code"]) == (404, "unknown_recommendation")
        posted = api.post("recommendations/batch", {"requests": [{"after": after}]})
        assert (posted.status, posted.json["code"]) == (404, "unknown_recommendation")
    assert shop.get("recommendations", {"after": known}).status == 200


def test_the_slates_of_a_page_share_no_item(shop: Api) -> None:
    common = {"item_id": "mug", "visitor_id": "v5", "fields": ["title"]}
    requests = [{"placement": key, "limit": 2} for key in ("pdp", "pdp-similar", "pdp-bought-together", "home")]
    answer = shop.post("recommendations/batch", {"requests": requests, **common}).json["results"]
    shown = [item for each in answer for item in ids(each)]
    assert len(shown) == len(set(shown)) == 7  # all there is but the mug
    assert [each["placement"] for each in answer] == [each["placement"] for each in requests]
    assert len({each["recommendation_id"] for each in answer}) == 4
    assert all(set(item["product"]) == {"title"} for each in answer for item in each["items"])
    assert ids(answer[0]) == ids(slate(shop, **requests[0], item_id="mug", visitor_id="v5"))
    own = shop.post("recommendations/batch", {"requests": [{"item_id": "tea"}, {}], "item_id": "mug", "explain": True})
    assert all("explanation" in each for each in own.json["results"])


@pytest.mark.parametrize(
    ("requests", "code"),
    [
        ([], "invalid"),
        ([{}] * 11, "batch_too_large"),
        ([{"placement": "nowhere"}], "unknown_placement"),
        ([{"strategy": "magic"}], "unknown_strategy"),
        ([{"limit": 0}], "invalid"),
        ([{"limits": 1}], "invalid"),
        ([1], "invalid"),
        ({}, "invalid"),
    ],
)
def test_a_batch_that_is_none_is_refused(shop: Api, requests: Any, code: str) -> None:
    answer = shop.post("recommendations/batch", {"requests": requests})
    assert answer.status in {400, 404}
    assert answer.json["code"] == code


def test_an_explanation_names_what_had_a_say(shop: Api, tenant_a: TenantRef) -> None:
    rules(
        shop,
        tenant_a,
        top={"type": "pin", "item_id": "rug", "position": 1},
        far={"type": "pin", "item_id": "lamp", "position": 40},
        gone={"type": "pin", "item_id": "nothing", "position": 2},
        acme={"type": "boost", "filter": ACME, "factor": 3.0},
        no_jam={"type": "exclude", "filter": {"field": "item_id", "op": "eq", "value": "jam"}},
    )
    answer = slate(shop, placement="pdp", item_id="tea", explain=1, limit=12)
    told = answer["explanation"]
    assert told["rules"]["applied"] == ["no_jam", "acme", "top"]
    assert {each["rule"]: each["code"] for each in told["rules"]["passed_over"]} == {
        "far": "beyond_limit", "gone": "unknown_item",
    }  # fmt: skip
    assert (answer["items"][0]["item_id"], answer["items"][0]["explanation"]["pinned_by"]) == ("rug", "top")
    assert {each["item_id"]: each["by"] for each in told["filtered"]} == {"jam": "no_jam", "tea": None}
    assert {each["item_id"]: each["code"] for each in told["filtered"]} == {"jam": "filtered", "tea": "excluded"}
    [boosted, *_] = [item for item in answer["items"] if item["product"]["brand"] == "Acme"]
    assert {"code": "rule", "factor": 3.0, "rule": "acme"} in boosted["explanation"]["parts"]


@pytest.mark.parametrize("asked", [{"explain": 1}, {"why_not": "rug"}])
def test_a_page_is_not_told_what_speaks_for_products(shop: Api, tenant_a: TenantRef, asked: dict[str, Any]) -> None:
    page = Api(shop.edge, new_key(tenant_a, KeyType.PUBLISHABLE))
    question = {"placement": "pdp", "item_id": "tea"}
    assert page.get("recommendations", question).status == 200
    refused = page.get("recommendations", question | asked)
    assert (refused.status, refused.json["code"]) == (403, "forbidden")
    batch = {"requests": [question, question | {"explain": True}]}
    assert page.post("recommendations/batch", batch).status == 403
    assert Api(shop.edge, new_key(tenant_a, KeyType.READ_ONLY)).get("recommendations", question | asked).status == 200


DEEP = "[" * 50_000
NESTED = '{"not":' * 500 + '{"any":[]}' + "}" * 500
HOSTILE = [
    f"filter={quote(DEEP)}",
    f"filter={quote(NESTED)}",
    "filter=" + quote('{"field":"price","op":"lt","value":NaN}'),
    "filter=" + quote('{"field":"price","op":"lt","value":1e999999}'),
    "filter=" + quote(json.dumps({"any": [ACME] * 51})),
    "filter=%ff%fe",
    "filter=%00",
    "filter=",
    "limit=1&limit=2",
    "limit=NaN",
    "limit=1.5",
    "limit=99999999999999999999999",
    "limit=-1",
    "diversity=nan",
    "diversity=inf",
    "diversity=-0.1",
    "diversity=1.1",
    "placement=%ff",
    "placement=" + "x" * 200,
    "visitor_id=a%0ab",
    "item_id=%00",
    "strategy=%ff%00",
    "explain=maybe",
    "after=../..",
    "why_not=" + "y" * 200,
    "&".join(f"item_id=i{n}" for n in range(101)),
    "&".join(f"exclude=i{n}" for n in range(101)),
    "unknown=1",
    "fields=product",
    "fields=,",
    "currency=%F0%9F%98%80",
]


@pytest.mark.parametrize("query", HOSTILE, ids=lambda query: query[:40])
def test_hostile_parameters_are_the_callers_fault(shop: Api, query: str) -> None:
    answer = shop.get("recommendations", query)
    assert 400 <= answer.status < 500, answer.body
    assert answer.json["code"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"limit": NaN}',
        b'{"limit": 1.5}',
        b'{"limit": "1"}',
        b'{"diversity": 1e400}',
        b'{"filter": ' + b"[" * 100_000,
        b'{"filter": ' + NESTED.encode() + b"}",
        b'{"filter": {"field": "price", "op": "lt", "value": 1e400}}',
        b'{"filter": 5}',
        b'{"item_id": ["a", null]}',
        b'{"item_id": {"a": 1}}',
        b'{"visitor_id": "\\ud800"}',
        b'{"placement": "home", "placements": 1}',
        b'{"session_items": "mug"}',
    ],
    ids=lambda body: body[:40],
)
def test_hostile_bodies_are_the_callers_fault(shop: Api, body: bytes) -> None:
    for path, sent in (("recommendations", body), ("recommendations/batch", b'{"requests": [' + body + b"]}")):
        answer = shop.post(path, sent)
        assert 400 <= answer.status < 500, answer.body
        assert answer.json["code"]
