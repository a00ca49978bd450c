"""Consent, and events that no shopper caused."""

from datetime import UTC, datetime
from typing import Any

import pytest

from events.bots import MAX_PACE, MAX_QUANTITY, Pace
from events.types import EventType
from tenants.models import Tenant
from tenants.types import KeyType, TenantRef
from tests.api import Api
from tests.conftest import new_key
from tests.events.conftest import Stored
from tests.events.test_history import of_visitor
from tests.events.test_posting import PURCHASE, VIEW, ago, rejection, send

GOOGLEBOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"


@pytest.fixture
def page_a(edge: Any, tenant_a: TenantRef) -> Api:
    """Shop A's API as its pages call it, with a publishable key."""
    return Api(edge, new_key(tenant_a, KeyType.PUBLISHABLE))


def test_who_refused_is_not_stored(api_a: Api, stored: Stored) -> None:
    assert rejection(api_a, VIEW | {"consent": False, "item_id": "secret"}) == ("no_consent", "/consent")
    assert "secret" not in {row[0] for row in stored("item_id")}


def test_consent_is_kept_with_the_event(api_a: Api, stored: Stored) -> None:
    send(api_a, VIEW | {"consent": True}, VIEW | {"item_id": "cup"})
    assert sorted(stored("item_id", "consent")) == [("cup", None), ("mug", True)]


def test_a_browser_that_asks_not_to_be_followed(page_a: Api, stored: Stored) -> None:
    answer = page_a.post("events/batch", {"events": [VIEW, VIEW | {"consent": True, "item_id": "cup"}]}, sec_gpc="1")
    assert [(each["index"], each["code"]) for each in answer.json["rejected"]] == [(0, "no_consent")]
    assert page_a.post("events", VIEW, sec_gpc="0").json["accepted"] == 1
    assert sorted(stored("item_id")) == [("cup",), ("mug",)]


@pytest.mark.parametrize(("agent", "flag"), [(GOOGLEBOT, "crawler"), (CHROME, None), ("", None)])
def test_crawlers_are_flagged_and_move_no_history(
    page_a: Api, tenant_a: TenantRef, stored: Stored, agent: str, flag: str | None
) -> None:
    assert page_a.post("events", VIEW, user_agent=agent).json["accepted"] == 1
    assert stored("flag") == [(flag,)]
    assert of_visitor(tenant_a, "v1") == ([] if flag else ["vmug"])


def test_a_server_tells_who_the_browser_was(api_a: Api, stored: Stored) -> None:
    """Its own library is also what crawlers use, so only what the event says counts."""
    events = [VIEW, VIEW | {"item_id": "cup", "user_agent": GOOGLEBOT}, VIEW | {"item_id": "pot", "user_agent": CHROME}]
    answer = api_a.post("events/batch", {"events": events}, user_agent="python-requests/2.32")
    assert answer.json["accepted"] == 3
    assert sorted(stored("item_id", "flag")) == [("cup", "crawler"), ("mug", None), ("pot", None)]


def test_more_than_a_person_can_do_is_flagged(api_a: Api, stored: Stored) -> None:
    moment = ago(minutes=5)
    for batch in range(2):
        send(api_a, *(VIEW | {"item_id": f"i{batch}-{n}", "occurred_at": moment} for n in range(MAX_PACE)))
    send(api_a, VIEW | {"item_id": "later", "occurred_at": ago(minutes=1)}, VIEW | {"visitor_id": "v2"})
    flagged = [item for item, flag in stored("item_id", "flag") if flag == "too_fast"]
    assert len(flagged) == MAX_PACE
    assert all(item.startswith("i1-") for item in flagged)


def test_a_backlog_is_not_fast(api_a: Api, stored: Stored) -> None:
    """What counts is when it occurred, not when it was sent."""
    for batch in range(3):
        send(api_a, *(VIEW | {"item_id": f"i{n}", "occurred_at": ago(minutes=batch * 100 + n)} for n in range(100)))
    assert set(stored("flag")) == {(None,)}


def test_the_count_of_one_shop_is_not_another_s() -> None:
    pace = Pace()
    moment = datetime.now(UTC)
    assert not any(pace.is_too_fast("a", "v1", moment) for _ in range(MAX_PACE))
    assert pace.is_too_fast("a", "v1", moment)
    assert not pace.is_too_fast("b", "v1", moment)


@pytest.mark.parametrize(
    "line", [{"quantity": MAX_QUANTITY + 1, "price": "0.01"}, {"quantity": 1_000, "price": "1000001"}]
)
def test_absurd_orders_are_flagged(api_a: Api, stored: Stored, line: dict[str, Any]) -> None:
    send(api_a, PURCHASE | {"items": [{"item_id": "mug", **line}]}, PURCHASE | {"order_id": "o2"})
    assert sorted(stored("order_id", "flag")) == [("o1", "absurd_value"), ("o2", None), ("o2", None)]


def test_a_shops_own_types(api_a: Api, tenant_a: TenantRef, stored: Stored) -> None:
    wished = {"type": "wish", "visitor_id": "v1"}
    assert rejection(api_a, wished) == ("unknown_type", "/type")
    Tenant.objects.filter(slug=tenant_a.slug).update(event_types=["wish"])
    fresh = Api(api_a.edge, new_key(tenant_a))
    assert send(fresh, wished, wished | {"item_id": "mug"})["accepted"] == 2
    assert {row[0] for row in stored("type")} >= {"wish"}


def test_a_login_joins_a_browser_to_a_user(api_a: Api, stored: Stored) -> None:
    assert rejection(api_a, {"type": "login", "visitor_id": "v1"}) == ("missing_visitor", "/user_id")
    assert rejection(api_a, {"type": "login", "user_id": "u1"}) == ("missing_visitor", "/visitor_id")
    send(api_a, {"type": "login", "visitor_id": "v1", "user_id": "u1"})
    assert (EventType.LOGIN, "v1", "u1", None) in stored("type", "visitor_id", "user_id", "item_id")


def test_what_becomes_of_events_is_counted(api_a: Api, tenant_a: TenantRef) -> None:
    from events import tallies
    from recomengine.lib import clock

    send(api_a, VIEW, VIEW | {"type": "vew"}, VIEW | {"user_agent": GOOGLEBOT, "item_id": "cup"}, PURCHASE)
    send(api_a, VIEW, PURCHASE | {"order_id": "o2", "currency": "USD"})
    today = clock.now().date()
    expected = {
        "accepted": 4, "duplicate": 1, "content_duplicate": 1, "rejected:unknown_type": 1, "flagged:crawler": 1,
        "missing_currency": 1,
    }  # fmt: skip
    assert tallies.between(tenant_a, today, today)[today] == expected
    tallies.keep(tenant_a)
    from recomengine.lib import redis

    redis.client().flushdb()
    assert tallies.between(tenant_a, today, today)[today] == expected
    send(api_a, VIEW | {"item_id": "pot"})
    tallies.keep(tenant_a)
    assert tallies.between(tenant_a, today, today)[today]["accepted"] == 5
