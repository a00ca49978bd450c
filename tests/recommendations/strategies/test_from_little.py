"""What a shop shows that has a catalogue and hardly an event, and the strategies that live on time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from catalog import cards
from catalog.types import newest_key
from events import moving, trending
from events.types import trend_key
from recomengine.lib import clock, naming, redis
from recommendations.placements import BUILT_IN
from recommendations.training import running
from tenants.types import TenantRef
from tests.api import Api
from tests.events.test_posting import send
from tests.recommendations.conftest import ids, notice, slate

COUNT = 50
UNCOUNTED = {"new", "trending", "similar_content"}
"""What may be so without a number: new today, a trend that faded, texts alone that speak for an item."""


def put(api: Api, item_id: str, **fields: Any) -> None:
    assert api.call("PUT", f"catalog/items/{item_id}", data={"title": item_id} | fields).status in {200, 201}


def only(api: Api, strategy: str, **params: Any) -> list[Any]:
    notice(api)
    return [item for item in slate(api, strategy=strategy, limit=50, **params)["items"] if item["source"] == strategy]


def in_days(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).isoformat()


@pytest.fixture
def small(api_a: Api) -> Api:
    items = [
        {"item_id": f"i{n}", "title": f"{('Red', 'Blue')[n % 2]} thing {n}", "categories": [f"Home > Part{n % 5}"]}
        for n in range(COUNT)
    ]
    assert api_a.post("catalog/items/batch", {"items": items}).json["created"] == COUNT
    return api_a


@pytest.mark.parametrize("events", [0, 1, 20, 200])
@pytest.mark.parametrize("is_trained", [False, True])
def test_every_built_in_placement_is_full(small: Api, tenant_a: TenantRef, events: int, is_trained: bool) -> None:
    for start in range(0, events, 50):
        count = min(50, events - start)
        send(
            small,
            *(
                {"type": "view", "visitor_id": f"v{n // 4}", "session_id": "s", "item_id": f"i{n * n % COUNT}"}
                for n in range(start, start + count)
            ),
        )
    if is_trained:
        running.train(tenant_a)
    notice(small)
    for key in BUILT_IN:
        answer = slate(small, placement=key, item_id="i1", visitor_id="v0")
        assert len(ids(answer)) == 10
        for item in answer["items"]:
            assert item["reason"]["text"]
            assert item["reason"]["count"] > 0 or item["reason"]["code"] in UNCOUNTED


def test_new_is_what_came_last_and_is_published(api_a: Api, tenant_a: TenantRef) -> None:
    put(api_a, "old", published_at=in_days(-40.5))
    put(api_a, "today")
    put(api_a, "to-come", published_at=in_days(2))
    put(api_a, "week", published_at=in_days(-7.5))
    found = only(api_a, "new")
    assert [(item["item_id"], item["reason"]["count"], item["reason"]["text"]) for item in found] == [
        ("today", 0, "New in the shop today"),
        ("week", 7, "In the shop for 7 days"),
        ("old", 40, "In the shop for 40 days"),
    ]
    api_a.call("DELETE", "catalog/items/today")
    put(api_a, "to-come", published_at=in_days(-1.5))
    assert [item["item_id"] for item in only(api_a, "new")] == ["to-come", "week", "old"]
    held = redis.client().zrange(newest_key(tenant_a.slug), 0, -1, withscores=True)
    redis.client().delete(newest_key(tenant_a.slug))
    cards.rebuild(tenant_a)
    assert redis.client().zrange(newest_key(tenant_a.slug), 0, -1, withscores=True) == held


def test_of_the_newest_so_many_are_kept_and_older_ones_follow(
    api_a: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cards, "NEWEST", 4)
    for days in range(8):
        put(api_a, f"d{days}", published_at=in_days(-days - 0.5))
    put(api_a, "later", published_at=in_days(5))
    assert [item["item_id"] for item in only(api_a, "new")] == ["d0", "d1", "d2", "d3"]
    for days in range(4):
        api_a.call("DELETE", f"catalog/items/d{days}")
    assert [item["item_id"] for item in only(api_a, "new")] == ["d4", "d5", "d6"]  # d3 was there when they came
    put(api_a, "later", published_at=in_days(-0.1))
    assert only(api_a, "new")[0]["item_id"] == "later"


def test_beside_a_product_its_category_trends_first(small: Api, tenant_a: TenantRef) -> None:
    send(small, *({"type": "view", "visitor_id": f"a{n}", "item_id": "i2"} for n in range(5)))
    send(small, *({"type": "view", "visitor_id": f"b{n}", "item_id": "i6"} for n in range(3)))
    send(small, {"type": "view", "visitor_id": "c", "item_id": "i11"})
    for _ in range(2):
        beside = only(small, "trending", item_id="i1")
        assert [item["item_id"] for item in beside] == ["i6", "i11", "i2"]
        assert beside[0]["reason"]["text"] == (
            "Trending in Home > Part1: lately as much interest as 3 views of this moment"
        )
        assert [item["score"] for item in beside] == sorted((item["score"] for item in beside), reverse=True)
        assert [item["item_id"] for item in only(small, "trending")] == ["i2", "i6", "i11"]
        assert [item["item_id"] for item in only(small, "trending", item_id="nobody")] == ["i2", "i6", "i11"]
        redis.client().delete(trend_key(tenant_a.slug, "c", "Home > Part1"))
        assert trending.rebuild(tenant_a) == 3  # and comes to the same
    assert redis.client().hget(naming.categories_key(tenant_a.slug), "i1") == b"Home > Part1"


def test_trends_of_categories_are_bounded_and_fade_alike(
    small: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "CATEGORY_LENGTH", 3)
    monkeypatch.setattr(moving, "CATEGORIES", 3)  # fields: a landmark and two categories
    interest = [part for n in range(COUNT) for part in (1.0 + n, f"i{n}")]
    redis.client().execute_command(*moving.command(tenant_a, [], clock.now(), interest, 0))
    keys = redis.client().keys(trend_key(tenant_a.slug, "c", "*"))
    assert len(keys) == 2
    assert all(redis.client().zcard(key) == 3 for key in keys)


def test_a_category_that_came_in_during_a_rebuild_counts_once(
    small: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(small, {"type": "view", "visitor_id": "a", "item_id": "i1"})
    read = trending._read

    def meanwhile(*asked: Any) -> list[str]:
        send(small, {"type": "view", "visitor_id": "b", "item_id": "i6"})
        categories = read(*asked)
        send(small, {"type": "view", "visitor_id": "c", "item_id": "i2"})
        return categories

    monkeypatch.setattr(trending, "_read", meanwhile)
    trending.rebuild(tenant_a)
    found = {item["item_id"]: item["reason"]["count"] for item in only(small, "trending", item_id="i11")}
    assert found == {"i1": 1, "i6": 1, "i2": 1}
    assert redis.client().keys(trend_key(tenant_a.slug, "next", "*")) == []
    assert redis.client().keys(trend_key(tenant_a.slug, "read", "*")) == []


def order(number: int, visitor: str, item: str, days: float) -> dict[str, Any]:
    line = {"item_id": item, "price": 1}
    return {"type": "purchase", "visitor_id": visitor, "order_id": f"o{number}-{item}", "items": [line],
            "occurred_at": in_days(-days)}  # fmt: skip


def test_buy_again_is_what_is_due(small: Api, tenant_a: TenantRef) -> None:
    """i1 is bought every 30 days, i2 every 10; i3 by one shopper only; i4 was bought by the visitor just now."""
    events = [order(n, f"s{n % 4}", "i1", 200 - 30 * (n // 4)) for n in range(16)]
    events += [order(n, f"s{n % 4}", "i2", 150 - 10 * (n // 4)) for n in range(16)]
    events += [order(n, "s0", "i3", 150 - 10 * n) for n in range(3)]
    events += [order(n, f"s{n % 4}", "i4", 150 - 20 * (n // 4)) for n in range(8)]
    mine = {"i1": 28, "i2": 60, "i3": 10, "i4": 1, "i5": 30}
    events += [order(99, "me", item, days) for item, days in mine.items()]
    send(small, *events)
    running.train(tenant_a)
    found = only(small, "buy_again", visitor_id="me")
    assert [item["item_id"] for item in found] == ["i1", "i2"]
    assert found[0]["reason"] == {
        "code": "bought_before",
        "count": 4,
        "text": "Bought 28 days ago; 4 shoppers bought it again, after about 28 days",
    } or found[0]["reason"]["text"].startswith("Bought 28 days ago; 4 shoppers bought it again, after about 2")
    assert found[0]["score"] > found[1]["score"] > 0  # long overdue is no longer likely
    assert "i1" not in ids(slate(small, strategy="popular", visitor_id="me", limit=50))
    assert "i1" not in [item["item_id"] for item in only(small, "buy_again", visitor_id="me", item_id="i1")]


def test_a_shop_without_repeat_purchases_says_so(small: Api, tenant_a: TenantRef) -> None:
    send(small, order(1, "me", "i1", 30), order(2, "you", "i1", 20))
    running.train(tenant_a)
    small.post("placements", {"key": "again", "name": "Again", "cascade": ["buy_again"]})
    notice(small)
    assert slate(small, placement="again", visitor_id="me")["empty_reason"]["code"] == "nothing_due"
    assert slate(small, placement="again")["empty_reason"]["code"] == "no_context"
