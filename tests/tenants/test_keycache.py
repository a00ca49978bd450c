"""Keys on the hot path: remembered without SQL, and forgotten in time."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import OperationalError

from recomengine.lib import clock, redis
from recomengine.lib.redis_mux import RedisMux, RedisUnavailable
from tenants import changing, keycache, keys
from tenants.models import ApiKey, Tenant
from tenants.types import KeyType, TenantRef
from tests.api import Api
from tests.conftest import new_key

Lookups = list[str]


@pytest.fixture
def lookups(monkeypatch: pytest.MonkeyPatch) -> Lookups:
    """The ids of the keys that PostgreSQL was asked for, in order."""
    asked: Lookups = []
    find = keys.find

    def recorded(key_id: str, key_type: KeyType) -> Any:
        asked.append(key_id)
        return find(key_id, key_type)

    monkeypatch.setattr(keys, "find", recorded)
    return asked


@pytest.fixture
def fresh(edge: Any) -> Any:
    """The edge as a process that has just started: it remembers nothing."""
    Api(edge, None).get("recommendations")
    return edge


def status(edge: Any, key: str) -> int:
    return Api(edge, key).get("recommendations").status


def a_second_later(edge: Any, key: str) -> int:
    """The status when what the process knows of live states is a second older."""
    edge.age(1.0)
    return status(edge, key)


def test_a_warm_key_costs_no_sql(fresh: Any, tenant_a: TenantRef, lookups: Lookups) -> None:
    key = new_key(tenant_a)
    assert status(fresh, key) == 200
    asked = len(lookups)
    assert 1 <= asked <= 2
    assert [status(fresh, key) for _ in range(20)] == [200] * 20
    assert len(lookups) == asked


def test_guesses_are_remembered_for_a_moment(
    fresh: Any, tenant_a: TenantRef, lookups: Lookups, monkeypatch: pytest.MonkeyPatch
) -> None:
    guess = f"rec_rw_{'0' * 12}_{'0' * 48}"
    monkeypatch.setattr(keycache, "UNKNOWN_REMEMBERED", 3_600.0)  # however slow the machine is
    assert [status(fresh, guess) for _ in range(5)] == [401] * 5
    assert len(lookups) == 1
    monkeypatch.setattr(keycache, "UNKNOWN_REMEMBERED", 0.0)
    assert status(fresh, guess) == 401
    assert len(lookups) == 2


def test_a_wrong_secret_asks_nobody_once_the_key_is_known(fresh: Any, tenant_a: TenantRef, lookups: Lookups) -> None:
    key = new_key(tenant_a)
    status(fresh, key)
    asked = len(lookups)
    assert [status(fresh, key[:-48] + f"{n:048}") for n in range(5)] == [401] * 5
    assert len(lookups) == asked


def test_a_guess_with_another_type_locks_nobody_out(fresh: Any, tenant_a: TenantRef) -> None:
    """The id of a publishable key is public: whoever reads it must not be able to keep its owner out."""
    key = keys.parse(new_key(tenant_a, KeyType.PUBLISHABLE))
    assert key is not None
    assert status(fresh, str(key._replace(key_type=KeyType.READ_WRITE))) == 401
    assert status(fresh, str(key)) == 200
    assert status(fresh, str(key._replace(key_type=KeyType.READ_WRITE))) == 401


def test_a_revocation_is_felt_within_a_second(fresh: Any, tenants: tuple[Tenant, Tenant], tenant_a: TenantRef) -> None:
    key, other = new_key(tenant_a), new_key(tenant_a)
    assert status(fresh, key) == status(fresh, other) == 200
    keys.revoke_key(tenants[0], key.split("_")[2])
    assert a_second_later(fresh, key) == 401
    assert status(fresh, other) == 200


def test_a_suspension_and_its_end_are_felt_within_a_second(
    fresh: Any, tenants: tuple[Tenant, Tenant], tenant_a: TenantRef, tenant_b: TenantRef
) -> None:
    key, other = new_key(tenant_a), new_key(tenant_b)
    assert status(fresh, key) == status(fresh, other) == 200
    changing.suspend_tenant(tenants[0])
    assert a_second_later(fresh, key) == 403
    assert Api(fresh, key).get("recommendations").json["code"] == "tenant_suspended"
    assert status(fresh, other) == 200
    changing.activate_tenant(tenants[0])
    assert a_second_later(fresh, key) == 200


def test_a_revocation_after_a_flush_is_felt_too(
    fresh: Any, tenants: tuple[Tenant, Tenant], tenant_a: TenantRef
) -> None:
    """A flush must not bring a mark back that this process has seen before."""
    key, other = new_key(tenant_a), new_key(tenant_a)
    keys.revoke_key(tenants[0], other.split("_")[2])
    assert status(fresh, key) == 200
    redis.client().flushdb()
    keys.revoke_key(tenants[0], key.split("_")[2])
    assert a_second_later(fresh, key) == 401


def test_a_key_that_expires_while_it_is_warm(fresh: Any, tenant_a: TenantRef, lookups: Lookups) -> None:
    key = new_key(tenant_a)
    ApiKey.objects.update(expires_at=clock.now() + timedelta(minutes=10))
    assert status(fresh, key) == 200
    asked = len(lookups)
    with time_machine.travel(clock.now() + timedelta(minutes=10), tick=True):
        assert status(fresh, key) == 401
    assert len(lookups) == asked


def test_a_key_in_use_is_read_anew_now_and_then(
    fresh: Any, tenant_a: TenantRef, lookups: Lookups, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = new_key(tenant_a)
    status(fresh, key)
    asked = len(lookups)
    assert status(fresh, key) == 200
    assert len(lookups) == asked
    monkeypatch.setattr(keycache, "REMEMBERED", 0.0)
    assert status(fresh, key) == 200
    assert len(lookups) == asked + 1


def test_a_use_that_cannot_be_recorded_fails_no_request(
    fresh: Any, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(keys, "record_use", away)
    assert status(fresh, new_key(tenant_a)) == 200
    fresh.run(fresh.application.edge.keys.close())
    assert "use of a key not recorded" in caplog.text


def test_a_known_key_holds_while_postgresql_is_away(
    fresh: Any, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, unknown = new_key(tenant_a), new_key(tenant_a)
    assert status(fresh, known) == 200
    monkeypatch.setattr(keycache, "REMEMBERED", 0.0)
    monkeypatch.setattr(keys, "find", away)
    assert status(fresh, known) == 200
    answer = Api(fresh, unknown).get("recommendations")
    assert (answer.status, answer.json["code"]) == (503, "store_unavailable")
    assert int(answer.headers["retry-after"]) > 0


def away(*_: Any) -> Callable[..., Any]:
    raise OperationalError("connection refused")


def test_a_known_key_holds_while_redis_is_away(
    fresh: Any, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch, lookups: Lookups
) -> None:
    async def refuse(*_: Any) -> None:
        raise RedisUnavailable("away")

    key = new_key(tenant_a)
    event = {"type": "view", "visitor_id": "v", "item_id": "i"}
    assert Api(fresh, key).post("events", event).status == 202
    asked = len(lookups)
    with monkeypatch.context() as patched:
        patched.setattr(RedisMux, "execute", refuse)
        patched.setattr(RedisMux, "pipeline", refuse)
        patched.setattr("tenants.live.MAX_AGE", 0.0)
        assert [Api(fresh, key).post("events", event).status for _ in range(5)] == [202] * 5
        assert len(lookups) == asked
        assert Api(fresh, new_key(tenant_a)).post("events", event).status == 202  # a key not seen before
    assert Api(fresh, key).post("events", event).status == 202


def test_memory_is_bounded(fresh: Any, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keycache, "MAX_REMEMBERED", 10)
    key = new_key(tenant_a)
    for n in range(35):
        assert status(fresh, f"rec_rw_{n:012}_{'0' * 48}") == 401
    assert status(fresh, key) == 200
    assert len(fresh.application.edge.keys._entries) <= 10
