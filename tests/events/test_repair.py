"""A step after the commit that is lost is made good from the store, whatever lost it, and nothing counts twice."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from events import moving, repair, tasks, trending
from events.models import Cursor, Event
from events.types import trend_key
from recomengine.lib import clock, redis
from recomengine.lib.redis_mux import RedisMux, RedisUnavailable, ReplyError
from tenants import tenancy
from tenants.types import TenantRef
from tests.api import Api
from tests.events.test_history import LOGIN, all_histories, of_user, of_visitor
from tests.events.test_posting import PURCHASE, VIEW, send
from tests.events.test_trending import close, trend


@contextmanager
def losing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Within the block nothing of what events move reaches Redis, as when the process is killed after the commit."""
    pipeline = RedisMux.pipeline

    async def lose(self: RedisMux, commands: Sequence[tuple[Any, ...]]) -> Any:
        if any(moving.SCRIPT in command for command in commands):
            raise RedisUnavailable("killed")
        return await pipeline(self, commands)

    with monkeypatch.context() as patched:
        patched.setattr(RedisMux, "pipeline", lose)
        yield


@contextmanager
def later(**span: float) -> Iterator[None]:
    with time_machine.travel(clock.now() + timedelta(**span), tick=True):
        yield


def cursor(tenant: TenantRef) -> Any:
    with tenancy.use(tenant):
        return Cursor.objects.get(name=repair.CURSOR).received_until


def counts(tenant: TenantRef) -> tuple[int, int]:
    """Events stored and events moved of the last hours."""
    since, until = clock.now() - timedelta(hours=3), clock.now() + timedelta(hours=3)
    return (
        sum(repair.stored_by_minute(tenant, since, until).values()),
        sum(repair.moved_by_minute(tenant, since, until).values()),
    )


