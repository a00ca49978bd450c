"""A shop's own strategies: kept by the API, audited, and live everywhere within a second."""

from typing import Any

import pytest

from recomengine.lib import redis
from recommendations import custom_strategies, restoring
from tenants.models import AuditEntry
from tenants.types import TenantRef
from tests.api import Api
from tests.events.test_posting import send
from tests.recommendations.conftest import ids, notice, slate

PARTS = [
    {"strategy": "popular", "weight": 3.0, "parameters": {}},
    {"strategy": "session", "weight": 1.0, "parameters": {"repeats": True, "max_anchors": 5, "decay": 2.5}},
]
MINE = {"key": "mine", "name": "Mine", "parts": PARTS}


def test_created_listed_read_changed_and_removed(api_a: Api, api_b: Api) -> None:
    created = api_a.post("strategies", MINE)
    assert created.status == 201, created.body
    assert {name: created.json[name] for name in MINE} == MINE
    assert api_a.get("strategies/mine").json == created.json
    last = api_a.get("strategies").json["results"][-1]
    assert (last["key"], last["name"], last["built_in"], last["needs_model"]) == ("mine", "Mine", False, True)
    assert last["starts_from"] == ["none", "session"]
    assert last["reasons"] == ["popular", "viewed_together", "similar_content", "comes_back"]
    assert "mine" not in {each["key"] for each in api_b.get("strategies").json["results"]}
    changed = api_a.call("PATCH", "strategies/mine", data={"name": "Ours", "key": "ours"})
    assert (changed.status, changed.json["name"], changed.json["parts"]) == (200, "Ours", PARTS)
    assert api_a.get("strategies/mine").status == 404
    assert api_a.call("DELETE", "strategies/ours").status == 204
    told = AuditEntry.objects.filter(action__startswith="strategy.").order_by("-id")[:3]
    assert [(each.action, each.object_id) for each in reversed(told)] == [
        ("strategy.created", "mine"),
        ("strategy.edited", "ours"),
        ("strategy.deleted", "ours"),
    ]


def test_it_is_served_in_requests_and_placements_and_its_change_as_well(shop: Api, tenant_a: TenantRef) -> None:
    assert shop.get("recommendations", {"strategy": "mine"}).json["code"] == "unknown_strategy"
    parts = [{"strategy": "popular"}]
    assert shop.post("strategies", {"key": "mine", "name": "Mine", "parts": parts}).status == 201
    placement = {"key": "here", "name": "Here", "cascade": ["mine", "trending"], "limit": 3}
    assert shop.post("placements", placement).status == 201
    notice(shop)
    answer = slate(shop, placement="here")
    assert ids(answer) == ["tea", "mug", "cup"]
    assert {(item["source"], item["reason"]["code"]) for item in answer["items"]} == {("mine", "popular")}
    shop.call("PATCH", "strategies/mine", data={"parts": [{"strategy": "trending"}]})
    notice(shop)
    assert ids(slate(shop, strategy="mine", limit=1)) == ["bulb"]
    redis.client().flushdb()
    restoring.restore(tenant_a)
    notice(shop)
    assert ids(slate(shop, placement="here", limit=1)) == ["bulb"]


def test_what_a_placement_names_stays(api_a: Api) -> None:
    api_a.post("strategies", MINE)
    api_a.post("placements", {"key": "here", "name": "Here", "cascade": ["mine"]})
    for refused in (
        api_a.call("DELETE", "strategies/mine"),
        api_a.call("PATCH", "strategies/mine", data={"key": "other"}),
    ):
        assert (refused.status, refused.json["code"]) == (409, "in_use")
        assert "here" in refused.json["detail"]
    api_a.call("DELETE", "placements/here")
    assert api_a.call("DELETE", "strategies/mine").status == 204


def test_a_visit_may_come_back_where_the_blend_lets_it(shop: Api) -> None:
    """The tiny shop's visits never return, so what was seen stays away, as does the item at hand."""
    shop.post("strategies", MINE)
    notice(shop)
    asked = slate(shop, strategy="mine", item_id="mug", session_items=["lamp"])
    assert "mug" not in ids(asked)
    send(shop, {"type": "view", "visitor_id": "new", "item_id": "mug"})
    assert slate(shop, strategy="mine", visitor_id="new")["items"]


@pytest.mark.parametrize(
    ("change", "status", "code", "pointer"),
    [
        ({"key": "popular"}, 409, "conflict", None),
        ({"key": "Upper"}, 400, "invalid", "/key"),
        ({"key": "k" * 65}, 400, "invalid", "/key"),
        ({"name": ""}, 400, "invalid", "/name"),
        ({"parts": []}, 400, "invalid", "/parts"),
        ({"parts": PARTS * 5}, 400, "invalid", "/parts"),
        ({"parts": [{"strategy": "mine"}]}, 400, "unknown_strategy", "/parts/0/strategy"),
        ({"parts": [{"strategy": "popular", "weight": 0}]}, 400, "invalid", "/parts/0/weight"),
        ({"parts": [{"strategy": "popular", "weight": 1001}]}, 400, "invalid", "/parts/0/weight"),
        ({"parts": [{"strategy": "popular", "heaviness": 1}]}, 400, "invalid", "/parts/0/heaviness"),
        ({"parts": [{"strategy": "popular", "parameters": {"decay": 1}}]}, 400, "invalid", "/parts/0/parameters"),
        ({"parts": [{"strategy": "session", "parameters": {"repeats": 1}}]}, 400, "invalid", "/parts/0/parameters"),
        ({"headline": "x"}, 400, "invalid", "/headline"),
    ],
)
def test_what_makes_no_strategy(api_a: Api, change: Any, status: int, code: str, pointer: str | None) -> None:
    entries = AuditEntry.objects.count()
    refused = api_a.post("strategies", MINE | change)
    assert (refused.status, refused.json["code"]) == (status, code), refused.body
    if pointer:
        assert [error["pointer"] for error in refused.json["errors"]] == [pointer]
    assert AuditEntry.objects.count() == entries


def test_a_key_is_taken_once_and_there_are_so_many(api_a: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    assert api_a.post("strategies", MINE).status == 201
    assert api_a.post("strategies", MINE).json["code"] == "conflict"
    monkeypatch.setattr(custom_strategies, "MAX_STRATEGIES", 1)
    assert api_a.post("strategies", MINE | {"key": "second"}).json["code"] == "conflict"


def test_built_in_ones_are_as_they_are(api_a: Api) -> None:
    for method in ("PATCH", "DELETE"):
        assert api_a.call(method, "strategies/popular", data={"name": "x"}).status == 404
