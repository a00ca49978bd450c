"""Events a month: counted as they are accepted, warned of, stopped, kept, and brought back."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.core import mail
from hypothesis import given
from hypothesis import strategies as st

from recomengine.lib import clock, redis
from tenants import live, quotas, tasks
from tenants.models import Membership, Tenant, Usage, User
from tenants.plans import PLANS, Plan
from tenants.types import TenantRef
from tests.api import Answer, Api


@pytest.fixture
def ten(monkeypatch: pytest.MonkeyPatch, tenants: tuple[Tenant, Tenant]) -> Tenant:
    """Shop A, whose plan holds ten events a month."""
    monkeypatch.setattr(quotas, "PLANS", {**PLANS, "trial": Plan("trial", "Trial", 10, None)})
    Tenant.objects.filter(slug="shop-a").update(plan="trial")
    owner = User.objects.create_user("owner@example.com")
    Membership.objects.create(user=owner, tenant=tenants[0], role="owner")
    return Tenant.objects.get(slug="shop-a")


def views(n: int) -> dict[str, Any]:
    return {
        "events": [{"event_id": str(uuid4()), "type": "view", "visitor_id": f"v{i}", "item_id": "i"} for i in range(n)]
    }


def send(api: Api, n: int) -> Answer:
    """Send events after the process looked at the live state again, as it does within half a second."""
    if api.edge.application.edge is not None:
        api.edge.application.edge.states._states.clear()
    return api.post("events/batch", views(n))


def events_of(slug: str) -> int:
    return int(redis.client().hget(live.live_key(slug), live.events_field(clock.now())) or 0)


def test_accepted_events_are_counted_and_others_are_not(api_a: Api, api_b: Api) -> None:
    event = views(1)["events"][0] | {"event_id": "11111111-1111-4111-8111-111111111111"}
    assert api_a.post("events/batch", {"events": [event, event, {"type": "nothing"}]}).json["accepted"] == 1
    api_a.post("events", event)
    assert (events_of("shop-a"), events_of("shop-b")) == (1, 0)


def test_events_stop_when_they_are_used_up_and_recommendations_go_on(api_a: Api, api_b: Api, ten: Tenant) -> None:
    assert [send(api_a, 4).status for _ in range(3)] == [202, 202, 202]  # a batch that is begun is taken whole
    answer = send(api_a, 1)
    assert (answer.status, answer.json["code"]) == (429, "quota_exceeded")
    left = (quotas.next_month(clock.now()) - clock.now()).total_seconds()
    assert abs(int(answer.headers["retry-after"]) - left) < 5
    assert (answer.headers["ratelimit-limit"], answer.headers["ratelimit-remaining"]) == ("10", "0")
    api_a.edge.application.edge.states._states.clear()
    assert api_a.post("events", views(1)["events"][0]).status == 429
    assert api_a.get("recommendations").status == 200
    assert len(api_a.get("events").json["results"]) == 12
    assert send(api_b, 50).status == 202


def test_a_larger_plan_opens_at_once(api_a: Api, ten: Tenant) -> None:
    send(api_a, 10)
    assert send(api_a, 1).status == 429
    Tenant.objects.update(plan="enterprise")
    live.changed("shop-a", "auth")
    assert send(api_a, 1).status == 202


def test_owners_are_told_once_at_each_level(ten: Tenant) -> None:
    for count, told in ((7, 0), (8, 1), (9, 1), (10, 2), (12, 2)):
        redis.client().hset(live.live_key("shop-a"), live.events_field(clock.now()), count)
        tasks.keep_usage()
        assert len(mail.outbox) == told, count
    assert [message.to for message in mail.outbox] == [["owner@example.com"]] * 2
    assert "running out" in mail.outbox[0].subject
    assert "used up" in mail.outbox[1].subject
    assert "8 of the 10 events" in mail.outbox[0].body


def test_the_count_is_kept_and_comes_back_after_a_flush(api_a: Api, ten: Tenant) -> None:
    send(api_a, 6)
    tasks.keep_usage()
    send(api_a, 1)
    assert Usage.objects.get(tenant=ten).events == 6
    redis.client().flushdb()
    send(api_a, 2)
    tasks.keep_usage()
    assert events_of("shop-a") == 8  # six kept and two since; the one in between is given away
    tasks.keep_usage()
    assert Usage.objects.get(tenant=ten).events == events_of("shop-a") == 8


def test_a_month_that_ends_is_kept_and_the_next_begins_at_nothing(ten: Tenant) -> None:
    with time_machine.travel(datetime(2026, 12, 31, 23, 59, tzinfo=UTC), tick=False):
        redis.client().hset(live.live_key("shop-a"), live.events_field(clock.now()), 9)
    with time_machine.travel(datetime(2027, 1, 1, 0, 3, tzinfo=UTC), tick=False):
        tasks.keep_usage()
        assert quotas.use(ten.ref).events == 0
        assert quotas.next_month(clock.now()) == datetime(2027, 2, 1, tzinfo=UTC)
    kept = dict(Usage.objects.filter(tenant=ten).values_list("month", "events"))
    assert kept == {date(2026, 12, 1): 9, date(2027, 1, 1): 0}
    assert not redis.client().hexists(live.live_key("shop-a"), "events:2026-12")


def test_use_is_told_with_its_warning(ten: Tenant, tenant_b: TenantRef) -> None:
    for count, warning in ((7, False), (8, True), (11, True)):
        redis.client().hset(live.live_key("shop-a"), live.events_field(clock.now()), count)
        assert quotas.use(ten.ref) == quotas.Use(count, 10, None, warning)
    assert quotas.use(tenant_b).warning is False


@given(st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))
def test_a_month_holds_its_moments(moment: datetime) -> None:
    first = datetime.combine(quotas.month_of(moment), datetime.min.time(), UTC)
    assert first <= moment < quotas.next_month(moment)
    assert (quotas.next_month(moment) - first).days in {28, 29, 30, 31}


def test_the_stop_is_felt_within_a_second(api_a: Api, ten: Tenant) -> None:
    send(api_a, 10)
    api_a.edge.age(1.0)
    assert api_a.post("events", views(1)["events"][0]).status == 429
