"""The health of the events: what became of them day by day, and what is found when they are judged."""

from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest

from analytics import event_health, tasks
from analytics.findings import KINDS, Measured, judge
from events import partitions, soundness, tallies
from events import tasks as events_tasks
from events.soundness import Counts, Example, Several
from recomengine.lib import clock, redis
from recomengine.lib.postgres import connect
from tenants import tenancy
from tenants.types import TenantRef
from tests.api import Api

VIEW = {"type": "view", "visitor_id": "v1", "item_id": "mug", "session_id": "s1"}
PURCHASE = {"type": "purchase", "visitor_id": "v1", "session_id": "s1", "items": [{"item_id": "mug", "price": "2"}]}
NOW = clock.now()


def post(api: Api, *events: dict[str, Any]) -> Any:
    return api.post("events/batch", {"events": list(events)}).json


def found(api: Api, tenant: TenantRef) -> dict[str, Any]:
    """The findings of a check now that are not fine, by their code."""
    event_health.check(tenant)
    findings = api.get("events/health").json["findings"]
    assert {each["code"] for each in findings} == set(KINDS)
    return {each["code"]: each for each in findings if each["severity"] != "fine"}


def judged(**counted: Any) -> dict[str, str]:
    """The severities that are not fine, given counts."""
    measured = Measured(since=NOW - timedelta(days=7), until=NOW, **({"last_at": NOW} | counted))
    return {each.code: each.severity for each in judge(measured) if each.severity != "fine"}


def test_what_became_of_events_is_counted_by_day(api_a: Api, api_b: Api) -> None:
    post(api_a, VIEW, VIEW | {"type": "wish"}, VIEW | {"visitor_id": None}, PURCHASE | {"order_id": "o1"})
    post(api_a, VIEW)  # the same content again
    post(api_a, VIEW | {"user_agent": "Googlebot/2.1 (+http://www.google.com/bot.html)"})
    api_a.post("events/batch", b"{")
    report = api_a.get("events/health", {"days": 2}).json
    assert report["total"] == {
        "accepted": 3, "duplicates": 1, "content_duplicates": 1, "notes": {"missing_currency": 1},
        "rejected": {"missing_visitor": 1, "unknown_type": 1}, "flagged": {"crawler": 1},
        "refused_requests": {"malformed_json": 1},
    }  # fmt: skip
    assert [day["accepted"] for day in report["days"]] == [0, 3]
    assert report["days"][1]["day"] == f"{clock.now():%Y-%m-%d}"
    assert (report["findings"], report["checked_at"]) == ([], None)
    assert api_b.get("events/health").json["total"]["accepted"] == 0
    for days in ("0", "91", "x", ""):
        assert api_a.get("events/health", {"days": days}).json["code"] == "invalid"
    assert api_a.get("events/health", {"day": 1}).json["code"] == "unknown_parameter"


def test_counts_are_kept_and_come_back_after_redis_lost_them(api_a: Api, tenant_a: TenantRef) -> None:
    def accepted() -> int:
        count: int = api_a.get("events/health").json["total"]["accepted"]
        return count

    post(api_a, VIEW, VIEW | {"item_id": "cup"})
    events_tasks.keep_tallies()
    redis.client().flushdb()
    assert accepted() == 2
    post(api_a, *[VIEW | {"item_id": f"i{n}"} for n in range(5)])  # more than were kept
    events_tasks.keep_tallies()
    assert accepted() == 7
    events_tasks.keep_tallies()
    post(api_a, VIEW | {"item_id": "pot"})
    assert accepted() == 8
    redis.client().flushdb()
    tallies.keep(tenant_a)
    post(api_a, VIEW | {"item_id": "tray"})
    assert accepted() == 8  # one was not kept yet when Redis lost it


def test_sound_events_are_found_fine(api_a: Api, tenant_a: TenantRef) -> None:
    api_a.call("PUT", "catalog/items/mug", data={"title": "Mug"})
    slate = {"recommendation_id": "r1"}
    post(
        api_a, VIEW, VIEW | {"type": "click"} | slate, VIEW | {"type": "impression"},
        VIEW | {"type": "add_to_cart", "price": "2"}, PURCHASE | {"order_id": "o1", "currency": "EUR"},
    )  # fmt: skip
    assert found(api_a, tenant_a) == {}


