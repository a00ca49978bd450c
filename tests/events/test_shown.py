"""How often items were shown to a visitor without being gone for: counted by every event, and from the store again."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import history, repair, shown, tasks
from events.ingest import Context, from_batch
from events.types import SHOWN_KEPT, SHOWN_LENGTH, shown_key
from recomengine.lib import clock, redis
from tenants.types import TenantRef
from tests.api import Api
from tests.events.test_posting import PURCHASE, VIEW, ago, send
from tests.events.test_repair import later, losing

IMPRESSION: Any = {"type": "impression", "visitor_id": "v1"}


def lines(*items: str) -> list[dict[str, str]]:
    return [{"item_id": item} for item in items]


def seen(*items: str, **more: Any) -> dict[str, Any]:
    """An impression; with an id of its own, as its like within seconds would be known by its content."""
    return IMPRESSION | {"items": lines(*items), "event_id": str(uuid4())} | more


def counts(tenant: TenantRef, visitor: str = "v1") -> dict[str, int]:
    found = redis.client().zrange(shown_key(tenant.slug, visitor), 0, -1, withscores=True)
    return {item.decode(): int(times) for item, times in found}


def test_an_impression_counts_each_of_its_items_once(api_a: Api, api_b: Api, tenant_a: TenantRef) -> None:
    send(api_a, seen("mug", "cup", "mug"), seen("mug"), seen("pot", visitor_id="v2"))
    send(api_a, seen("mug"), IMPRESSION | {"item_id": "tea"}, IMPRESSION)
    send(api_b, seen("mug"))
    assert counts(tenant_a) == {"mug": 3, "cup": 1, "tea": 1}
    assert counts(tenant_a, "v2") == {"pot": 1}
    assert SHOWN_KEPT - timedelta(minutes=1) < timedelta(seconds=redis.client().ttl(shown_key("shop-a", "v1")))
    assert redis.client().ttl(shown_key("shop-a", "v1")) <= SHOWN_KEPT.total_seconds()


@pytest.mark.parametrize("kind", ["click", "add_to_cart", "purchase"])
def test_what_is_gone_for_begins_anew(api_a: Api, tenant_a: TenantRef, kind: str) -> None:
    send(api_a, seen("mug", "cup", "pot"), seen("mug"))
    taken: dict[str, Any] = PURCHASE | {"items": [{"item_id": item, "price": 1} for item in ("mug", "cup")]}
    send(api_a, taken if kind == "purchase" else VIEW | {"type": kind, "items": lines("mug", "cup"), "item_id": None})
    assert counts(tenant_a) == {"pot": 1}
    send(api_a, seen("mug"))
    assert counts(tenant_a) == {"pot": 1, "mug": 1}


@pytest.mark.parametrize("kind", ["view", "remove_from_cart", "refund"])
def test_other_types_leave_the_counts_alone(api_a: Api, tenant_a: TenantRef, kind: str) -> None:
    send(api_a, seen("mug"), VIEW | {"type": kind})
    assert counts(tenant_a) == {"mug": 1}


def test_within_a_request_the_order_of_time_decides(api_a: Api, tenant_a: TenantRef) -> None:
    click = VIEW | {"type": "click"}
    at = [ago(minutes=minutes) for minutes in (3, 2, 1)]
    send(api_a, seen("mug", occurred_at=at[2]), click | {"occurred_at": at[1]}, seen("mug", occurred_at=at[0]))
    assert counts(tenant_a) == {"mug": 1}
    send(api_a, seen("mug", occurred_at=at[0]), click | {"occurred_at": at[0]})  # the click answers the impression
    assert counts(tenant_a) == {}


def test_what_is_sent_twice_counts_once_and_what_bots_see_not_at_all(api_a: Api, tenant_a: TenantRef) -> None:
    event = seen("mug", event_id="6f1f6ac1-9b0d-4b0c-8c5a-111111111111")
    send(api_a, event, event)
    send(api_a, event)
    send(api_a, seen("cup", user_agent="Googlebot/2.1"), seen("pot", occurred_at=ago(days=SHOWN_KEPT.days + 1)))
    assert counts(tenant_a) == {"mug": 1}


def test_the_least_shown_go_and_new_ones_have_room(api_a: Api, tenant_a: TenantRef) -> None:
    names = [f"i{n:03}" for n in range(SHOWN_LENGTH)]
    send(api_a, seen(*names), seen(*names[-10:]))
    assert len(counts(tenant_a)) == SHOWN_LENGTH
    send(api_a, seen("z-new"))
    kept = counts(tenant_a)
    assert len(kept) == SHOWN_LENGTH // 2
    assert kept.items() >= {**dict.fromkeys(names[-10:], 2), "z-new": 1}.items()
    for _ in range(3):
        send(api_a, seen("a-newer"))
    assert counts(tenant_a)["a-newer"] == 3
    send(api_a, seen(*[f"x{n}" for n in range(2_000)]))
    assert len(counts(tenant_a)) <= SHOWN_LENGTH


def test_a_rebuild_counts_what_events_counted(api_a: Api, api_b: Api, tenant_a: TenantRef) -> None:
    click = VIEW | {"type": "click"}
    for n in range(6):
        who = {"visitor_id": f"v{n % 2}", "user_id": "u1" if n % 3 else None}
        send(api_a, seen("mug", "cup", **who), click | who | {"item_id": ["mug", "pot"][n % 2]}, seen("pot", **who))
    send(api_a, PURCHASE | {"visitor_id": "v0"}, seen("mug", visitor_id="v0", occurred_at=ago(days=20)))
    send(api_b, seen("mug"))
    before = counts(tenant_a, "v0"), counts(tenant_a, "v1")
    assert all(before)
    redis.client().delete(shown_key("shop-a", "v0"))
    redis.client().zadd(shown_key("shop-a", "v1"), {"other": 7})
    for _ in range(2):
        history.rebuild(tenant_a)
        assert (counts(tenant_a, "v0"), counts(tenant_a, "v1")) == before
    assert redis.client().ttl(shown_key("shop-a", "v0")) > 0


def test_what_was_lost_is_counted_from_the_store_and_never_twice(
    api_a: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(api_a, seen("mug", "cup"), seen("pot", visitor_id="v2"))
    with losing(monkeypatch):
        send(api_a, seen("mug"), VIEW | {"type": "click", "item_id": "cup"})
    assert counts(tenant_a) == {"mug": 1, "cup": 1}
    with later(minutes=2):
        for _ in range(2):
            tasks.repair_projections()
            assert counts(tenant_a) == {"mug": 2}
            assert counts(tenant_a, "v2") == {"pot": 1}
        assert repair.repair(tenant_a) == 0
    assert history.replay(tenant_a, clock.now() - timedelta(hours=1)) == 1
    assert counts(tenant_a) == {"mug": 2}


def test_an_erased_visitor_was_shown_nothing(api_a: Api, tenant_a: TenantRef) -> None:
    send(api_a, seen("mug", user_id="u1"), seen("cup"), seen("pot", visitor_id="v2", user_id="u2"))
    told = api_a.get("visitors/v1/export").json["recent"]
    assert told[shown_key("shop-a", "v1")] == {"mug": 1.0, "cup": 1.0}
    assert api_a.call("DELETE", "visitors/u1").status == 202
    assert counts(tenant_a) == {}  # the browser is that user's alone
    assert counts(tenant_a, "v2") == {"pot": 1}


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["impression", "impression", "click", "add_to_cart", "view"]),
        st.sampled_from(["v1", "v2"]),
        st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4),
        st.integers(0, 3),
    ),
    max_size=12,
)


@given(EVENTS)
def test_a_batch_counts_as_its_events_one_by_one(given_events: list[tuple[str, str, list[str], int]]) -> None:
    """What is told to Redis of a batch is what its events, in the order of time, say one after the other."""
    now = clock.now()
    sent = [
        {
            "type": kind,
            "visitor_id": visitor,
            "items": lines(*items),
            "occurred_at": str(now - timedelta(minutes=minutes)),
        }
        for kind, visitor, items, minutes in given_events
    ]
    batch = from_batch(msgspec.json.encode({"events": sent}), Context(now, "EUR")).events if sent else []
    expected: dict[str, dict[str, int]] = {}
    ordered = sorted(given_events, key=lambda each: (-each[3], each[0] != "impression"))
    for kind, visitor, items, _ in ordered:
        of_visitor = expected.setdefault(visitor, {})
        for item in set(items):
            if kind == "impression":
                of_visitor[item] = of_visitor.get(item, 0) + 1
            elif kind != "view":
                of_visitor.pop(item, None)
    told = {each.visitor: dict(zip(each.added[1::2], each.added[::2], strict=True)) for each in shown.shown(batch, now)}
    assert {visitor: found for visitor, found in told.items() if found} == {
        visitor: found for visitor, found in expected.items() if found
    }
