"""Cards: what the serving path knows of items follows what is stored, whoever writes and whatever fails."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from catalog import cards
from catalog.types import Card, groups_key, ids_key
from recomengine.lib import redis
from tenants.types import TenantRef
from tests.api import Api


def shown(tenant: TenantRef) -> dict[str, Card]:
    """The cards by item id."""
    packed = redis.client().hvals(cards.cards_key(tenant.slug))
    found = [msgspec.msgpack.decode(card, type=Card) for card in packed]
    return {card.item_id: card for card in found}


def put(api: Api, item_id: str, **fields: Any) -> int:
    return api.call("PUT", f"catalog/items/{item_id}", data={"title": "Mug"} | fields).status


class Away:
    """A Redis that refuses every command."""

    def __getattr__(self, name: str) -> Any:
        raise RedisConnectionError("connection refused")


def test_a_card_holds_what_decides_and_the_product_as_the_api_shows_it(api_a: Api, tenant_a: TenantRef) -> None:
    put(api_a, "mug", availability="preorder", group_id="g", price="9.9", published_at="2026-01-01T00:00:00Z")
    card = shown(tenant_a)["mug"]
    published = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    assert (card.available, card.group_id) == (True, "g")
    assert (card.published_at, card.expires_at) == (published, 0)
    assert msgspec.json.decode(card.product) == api_a.get("catalog/items/mug").json


def test_every_way_to_write_shows(api_a: Api, tenant_a: TenantRef) -> None:
    api_a.post("catalog/items", {"item_id": "a", "title": "A"})
    put(api_a, "b")
    api_a.post("catalog/items/batch", {"items": [{"item_id": "c", "title": "C"}, {"item_id": "d", "title": "D"}]})
    api_a.call("PATCH", "catalog/items/b", data={"availability": "out_of_stock"})
    api_a.call("DELETE", "catalog/items/c")
    assert {item_id: card.available for item_id, card in shown(tenant_a).items()} == {"a": True, "b": False, "d": True}


def test_a_refused_write_shows_nothing(api_a: Api, tenant_a: TenantRef) -> None:
    put(api_a, "mug", brand="first")
    assert api_a.post("catalog/items", {"item_id": "mug", "title": "Other"}).status == 409
    assert api_a.get("catalog/items/mug").json["brand"] == "first"
    assert b"first" in shown(tenant_a)["mug"].product


def test_a_write_while_redis_is_away_is_mended_by_repeating_it(
    api_a: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(api_a, "mug")
    for method, path, data in (
        ("PUT", "catalog/items/mug", {"title": "Mug", "availability": "out_of_stock"}),
        ("POST", "catalog/items/batch", {"items": [{"item_id": "mug", "title": "Mug", "availability": "in_stock"}]}),
    ):
        with monkeypatch.context() as patched:
            patched.setattr(redis, "client", Away)
            answer = api_a.call(method, path, data=data)
            assert (answer.status, answer.json["code"]) == (503, "overloaded")
            assert int(answer.headers["retry-after"]) > 0
        assert api_a.call(method, path, data=data).status == 200
        assert shown(tenant_a)["mug"].available == (method == "POST")


def test_cards_follow_the_last_of_many_writers(api_a: Api, tenant_a: TenantRef) -> None:
    def write(n: int) -> None:
        put(api_a, f"i{n % 3}", brand=str(n))
        if n % 7 == 0:
            api_a.call("DELETE", f"catalog/items/i{n % 3}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(120)))
    stored = {item["item_id"]: item for item in api_a.get("catalog/items").json["results"]}
    assert {item_id: msgspec.json.decode(card.product) for item_id, card in shown(tenant_a).items()} == stored


def test_changes_of_different_fields_at_once_are_all_kept(api_a: Api) -> None:
    put(api_a, "mug")
    fields = ["brand", "description", "url", "image_url", "price", "sale_price", "group_id", "currency"]
    values = ["b", "d", "https://a.example", "https://b.example", "1.00", "2.00", "g", "CHF"]
    changes = [{name: value} for name, value in zip(fields, values, strict=True)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda change: api_a.call("PATCH", "catalog/items/mug", data=change), changes))
    item = api_a.get("catalog/items/mug").json
    assert [item[name] for name in fields] == values


def test_of_two_who_add_one_item_one_does(api_a: Api) -> None:
    items = [{"item_id": "mug", "title": f"Mug {n}"} for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda item: api_a.post("catalog/items", item), items))
    assert sorted(answer.status for answer in answers) == [201] + [409] * 7
    [added] = [answer.json["title"] for answer in answers if answer.status == 201]
    assert api_a.get("catalog/items/mug").json["title"] == added


def test_a_rebuild_shows_what_is_stored_and_nothing_else(api_a: Api, api_b: Api, tenant_a: TenantRef) -> None:
    api_a.post("catalog/items/batch", {"items": [{"item_id": f"i{n}", "title": "x"} for n in range(5)]})
    put(api_b, "of-b")
    before = shown(tenant_a)
    key = cards.cards_key(tenant_a.slug)
    some = redis.client().hkeys(key)
    redis.client().hdel(key, *some[:2])
    redis.client().hset(key, mapping={some[2]: b"stale", "999999": b"gone"})
    assert cards.rebuild(tenant_a) == 5
    assert shown(tenant_a) == before
    redis.client().delete(key)
    assert cards.rebuild(tenant_a) == 5
    assert shown(tenant_a) == before


def test_the_groups_of_variants_follow_what_is_stored(api_a: Api, tenant_a: TenantRef) -> None:
    key = groups_key(tenant_a.slug)
    for item_id, group in (("a", "g"), ("b", "g"), ("c", None)):
        put(api_a, item_id, group_id=group)
    assert redis.client().hgetall(key) == {b"a": b"g", b"b": b"g"}
    put(api_a, "a")
    put(api_a, "c", group_id="h")
    assert redis.client().hgetall(key) == {b"b": b"g", b"c": b"h"}
    api_a.call("DELETE", "catalog/items/b")
    redis.client().hdel(key, "c")
    cards.rebuild(tenant_a)
    assert redis.client().hgetall(key) == {b"c": b"h"}


def test_the_internal_ids_follow_what_is_stored(api_a: Api, tenant_a: TenantRef) -> None:
    def known() -> dict[bytes, bytes]:
        return redis.client().hgetall(ids_key(tenant_a.slug))  # type: ignore[return-value]

    put(api_a, "a", group_id="g")
    put(api_a, "b")
    before = known()
    assert {redis.client().hexists(cards.cards_key(tenant_a.slug), number.decode()) for number in before.values()} == {
        True
    }
    api_a.call("DELETE", "catalog/items/a")
    assert set(known()) == {b"b"}
    assert redis.client().hgetall(groups_key(tenant_a.slug)) == {}
    put(api_a, "a")
    assert known()[b"a"] != before[b"a"]
    cards.refresh(tenant_a, [int(before[b"a"])])  # the card of the item that is gone, once more
    assert set(known()) == {b"a", b"b"}
    held = known()
    redis.client().hset(ids_key(tenant_a.slug), items=["gone", 7, "a", 7])
    cards.rebuild(tenant_a)
    assert known() == held


@pytest.mark.parametrize(
    ("amount", "text"),
    [("9.9500", "9.95"), ("9.9999", "9.9999"), ("10", "10.00"), ("0", "0.00"), ("1E+3", "1000.00"), ("0.5", "0.50")],
)
def test_amounts_are_plain_decimals(amount: str, text: str) -> None:
    assert cards.money(Decimal(amount)) == text
    assert cards.money(None) is None


@pytest.mark.parametrize("instant", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00Z"])
@pytest.mark.parametrize("name", ["published_at", "expires_at"])
def test_instants_at_the_ends_of_time_break_nothing(api_a: Api, tenant_a: TenantRef, name: str, instant: str) -> None:
    answer = api_a.call("PUT", "catalog/items/mug", data={"title": "Mug", name: instant})
    assert answer.status == 400
    assert answer.json["errors"][0]["pointer"] == f"/{name}"
    assert put(api_a, "mug", **{name: "1000-01-01T00:00:00+14:00"}) == 400
    assert put(api_a, "mug", **{name: "9998-12-31T23:59:59Z"}) == 201
    assert len(api_a.get("catalog/items").json["results"]) == cards.rebuild(tenant_a) == 1
