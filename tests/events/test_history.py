"""Visitors' histories in Redis: moved by every event, and rebuilt from the store as they were."""

from datetime import timedelta
from typing import Any, Final

import msgspec
import pytest

from events import history, ingest, projections, repair
from events.types import (
    BOUGHT_LENGTH,
    HISTORY_LENGTH,
    bought_by_user_key,
    bought_by_visitor_key,
    owner_key,
    user_key,
    visitor_key,
)
from recomengine.lib import clock, naming, redis
from tenants.types import TenantRef
from tests.api import Api
from tests.events.test_posting import PURCHASE, VIEW, ago, send
from tests.events.test_storing import identified

LOGIN: Final = {"type": "login", "visitor_id": "v1", "user_id": "u1"}


def newest_first(name: str) -> list[str]:
    return [entry.decode() for entry in redis.client().zrevrange(name, 0, -1)]


def of_visitor(tenant: TenantRef, visitor_id: str) -> list[str]:
    return newest_first(visitor_key(tenant.slug, visitor_id))


def of_user(tenant: TenantRef, user_id: str) -> list[str]:
    return newest_first(user_key(tenant.slug, user_id))


def all_histories(tenant: TenantRef) -> dict[bytes, Any]:
    """Every key of a visitor or user: the histories and what was bought, with the times, and whose browsers are."""
    read: dict[bytes, Any] = {
        b"zset": lambda name: redis.client().zrange(name, 0, -1, withscores=True), b"string": redis.client().get,
    }  # fmt: skip
    names = [
        name
        for kind in ("history", "bought", "owner")
        for name in redis.client().keys(naming.key(tenant.slug, kind, "*"))
    ]
    return {name: read[redis.client().type(name)](name) for name in names}


def test_what_a_visitor_did_stands_newest_first(api_a: Api, tenant_a: TenantRef) -> None:
    send(api_a, VIEW, VIEW | {"type": "click", "item_id": "cup"})
    send(api_a, VIEW | {"type": "add_to_cart", "item_id": "cup"})
    send(api_a, VIEW | {"type": "remove_from_cart", "item_id": "cup"})
    send(api_a, PURCHASE)
    assert of_visitor(tenant_a, "v1") == ["pcup", "pmug", "rcup", "acup", "ccup", "vmug"]


def test_a_batch_is_put_in_the_order_of_time(api_a: Api, tenant_a: TenantRef) -> None:
    late = [VIEW | {"item_id": f"i{n}", "occurred_at": ago(minutes=n)} for n in (3, 1, 4, 2)]
    send(api_a, *late)
    assert of_visitor(tenant_a, "v1") == ["vi1", "vi2", "vi3", "vi4"]


def test_a_batch_is_one_write(tenant_a: TenantRef) -> None:
    context = ingest.Context(clock.now(), "EUR")
    rows = [VIEW | {"user_id": "u1", "visitor_id": f"v{n}"} for n in range(100)]
    batch = ingest.from_batch(msgspec.json.encode({"events": rows}), context)
    commands = projections.commands(tenant_a, batch.events, batch, context.now)
    assert [command[0] for command in commands] == ["EVAL", "HINCRBY", "HINCRBY", "EXPIRE"]  # the rest are counts


@pytest.mark.parametrize("kind", ["impression", "refund"])
def test_other_types_leave_no_trace(api_a: Api, tenant_a: TenantRef, kind: str) -> None:
    assert send(api_a, VIEW | {"type": kind})["accepted"] == 1
    assert all_histories(tenant_a) == {}


def test_a_login_gathers_what_its_browsers_did(api_a: Api, tenant_a: TenantRef) -> None:
    send(api_a, VIEW | {"user_id": "u1"})
    send(api_a, VIEW | {"user_id": "u1", "visitor_id": "v2", "item_id": "cup"})
    send(api_a, VIEW | {"visitor_id": "v2", "item_id": "pot"})
    assert of_user(tenant_a, "u1") == ["vpot", "vcup", "vmug"]
    assert of_visitor(tenant_a, "v1") == ["vmug"]
    assert of_visitor(tenant_a, "v2") == ["vpot", "vcup"]


def test_only_the_newest_are_kept_and_not_for_ever(api_a: Api, tenant_a: TenantRef) -> None:
    send(api_a, *[VIEW | {"item_id": f"i{n}"} for n in range(50)])
    assert of_visitor(tenant_a, "v1") == [f"vi{n}" for n in range(49, 49 - HISTORY_LENGTH, -1)]
    seconds = history.KEPT.total_seconds()
    assert seconds - 60 < redis.client().ttl(visitor_key(tenant_a.slug, "v1")) <= seconds


