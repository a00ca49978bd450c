"""What gains interest: added up with every event, faded by time, and the same when added up anew from the store."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from events import ingest, moving, trending
from events.interest import ERA, HALF_LIFE, forward_weight, landmark_of
from events.types import trend_key, trending_key
from recomengine.lib import clock, redis
from tenants.types import TenantRef
from tests.api import Api
from tests.events.test_posting import PURCHASE, VIEW, ago, send


def trend(tenant: TenantRef) -> dict[str, float]:
    """Each item's interest in views of this moment."""
    landmark = float(redis.client().hget(trending_key(tenant.slug), "landmark") or 0)
    faded = 2 ** ((landmark - clock.now().timestamp()) / HALF_LIFE.total_seconds())
    found = redis.client().zrevrange(trend_key(tenant.slug), 0, -1, withscores=True)
    return {item.decode(): score * faded for item, score in found}


def close(**interest: float) -> Any:
    return pytest.approx(interest, rel=1e-3)  # minutes fade by less


def test_events_weigh_by_type_and_age(api_a: Api, tenant_a: TenantRef, tenant_b: TenantRef) -> None:
    send(api_a, VIEW, PURCHASE, VIEW | {"type": "add_to_cart", "item_id": "pot", "occurred_at": ago(days=3)})
    send(api_a, VIEW | {"type": "impression", "item_id": "rug"}, VIEW | {"item_id": "old", "occurred_at": ago(days=31)})
    assert trend(tenant_a) == close(mug=6, cup=5, pot=1.5)
    assert trend(tenant_b) == {}


def test_what_is_flagged_or_comes_twice_weighs_nothing(api_a: Api, tenant_a: TenantRef) -> None:
    event = VIEW | {"event_id": "6f1f6ac1-9b0d-4b0c-8c5a-111111111111"}
    send(api_a, event, event)
    send(api_a, event, VIEW | {"user_agent": "Googlebot/2.1"})
    assert trend(tenant_a) == close(mug=1)


def test_a_clock_that_is_ahead_gains_nothing(api_a: Api, tenant_a: TenantRef) -> None:
    send(api_a, VIEW | {"occurred_at": ago(days=-1.5)})
    assert trend(tenant_a) == close(mug=1)


def test_a_rebuild_comes_to_what_was_added_up(api_a: Api, tenant_a: TenantRef) -> None:
    send(api_a, VIEW, PURCHASE, VIEW | {"type": "click", "item_id": "pot", "occurred_at": ago(days=5)})
    send(api_a, VIEW | {"occurred_at": ago(days=-1.5), "item_id": "tea"}, VIEW | {"user_agent": "Googlebot/2.1"})
    before = trend(tenant_a)
    for _ in range(2):
        assert trending.rebuild(tenant_a) == 4
        assert trend(tenant_a) == close(**before)
    redis.client().delete(trend_key(tenant_a.slug), trending_key(tenant_a.slug))
    trending.rebuild(tenant_a)
    assert trend(tenant_a) == close(**before)
    send(api_a, VIEW | {"item_id": "cup", "type": "click"})
    assert trend(tenant_a) == close(**before | {"cup": 6})


def test_a_shop_without_events_has_no_trend(tenant_a: TenantRef) -> None:
    assert trending.rebuild(tenant_a) == 0
    assert trend(tenant_a) == {}


def test_what_comes_in_during_a_rebuild_counts_once(
    api_a: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the store is read, after it was read, and once the new sums stand."""
    send(api_a, VIEW)
    read = trending._read

    def meanwhile(*asked: Any) -> list[str]:
        send(api_a, VIEW | {"item_id": "before"})
        categories = read(*asked)
        send(api_a, VIEW | {"item_id": "after"})
        return categories

    with monkeypatch.context() as patched:
        patched.setattr(trending, "_read", meanwhile)
        trending.rebuild(tenant_a)
    send(api_a, VIEW | {"item_id": "cup"})
    assert trend(tenant_a) == close(mug=1, before=1, after=1, cup=1)
    assert not trending.is_unsure(tenant_a)


def test_an_event_that_was_under_way_for_long_has_the_rebuild_done_again(
    api_a: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was stored before the rebuild read the store and is moved after: it must not count twice."""
    send(api_a, VIEW)
    received_at = clock.now()
    trending.rebuild(tenant_a)
    redis.client().execute_command(*moving.command(tenant_a, [], received_at, [1.0, "mug"], 0))
    assert trend(tenant_a) == close(mug=1)
    assert trending.is_unsure(tenant_a)
    trending.rebuild(tenant_a)
    assert not trending.is_unsure(tenant_a)


def test_the_landmark_moves_with_the_era_and_the_order_stays(tenant_a: TenantRef) -> None:
    begin = landmark_of(clock.now()) + ERA
    steps = [(begin - HALF_LIFE, 6.0, "a"), (begin - timedelta(seconds=1), 2.0, "b"), (begin + HALF_LIFE, 2.0, "c")]
    steps += [(begin - timedelta(seconds=1), 2.0, "b")]  # a process whose clock is behind
    for at, weight, item in steps:
        added = forward_weight(weight, at, landmark_of(at))
        redis.client().execute_command(*moving.command(tenant_a, [], at, [added, item], 0))
    found = dict(redis.client().zrange(trend_key(tenant_a.slug), 0, -1, withscores=True))
    assert found == pytest.approx({b"a": 3, b"b": 4, b"c": 4}, rel=1e-4)
    assert float(redis.client().hget(trending_key(tenant_a.slug), "landmark") or 0) == begin.timestamp()


def test_the_tail_is_cut_off(tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "TREND_LENGTH", 10)
    interest = [part for n in range(21) for part in (1.0 + n, f"i{n}")]
    redis.client().execute_command(*moving.command(tenant_a, [], clock.now(), interest, 0))
    assert redis.client().zcard(trend_key(tenant_a.slug)) == 10


def test_interest_is_added_up_in_a_batch() -> None:
    now = clock.now()
    rows = [msgspec.json.encode(VIEW), msgspec.json.encode(VIEW | {"type": "click"})]
    batch = ingest.from_rows(rows, ingest.Context(now, "EUR"))
    [added, item] = trending.interest(batch.events)
    assert (item, added) == ("mug", pytest.approx(2 * forward_weight(1, now, landmark_of(now))))


def test_a_landmark_too_far_back_is_an_error() -> None:
    now = clock.now()
    with pytest.raises(OverflowError):
        forward_weight(1, now, now - timedelta(days=3_100))