def test_each_fault_is_found(api_a: Api, api_b: Api, tenant_a: TenantRef, tenant_b: TenantRef) -> None:
    late, early = (clock.now() - timedelta(days=2)).isoformat(), (clock.now() + timedelta(hours=3)).isoformat()
    post(api_b, VIEW | {"item_id": "of-b"})
    post(
        api_a, VIEW | {"occurred_at": late}, VIEW | {"occurred_at": early}, VIEW | {"session_id": None},
        VIEW | {"type": "click"}, VIEW | {"type": "add_to_cart"}, VIEW | {"type": "wish"},
        PURCHASE | {"order_id": "o1"}, PURCHASE | {"order_id": "o1", "visitor_id": "v2"}, PURCHASE | {"order_id": "o2"},
        *[VIEW | {"visitor_id": "all", "user_id": f"u{n}"} for n in range(6)],
    )  # fmt: skip
    api_a.post("events/batch", {"events": 1})
    faults = found(api_a, tenant_a)
    assert set(faults) == {
        "sent_late", "from_future", "missing_session", "missing_recommendation", "missing_price", "rejected", "refused",
        "duplicate_order", "missing_currency", "shared_visitor", "unknown_item", "missing_type",
    }  # fmt: skip
    assert faults["duplicate_order"]["examples"] == ["o1 (2)"]
    assert (faults["duplicate_order"]["severity"], faults["duplicate_order"]["share"]) == ("warning", 0.5)
    assert (faults["shared_visitor"]["examples"], faults["shared_visitor"]["count"]) == (["all"], 6)
    assert faults["rejected"]["examples"] == ["unknown_type (1)"]
    assert (faults["unknown_item"]["examples"], faults["unknown_item"]["share"]) == (["mug"], 1.0)
    assert faults["missing_type"]["examples"] == ["impression"]
    assert (faults["from_future"]["count"], faults["sent_late"]["count"]) == (1, 1)
    assert faults["missing_price"]["advice"]
    tasks.check_quality_everywhere()
    assert "of-b" in str(api_b.get("events/health").json["findings"])
    assert "of-b" not in str(api_a.get("events/health").json["findings"])


def test_bots_are_counted_as_such_and_nowhere_else(api_a: Api, tenant_a: TenantRef) -> None:
    bot = {"user_agent": "Googlebot/2.1 (+http://www.google.com/bot.html)", "session_id": None}
    post(api_a, *[VIEW | bot | {"visitor_id": "all", "user_id": f"u{n}"} for n in range(6)])
    faults = found(api_a, tenant_a)
    assert (faults["bots"]["count"], faults["bots"]["severity"]) == (6, "warning")
    assert not {"shared_visitor", "missing_session"} & set(faults)


@pytest.mark.parametrize(
    ("counted", "code", "severity"),
    [
        ({"last_at": None}, "silence", "warning"),
        ({"last_at": NOW - timedelta(hours=7)}, "silence", "note"),
        ({"last_at": NOW - timedelta(hours=25)}, "silence", "severe"),
        ({"types": {"view": 5, "add_to_cart": 120}}, "no_purchases", "severe"),
        ({"types": {"view": 5, "add_to_cart": 20}}, "no_purchases", "note"),
        ({"tallies": Counter({"accepted": 85, "rejected:unknown_type": 15})}, "rejected", "severe"),
        ({"tallies": Counter({"accepted": 995, "rejected:unknown_type": 5})}, "rejected", "note"),
        ({"tallies": Counter({"accepted": 80, "duplicate": 20})}, "repeated", "warning"),
        ({"counts": Counts(events=100, flagged=10)}, "bots", "note"),
        ({"counts": Counts(events=100), "crowds": Several(1, 2, [Example("x", 2)])}, "shared_visitor", "warning"),
        ({"counts": Counts(events=100), "unknown": Several(1, 40, [Example("x", 40)])}, "unknown_item", "severe"),
    ],
)
def test_how_bad_a_finding_is(counted: dict[str, Any], code: str, severity: str) -> None:
    assert judged(**counted)[code] == severity


def test_who_did_not_consent_is_no_fault_of_the_sender() -> None:
    assert judged(tallies=Counter({"accepted": 10, "rejected:no_consent": 90})) == {}


def test_a_shop_with_many_events_is_judged_by_fewer_days() -> None:
    days = {NOW.date() - timedelta(days=n): Counter({"accepted": 1_000_000}) for n in range(7)}
    assert event_health._window(days) == 3
    assert event_health._window({day: Counter({"accepted": 10**8}) for day in days}) == 1
    assert event_health._window({day: Counter() for day in days}) == 7


def test_judging_reads_the_partitions_of_its_days_and_no_others(tenant_a: TenantRef) -> None:
    moment = clock.now()
    with connect() as connection:
        partitions.ensure(connection, tenant_a.schema, {date(2020, 1, 1), partitions.month_of(moment)})
    with tenancy.use(tenant_a):
        plan = soundness._between(moment - timedelta(days=7), moment + timedelta(days=2)).explain()
    assert "events_event_2020_01" not in plan
    assert f"events_event_{moment:%Y_%m}" in plan
