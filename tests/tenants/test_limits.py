"""Limits on requests: exact under concurrency, per tenant and per key, and no tenant's noise is another's."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import settings as django_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from recomengine.lib import redis
from recomengine.lib.errors import DomainError
from tenants import limits
from tenants.limits import Bucket
from tenants.models import Tenant
from tenants.plans import PLANS, Plan
from tenants.types import Actor, Caller, TenantRef
from tests.api import Answer, Api
from tests.conftest import new_key

SLOW = 1e-6  # requests a second: nothing comes back while a test runs


def caller(tenant: TenantRef, own: int | None = None, name: str = "0123456789ab") -> Caller:
    return Caller(tenant, Actor.KEY, name, "A key", frozenset(), requests_per_second=own)


def taken(buckets: list[Bucket], wanted: int, burst: int) -> list[int]:
    answer: list[int] = redis.client().execute_command(*limits.command(buckets, wanted, burst))
    return answer


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of limits stands still, so that nothing comes back while a test runs, however slow the machine is."""
    script = limits.SCRIPT.replace("redis.call('TIME')", "{1800000000, 0}")
    script = script.replace("'PX', math.ceil((after - now) / 1000) + 1", "'PX', 3600000")
    assert script.count("{1800000000, 0}") == script.count("3600000") == 1
    monkeypatch.setattr(limits, "SCRIPT", script)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, tenants: tuple[Tenant, Tenant], still: None) -> None:
    """Shop A's plan holds five requests a second, ten at once."""
    plans = {**PLANS, "trial": Plan("trial", "Trial", 100, 5)}
    monkeypatch.setattr(limits, "PLANS", plans)
    tenants[0].__class__.objects.filter(slug="shop-a").update(plan="trial")


def test_a_bucket_gives_what_it_holds_and_no_more(tenants: Any) -> None:
    bucket = [Bucket("bucket", SLOW, "")]
    assert [taken(bucket, 3, 10_000_000)[0] for _ in range(5)] == [3, 3, 3, 1, 0]


def test_what_is_taken_comes_back_in_time(tenants: Any) -> None:
    bucket, began = [Bucket("bucket", 1, "")], time.monotonic()
    assert taken(bucket, 200, 100)[0] == 100
    granted, short, wait = taken(bucket, 1, 100)
    passed = time.monotonic() - began
    assert (granted, short) == (0, 1) or passed >= 1
    assert 0 < wait <= 1_000_000 or granted
    time.sleep(2)
    back = taken(bucket, 200, 100)[0] + granted
    assert 2 <= back <= time.monotonic() - began


def test_two_buckets_give_together_or_not_at_all(tenants: Any) -> None:
    wide, narrow = Bucket("wide", SLOW, ""), Bucket("narrow", SLOW / 5, "")
    assert taken([wide, narrow], 9, 10_000_000)[0] == 2
    assert taken([wide, narrow], 1, 10_000_000)[:2] == [0, 2]
    assert taken([wide], 99, 10_000_000)[0] == 8


@settings(max_examples=25, deadline=None)
@given(wants=st.lists(st.integers(1, 7), min_size=1, max_size=40), held=st.integers(1, 60))
def test_many_at_once_get_exactly_what_there_is(tenants: Any, wants: list[int], held: int) -> None:
    redis.client().delete("of many")
    bucket = [Bucket("of many", held * SLOW, "")]
    with ThreadPoolExecutor(8) as pool:
        granted = [answer[0] for answer in pool.map(lambda wanted: taken(bucket, wanted, 1_000_000), wants)]
    assert sum(granted) == min(held, sum(wants))
    assert all(0 <= given <= wanted for given, wanted in zip(granted, wants, strict=True))


def test_a_full_bucket_takes_no_room(tenants: Any) -> None:
    taken([Bucket("bucket", 1000, "")], 1, 2)
    time.sleep(0.05)
    assert not redis.client().exists("bucket")


def refusals(api: Api, path: str, n: int = 20) -> list[Answer]:
    return [answer for answer in (api.get(path) for _ in range(n)) if answer.status != 200]


@pytest.mark.parametrize("path", ["recommendations", "strategies"])
def test_a_tenant_over_its_limit_is_told_when_to_come_back(api_a: Api, api_b: Api, tiny: None, path: str) -> None:
    refused = refusals(api_a, path)
    assert len(refused) == 10
    assert {(answer.status, answer.json["code"]) for answer in refused} == {(429, "throttled")}
    headers = refused[0].headers
    assert (headers["ratelimit-limit"], headers["ratelimit-remaining"], headers["retry-after"]) == ("5", "0", "1")
    assert headers["ratelimit-reset"] == "1"
    assert "5 requests a second" in refused[0].json["detail"]
    assert refusals(api_b, path) == []


@pytest.mark.parametrize("path", ["recommendations", "strategies"])
@pytest.mark.usefixtures("still")
def test_a_key_has_its_own_limit_beside_the_tenants(edge: Any, api_a: Api, tenant_a: TenantRef, path: str) -> None:
    bounded = Api(edge, new_key(tenant_a, requests_per_second=3))
    refused = refusals(bounded, path)
    assert refused[0].headers["ratelimit-limit"] == "3"
    assert "This key" in refused[0].json["detail"]
    assert refusals(api_a, path) == []


def test_the_edge_and_django_count_into_one_bucket(api_a: Api, tiny: None) -> None:
    refusals(api_a, "recommendations")
    assert len(refusals(api_a, "strategies", 5)) == 5


def test_all_processes_together_keep_to_the_limit(tenant_a: TenantRef, edge: Any, tiny: None) -> None:
    """Each process leases from the same buckets, so that several give no more than one."""
    plan = caller(TenantRef(**{**{f: getattr(tenant_a, f) for f in tenant_a.__dataclass_fields__}, "plan": "trial"}))
    processes = [limits.Leases(edge_mux(edge)) for _ in range(4)]

    def take(n: int) -> bool:
        try:
            edge.run(processes[n % 4].take(plan))
        except DomainError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        passed = sum(pool.map(take, range(200)))
    assert 6 <= passed <= 10


def edge_mux(edge: Any) -> Any:
    Api(edge, None).get("recommendations")  # begins the edge
    return edge.application.edge.mux


def test_nobody_is_refused_while_redis_is_away(api_a: Api, tiny: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(django_settings, "REDIS_URL", "unix:///nowhere")
        patched.setattr(limits.redis, "client", redis.client.__wrapped__)
        assert refusals(api_a, "strategies") == []


def test_a_plan_without_limits_asks_nobody(tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch) -> None:
    free = caller(TenantRef(tenant_a.slug, tenant_a.schema, "A", "EUR", plan="enterprise"))
    assert limits.buckets(free) == []
    with monkeypatch.context() as patched:
        patched.setattr(limits.redis, "client", lambda: pytest.fail("Redis was asked"))
        limits.take(free)


def test_ipv6_neighbours_share_a_limit_and_others_do_not(tenants: Any, settings: Any) -> None:
    settings.SIGN_UPS_PER_HOUR = 1
    limits.take_sign_up("2001:db8::1")
    limits.take_sign_up("2001:db8:0:1::1")
    limits.take_sign_up("192.0.2.1")
    limits.take_sign_up("192.0.2.2")
    with pytest.raises(DomainError, match="At most 1 account"):
        limits.take_sign_up("2001:db8::2")