def test_a_long_order_leaves_its_last_lines(api_a: Api, tenant_a: TenantRef) -> None:
    lines = [{"item_id": f"i{n}", "price": 1} for n in range(100)]
    send(api_a, VIEW, PURCHASE | {"items": lines})
    assert of_visitor(tenant_a, "v1") == [f"pi{n}" for n in range(99, 99 - HISTORY_LENGTH, -1)]


def test_an_event_older_than_a_history_is_not_in_it(api_a: Api, tenant_a: TenantRef) -> None:
    assert send(api_a, VIEW | {"occurred_at": ago(days=history.KEPT.days + 1)})["accepted"] == 1
    assert all_histories(tenant_a) == {}


def test_a_retried_event_moves_no_history(api_a: Api, tenant_a: TenantRef) -> None:
    [event] = identified()
    send(api_a, event, event)
    send(api_a, VIEW | {"item_id": "cup"})
    send(api_a, event)
    assert of_visitor(tenant_a, "v1") == ["vcup", "vmug"]


def test_a_rebuild_writes_what_ingestion_wrote(
    api_a: Api, api_b: Api, tenant_a: TenantRef, tenant_b: TenantRef
) -> None:
    kinds = ["view", "click", "add_to_cart", "impression", "remove_from_cart", "refund"]
    for n in range(8):
        shop = {"visitor_id": f"v{n % 3}", "user_id": f"u{n % 2}" if n % 4 else None}
        events: list[Any] = [VIEW | shop | {"type": kinds[(n + m) % 6], "item_id": f"i{m}-{n}"} for m in range(12)]
        send(api_a, *events, PURCHASE | shop | {"order_id": f"o{n}"}, VIEW | {"occurred_at": ago(days=100)})
    send(api_b, VIEW)
    before = all_histories(tenant_a)
    redis.client().delete(*before)
    assert history.rebuild(tenant_a) == 3 + 2
    assert all_histories(tenant_a) == before
    assert of_visitor(tenant_b, "v1") == ["vmug"]
    assert len(all_histories(tenant_b)) == 1


def test_a_rebuild_repairs_what_stands_there_and_repeats_itself(api_a: Api, tenant_a: TenantRef) -> None:
    send(api_a, VIEW)
    redis.client().zadd(visitor_key(tenant_a.slug, "v1"), {"vother": 1})
    for _ in range(2):
        history.rebuild(tenant_a)
        assert of_visitor(tenant_a, "v1") == ["vmug"]
    assert redis.client().ttl(visitor_key(tenant_a.slug, "v1")) > 0


def test_a_login_brings_the_browsers_past_along(api_a: Api, tenant_a: TenantRef) -> None:
    send(api_a, VIEW, PURCHASE)
    send(api_a, LOGIN)
    send(api_a, VIEW | {"item_id": "pot"})
    assert of_user(tenant_a, "u1") == of_visitor(tenant_a, "v1") == ["vpot", "pcup", "pmug", "vmug"]
    assert newest_first(bought_by_user_key(tenant_a.slug, "u1")) == ["cup", "mug"]


def test_what_the_user_did_elsewhere_is_put_in_the_order_of_time(api_a: Api, tenant_a: TenantRef) -> None:
    for minutes, visitor, item in ((4, "v1", "a"), (3, "v2", "b"), (2, "v1", "c")):
        send(api_a, VIEW | {"visitor_id": visitor, "item_id": item, "occurred_at": ago(minutes=minutes)})
    send(api_a, LOGIN | {"visitor_id": "v2"})
    send(api_a, LOGIN)
    assert of_user(tenant_a, "u1") == ["vc", "vb", "va"]


def test_a_browser_of_several_users_is_nobodys(api_a: Api, tenant_a: TenantRef) -> None:
    send(api_a, VIEW)
    send(api_a, LOGIN)
    send(api_a, LOGIN | {"user_id": "u2"})
    send(api_a, VIEW | {"item_id": "pot"})
    send(api_a, VIEW | {"item_id": "cup", "user_id": "u2"})
    assert of_visitor(tenant_a, "v1") == ["vcup", "vpot", "vmug"]
    assert of_user(tenant_a, "u2") == ["vcup"]
    assert of_user(tenant_a, "u1") == ["vmug"]  # until the next repair
    assert redis.client().get(owner_key(tenant_a.slug, "v1")) == b""
    repair.repair(tenant_a)
    assert of_user(tenant_a, "u1") == []
    assert not redis.client().exists(history.parted_key(tenant_a.slug))