def test_what_was_lost_is_moved_within_a_minute_or_two(
    api_a: Api, api_b: Api, tenant_a: TenantRef, tenant_b: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(api_a, VIEW)
    with losing(monkeypatch):
        send(api_a, VIEW | {"item_id": "pot"}, PURCHASE, LOGIN)
        send(api_b, VIEW)
    assert of_visitor(tenant_a, "v1") == ["vmug"]
    with later(minutes=2):
        tasks.repair_projections()
        assert of_visitor(tenant_a, "v1") == of_user(tenant_a, "u1") == ["pcup", "pmug", "vpot", "vmug"]
        assert trend(tenant_a) == close(mug=6, cup=5, pot=1)
        assert counts(tenant_a) == (4, 4)
        assert of_visitor(tenant_b, "v1") == ["vmug"]
        assert repair.repair(tenant_a) == 0


def test_what_agrees_is_left_alone(api_a: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch) -> None:
    event = VIEW | {"event_id": "6f1f6ac1-9b0d-4b0c-8c5a-111111111111"}
    send(api_a, event, event, PURCHASE, VIEW | {"user_agent": "Googlebot/2.1"}, VIEW | {"type": "impression"})
    send(api_a, event, {"type": "nonsense"})
    assert counts(tenant_a) == (4, 4)  # flagged and other types count as moved, duplicates and rejected ones do not
    monkeypatch.setattr(trending, "rebuild", lambda tenant: pytest.fail("rebuilt"))
    with later(minutes=2):
        assert repair.repair(tenant_a) == 0


def test_a_repair_that_is_repeated_counts_nothing_twice(
    api_a: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    with losing(monkeypatch):
        send(api_a, VIEW, PURCHASE)
    with later(minutes=2):
        assert repair.repair(tenant_a) == 1
        before = all_histories(tenant_a)
        with tenancy.use(tenant_a):
            Cursor.objects.all().delete()
        redis.client().delete(*redis.client().keys(f"{{{tenant_a.slug}}}:moved:*"))
        assert repair.repair(tenant_a) >= 1
        assert all_histories(tenant_a) == before
        assert trend(tenant_a) == close(mug=6, cup=5)


def test_an_event_that_arrives_during_a_repair_is_not_lost(
    api_a: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    with losing(monkeypatch):
        send(api_a, VIEW)
    replay = repair.history.replay

    def interrupted(*args: Any) -> int:
        send(api_a, VIEW | {"item_id": "before"})
        moved = replay(*args)
        send(api_a, VIEW | {"item_id": "after"})
        return moved

    with later(minutes=2):
        monkeypatch.setattr(repair.history, "replay", interrupted)
        assert repair.repair(tenant_a) == 1
        assert of_visitor(tenant_a, "v1") == ["vafter", "vbefore", "vmug"]
        assert trend(tenant_a) == close(mug=1, before=1, after=1)
    with later(minutes=4):
        assert repair.repair(tenant_a) == 0


def test_a_commit_that_took_long_is_noticed_while_minutes_settle(
    api_a: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The minute agreed when it was compared first, and an event of it is stored and lost after that."""
    send(api_a, VIEW)
    received_at = clock.now()
    with later(minutes=2):
        assert repair.repair(tenant_a) == 0
        assert cursor(tenant_a) <= received_at
        with losing(monkeypatch):
            monkeypatch.setattr("events.hot.clock.now", lambda: received_at)
            send(api_a, VIEW | {"item_id": "slow"})
            monkeypatch.undo()
    with later(minutes=2.5):
        assert repair.repair(tenant_a) == 1
        assert "vslow" in of_visitor(tenant_a, "v1")


def test_a_worker_that_was_away_catches_up(api_a: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch) -> None:
    repair.repair(tenant_a)
    for n in range(3):
        with later(minutes=50 * n), losing(monkeypatch):
            send(api_a, VIEW | {"item_id": f"i{n}"})
    with later(hours=3):
        assert repair.repair(tenant_a) == 3
        assert of_visitor(tenant_a, "v1") == ["vi2", "vi1", "vi0"]
        assert clock.now() - cursor(tenant_a) < moving.SETTLED + timedelta(minutes=1)


def test_a_full_redis_loses_nothing_for_good(api_a: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch) -> None:
    """It refuses the whole step, and the answer is still 202; once there is room it is made good."""
    refused = ReplyError("OOM command not allowed when used memory > 'maxmemory'.")

    async def full(self: RedisMux, commands: Sequence[tuple[Any, ...]]) -> Any:
        return [refused] * len(commands)

    send(api_a, VIEW)
    with monkeypatch.context() as patched:
        patched.setattr(RedisMux, "pipeline", full)
        assert send(api_a, VIEW | {"item_id": "pot"})["accepted"] == 1
    assert counts(tenant_a) == (2, 1)
    with later(minutes=2):
        assert repair.repair(tenant_a) == 1
        assert of_visitor(tenant_a, "v1") == ["vpot", "vmug"]


def test_a_step_that_fails_in_its_middle_is_made_good(api_a: Api, tenant_a: TenantRef) -> None:
    """Some of it is moved and not counted; moved again, it counts once."""
    name = moving.moved_key(tenant_a.slug, clock.now().date())
    redis.client().set(name, "not a hash")
    send(api_a, VIEW)
    assert trend(tenant_a) == close(mug=1)
    redis.client().delete(name)
    with later(minutes=2):
        assert repair.repair(tenant_a) == 1
        assert of_visitor(tenant_a, "v1") == ["vmug"]
        assert trend(tenant_a) == close(mug=1)


def test_an_emptied_redis_is_made_good_as_well(api_a: Api, tenant_a: TenantRef) -> None:
    send(api_a, VIEW)
    redis.client().flushdb()
    with later(minutes=2):
        assert repair.repair(tenant_a) == 1
        assert redis.client().zcard(trend_key(tenant_a.slug)) == 1


def test_events_that_were_erased_are_no_loss(api_a: Api, tenant_a: TenantRef) -> None:
    send(api_a, VIEW, VIEW | {"visitor_id": "v2"})
    with tenancy.use(tenant_a):
        Event.objects.filter(visitor_id="v1").delete()
    repair.history.forget(tenant_a.slug, ["v1"], [])
    with later(minutes=2):
        assert repair.repair(tenant_a) == 1
        assert counts(tenant_a) == (1, 1)
        assert of_visitor(tenant_a, "v1") == []
        assert trend(tenant_a) == close(mug=1)


def test_a_redis_that_is_away_moves_no_cursor(api_a: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch) -> None:
    with losing(monkeypatch):
        send(api_a, VIEW)
    with later(minutes=10):
        with monkeypatch.context() as patched:
            patched.setattr(repair, "moved_by_minute", refuse)
            with pytest.raises(ConnectionError):
                repair.repair(tenant_a)
        assert repair.repair(tenant_a) == 1


def refuse(*_: Any) -> Any:
    raise ConnectionError("away")


def test_one_repair_of_a_tenant_at_a_time(api_a: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch) -> None:
    with losing(monkeypatch):
        send(api_a, VIEW)
    with later(minutes=2):
        with repair.held(f"repair:{tenant_a.slug}"):
            assert repair.repair(tenant_a) == 0
        assert repair.repair(tenant_a) == 1
