"""The data-quality report: faults of items, and items that only events know."""

from datetime import timedelta
from typing import Any

from analytics import tasks, unknown_items
from recomengine.lib import clock
from tenants.types import TenantRef
from tests.api import Api

WHOLE = {
    "title": "Mug", "image_url": "https://img.example/m.jpg", "url": "https://shop.example/m", "price": "9.95",
    "categories": ["Home"], "brand": "Acme",
}  # fmt: skip


def put(api: Api, item_id: str, **fields: Any) -> None:
    assert api.call("PUT", f"catalog/items/{item_id}", data=WHOLE | {"title": item_id} | fields).status in {200, 201}


def counts(api: Api) -> dict[str, int]:
    return {issue["code"]: issue["count"] for issue in api.get("catalog/quality").json["issues"] if issue["count"]}


def listed(api: Api, code: str) -> list[str]:
    return [row["item_id"] for row in api.get(f"catalog/quality/{code}").json["results"]]


def see(api: Api, item_id: str, times: int = 1, days: float = 0, **fields: Any) -> None:
    at = (clock.now() - timedelta(days=days)).isoformat()
    view = {"type": "view", "visitor_id": "v1", "item_id": item_id, "occurred_at": at}
    assert api.post("events/batch", {"events": [view | fields] * times}).json["accepted"] == times


def test_an_item_that_lacks_nothing_has_no_issue(api_a: Api) -> None:
    put(api_a, "mug", sale_price="5.00")
    assert counts(api_a) == {}
    assert api_a.get("catalog/quality").json["items"] == 1


def test_each_fault_is_counted_and_listed(api_a: Api) -> None:
    put(api_a, "whole")
    faults: dict[str, dict[str, Any]] = {
        "missing_image": {"image_url": ""},
        "missing_price": {"price": None},
        "missing_category": {"categories": []},
        "missing_url": {"url": ""},
        "currency_mismatch": {"currency": "CHF"},
        "sale_not_lower": {"sale_price": "9.95"},
    }
    for code, fields in faults.items():
        put(api_a, f"of-{code}", **fields)
    assert counts(api_a) == dict.fromkeys(faults, 1)
    for code in faults:
        assert listed(api_a, code) == [f"of-{code}"]
    [image] = [each for each in api_a.get("catalog/quality").json["issues"] if each["code"] == "missing_image"]
    assert image["share"] == round(1 / 7, 4)


def test_duplicates_are_those_that_are_no_variants_of_each_other(api_a: Api) -> None:
    put(api_a, "a", title="Blue Mug")
    put(api_a, "b", title="blue mug", brand="ACME")
    put(api_a, "c", title="Blue mug", brand="Other")
    put(api_a, "d", title="Cup", group_id="cup")
    put(api_a, "e", title="Cup", group_id="cup")
    put(api_a, "f", title="Pot", group_id="pot")
    put(api_a, "pot", title="Pot")
    assert sorted(listed(api_a, "duplicate")) == ["a", "b", "f", "pot"]
    assert counts(api_a) == {"duplicate": 4}


def test_lists_page_and_unknown_issues_are_not_found(api_a: Api) -> None:
    for n in range(3):
        put(api_a, f"i{n}", image_url="")
    page = api_a.get("catalog/quality/missing_image", {"limit": 2}).json
    rest = api_a.get("catalog/quality/missing_image", page["next"].split("?", 1)[1]).json
    assert [row["item_id"] for row in page["results"] + rest["results"]] == ["i2", "i1", "i0"]
    answer = api_a.get("catalog/quality/ugly")
    assert (answer.status, answer.json["code"]) == (404, "not_found")


def test_items_that_only_events_know_are_found(api_a: Api, api_b: Api, tenant_a: TenantRef) -> None:
    put(api_a, "mug")
    put(api_b, "lost")
    see(api_a, "mug", 2)
    see(api_a, "lost", 3)
    see(api_a, "older", days=20)
    see(api_a, "too-old", days=29)
    order = {"type": "purchase", "visitor_id": "v1", "order_id": "o1", "items": [{"item_id": "lost", "price": 1}] * 2}
    assert api_a.post("events", order).json["accepted"] == 1
    assert api_a.get("catalog/quality").json["unknown_items"] is None
    tasks.check_quality("shop-a")
    found = api_a.get("catalog/quality").json["unknown_items"]
    assert (found["count"], found["events"]) == (2, 5)
    rows = {row["item_id"]: row["events"] for row in api_a.get("catalog/quality/unknown_item").json["results"]}
    assert rows == {"lost": 4, "older": 1}
    assert api_b.get("catalog/quality/unknown_item").json["results"] == []


def test_an_item_that_was_added_since_is_gone_with_the_next_check(api_a: Api, tenant_a: TenantRef) -> None:
    see(api_a, "lost")
    unknown_items.check(tenant_a)
    put(api_a, "lost")
    tasks.check_quality_everywhere()
    assert api_a.get("catalog/quality").json["unknown_items"]["count"] == 0
    assert api_a.get("catalog/quality/unknown_item").json["results"] == []


def test_every_one_of_many_items_is_looked_at(api_a: Api, tenant_a: TenantRef, monkeypatch: Any) -> None:
    monkeypatch.setattr("events.activity._AT_ONCE", 7)
    names = [f"i{n}" for n in range(40)]
    for day in (0, 40):  # of two months
        views = [
            {
                "type": "view",
                "visitor_id": "v",
                "item_id": name,
                "occurred_at": (clock.now() - timedelta(days=day)).isoformat(),
            }
            for name in names
        ]
        assert api_a.post("events/batch", {"events": views}).json["accepted"] == 40
    api_a.post("catalog/items/batch", {"items": [{"item_id": name, "title": name} for name in names[::2]]})
    unknown_items.check(tenant_a)
    rows = api_a.get("catalog/quality/unknown_item").json["results"]
    assert sorted(row["item_id"] for row in rows) == sorted(names[1::2])
    assert {row["events"] for row in rows} == {1}