def test_whose_browsers_are_is_the_same_after_a_rebuild(api_a: Api, tenant_a: TenantRef) -> None:
    shared = {"visitor_id": "shared"}
    send(api_a, VIEW, PURCHASE, LOGIN, VIEW | {"item_id": "pot"}, VIEW | {"visitor_id": "other", "item_id": "jam"})
    send(api_a, VIEW | shared, LOGIN | shared, LOGIN | shared | {"user_id": "u2"}, VIEW | shared | {"item_id": "tea"})
    send(api_a, VIEW | shared | {"user_id": "u1", "item_id": "lamp"}, LOGIN | {"visitor_id": "third", "user_id": "u3"})
    send(api_a, VIEW | {"visitor_id": "third", "item_id": "rug", "occurred_at": ago(days=3)})
    send(api_a, {"type": "view", "user_id": "server", "item_id": "pen"})
    repair.repair(tenant_a)
    before = all_histories(tenant_a)
    assert of_user(tenant_a, "u1") == ["vlamp", "vpot", "pcup", "pmug", "vmug"]
    assert of_user(tenant_a, "u3") == ["vrug"]
    for _ in range(2):
        history.rebuild(tenant_a)
        assert all_histories(tenant_a) == before
        redis.client().delete(*before)


def test_moving_events_again_changes_nothing(api_a: Api, tenant_a: TenantRef) -> None:
    send(api_a, VIEW, PURCHASE, LOGIN, *[VIEW | {"item_id": f"i{n}"} for n in range(30)])
    before = all_histories(tenant_a)
    assert history.replay(tenant_a, clock.now() - timedelta(minutes=1)) == 34
    assert all_histories(tenant_a) == before


def test_purchases_stay_when_the_history_has_moved_on(api_a: Api, tenant_a: TenantRef) -> None:
    lines = [{"item_id": f"p{n:03}", "price": 1} for n in range(BOUGHT_LENGTH + 5)]
    send(api_a, PURCHASE | {"items": lines})
    send(api_a, *[VIEW | {"item_id": f"i{n}"} for n in range(20)])
    bought = newest_first(bought_by_visitor_key(tenant_a.slug, "v1"))
    assert bought == [f"p{n:03}" for n in range(BOUGHT_LENGTH + 4, 4, -1)]
    assert redis.client().ttl(bought_by_visitor_key(tenant_a.slug, "v1")) > 0


def test_what_is_flagged_joins_and_moves_nothing(api_a: Api, tenant_a: TenantRef) -> None:
    crawler = {"user_agent": "Googlebot/2.1"}
    send(api_a, VIEW | crawler, LOGIN | crawler, PURCHASE | crawler)
    assert all_histories(tenant_a) == {}
    history.rebuild(tenant_a)
    assert all_histories(tenant_a) == {}


def test_forgetting_leaves_nothing_of_a_visitor_and_a_user(api_a: Api, tenant_a: TenantRef) -> None:
    send(api_a, VIEW, PURCHASE, LOGIN, VIEW | {"visitor_id": "v2"})
    history.forget(tenant_a.slug, ["v1"], ["u1"])
    assert list(all_histories(tenant_a)) == [visitor_key(tenant_a.slug, "v2").encode()]


def test_what_comes_in_during_a_rebuild_is_not_lost(
    api_a: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event between the look at the store and the writing, which puts an older state in its place."""
    send(api_a, VIEW, LOGIN)
    write = history._write

    def late(tenant: TenantRef, rows: Any, fresh: bool) -> int:
        read = list(rows)
        if fresh:
            send(api_a, VIEW | {"item_id": "cup"})
        return write(tenant, read, fresh)

    with monkeypatch.context() as patched:
        patched.setattr(history, "_write", late)
        history.rebuild(tenant_a)
        assert of_visitor(tenant_a, "v1") == of_user(tenant_a, "u1") == ["vcup", "vmug"]
    send(api_a, VIEW | {"item_id": "pot"})

    def later(tenant: TenantRef, rows: Any, fresh: bool) -> int:
        read = list(rows)
        send(api_a, VIEW | {"item_id": "tea"})
        return write(tenant, read, fresh)

    monkeypatch.setattr(history, "_write", later)
    history.rewrite(tenant_a, ["v1"], ["u1"])
    assert of_visitor(tenant_a, "v1") == of_user(tenant_a, "u1") == ["vtea", "vpot", "vcup", "vmug"]
