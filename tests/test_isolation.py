"""Every address of the API: shut without a key, shut to keys without the scope, and empty of other shops' things.

An address that is not in `TABLE` fails the walk: place it there with what it takes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from recommendations import training
from tenants import changing
from tenants.models import Tenant
from tenants.types import SCOPES, KeyType, Scope, TenantRef
from tests.api import Answer, Api
from tests.conftest import new_key

MARK = "only-in-shop-a"  # in everything of shop A that another shop might see
EVENT = {"type": "view", "visitor_id": MARK, "item_id": MARK}
ITEM = {"title": f"Title {MARK}"}
PLACEMENT = {"name": f"Name {MARK}", "cascade": ["popular"]}


@dataclass(frozen=True)
class Call:
    """One method of an address: its scope, what is sent, and what another shop's key gets of shop A's thing."""

    method: str
    path: str
    scope: Scope
    body: Any = b""
    params: dict[str, Any] = field(default_factory=dict)
    others: int = 404

    def by(self, api: Api) -> Answer:
        return api.call(self.method, self.path, data=self.body, params=self.params)


READ, WRITE, TRACK, RECOMMEND = Scope.READ, Scope.WRITE, Scope.TRACK, Scope.RECOMMEND
TABLE: dict[str, list[Call]] = {
    "catalog/items": [
        Call("GET", "catalog/items", READ, others=200),
        Call("POST", "catalog/items", WRITE, ITEM | {"item_id": "new"}, others=201),
    ],
    "catalog/items/batch": [
        Call("POST", "catalog/items/batch", WRITE, {"items": [{"item_id": MARK, "title": "x"}]}, others=200),
    ],
    "catalog/items/<path:item_id>": [
        Call("GET", f"catalog/items/{MARK}", READ),
        Call("PUT", f"catalog/items/{MARK}", WRITE, {"title": "of another shop"}, others=201),
        Call("PATCH", f"catalog/items/{MARK}", WRITE, {"title": "changed"}),
        Call("DELETE", f"catalog/items/{MARK}", WRITE),
    ],
    "events": [
        Call("GET", "events", READ, params={"visitor_id": MARK}, others=200),
        Call("POST", "events", TRACK, EVENT, others=202),
    ],
    "events/batch": [Call("POST", "events/batch", TRACK, {"events": [EVENT]}, others=202)],
    "recommendations": [
        Call("GET", "recommendations", RECOMMEND, params={"visitor_id": MARK, "item_id": MARK}, others=200),
        Call("POST", "recommendations", RECOMMEND, {"visitor_id": MARK, "item_id": MARK}, others=200),
    ],
    "placements": [
        Call("GET", "placements", READ, others=200),
        Call("POST", "placements", WRITE, PLACEMENT | {"key": "new"}, others=201),
    ],
    "placements/<str:key>": [
        Call("GET", f"placements/{MARK}", READ),
        Call("PATCH", f"placements/{MARK}", WRITE, {"name": "changed"}),
        Call("DELETE", f"placements/{MARK}", WRITE),
    ],
    "strategies": [Call("GET", "strategies", READ, others=200)],
    "models": [Call("GET", "models", READ, others=200)],
    "models/train": [Call("POST", "models/train", WRITE, others=202)],
    "widgets/config": [Call("GET", "widgets/config", RECOMMEND, others=200)],
}
OPEN = {"schema/", "docs/"}
CALLS = [call for calls in TABLE.values() for call in calls]
each_call = pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.method} {call.path}")


def routes(patterns: Any, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        else:
            yield route, pattern


def api_routes() -> dict[str, URLPattern]:
    start = "api/v1/"
    return {
        route[len(start) :]: found for route, found in routes(get_resolver().url_patterns) if route.startswith(start)
    }


@pytest.fixture
def shop_a(api_a: Api, tenant_a: TenantRef) -> Api:
    """Shop A with a thing of its own behind every address."""
    assert api_a.post("catalog/items", ITEM | {"item_id": MARK}).status == 201
    assert api_a.post("placements", PLACEMENT | {"key": MARK}).status == 201
    assert api_a.post("events", EVENT).status == 202
    return api_a


def test_every_address_of_the_api_is_in_the_table() -> None:
    assert set(api_routes()) == set(TABLE) | OPEN


def test_every_method_of_every_address_is_in_the_table() -> None:
    for route, calls in TABLE.items():
        view = api_routes()[route].callback.cls  # type: ignore[attr-defined]
        served = {name.upper() for name in view.http_method_names if hasattr(view, name)} - {"OPTIONS", "HEAD"}
        assert served == {call.method for call in calls}, route


@pytest.mark.parametrize("route", sorted(OPEN))
def test_what_is_open_is_open(edge: Any, route: str) -> None:
    assert Api(edge, None).get(route).status == 200


@each_call
def test_without_a_key_it_is_shut(edge: Any, tenant_a: TenantRef, call: Call) -> None:
    answer = call.by(Api(edge, None))
    assert (answer.status, answer.json["code"]) == (401, "authentication_required")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "www-authenticate" in answer.headers


@each_call
def test_a_key_opens_what_its_type_allows(edge: Any, shop_a: Api, tenant_a: TenantRef, call: Call) -> None:
    for kind in sorted(KeyType, key=lambda kind: call.scope in SCOPES[kind]):
        answer = call.by(Api(edge, new_key(tenant_a, kind)))
        if call.scope not in SCOPES[kind]:
            assert (answer.status, answer.json["code"]) == (403, "forbidden"), kind
        else:
            assert answer.status < 300, (kind, answer.body)


@each_call
def test_a_suspended_shop_is_shut(api_a: Api, tenants: tuple[Tenant, Tenant], call: Call) -> None:
    changing.suspend_tenant(tenants[0])
    if api_a.edge.application.edge is not None:
        api_a.edge.application.edge.states._states.clear()
    answer = call.by(api_a)
    assert (answer.status, answer.json["code"]) == (403, "tenant_suspended")


def test_a_method_that_is_none_asks_for_the_key_first(edge: Any, shop_a: Api) -> None:
    for method in ("PURGE", "TRACE", "PUT", "DELETE"):
        assert Api(edge, None).call(method, "catalog/items").status in {401, 405}
        assert shop_a.call(method, "catalog/items").status == 405


@each_call
def test_another_shop_finds_nothing_and_changes_nothing(shop_a: Api, api_b: Api, call: Call) -> None:
    before = {each.path: each.by(shop_a).body for each in CALLS if each.method == "GET" and each.scope is READ}
    answer = call.by(api_b)
    assert answer.status == call.others, answer.body
    if call.others == 404:
        missing = Call(call.method, call.path.replace(MARK, "nowhere"), call.scope, call.body).by(api_b)
        assert missing.body == answer.body.replace(MARK.encode(), b"nowhere")
    elif call.method == "GET":
        assert MARK.encode() not in answer.body
    after = {each.path: each.by(shop_a).body for each in CALLS if each.method == "GET" and each.scope is READ}
    assert after == before


def test_another_shops_model_recommends_nothing_of_this_one(shop_a: Api, api_b: Api, tenant_a: TenantRef) -> None:
    shop_a.post("events/batch", {"events": [EVENT | {"visitor_id": f"v{n}"} for n in range(3)]})
    run = training.train(tenant_a)
    [shown] = shop_a.get("recommendations", {"placement": "home"}).json["items"]
    assert shown["item_id"] == MARK
    answer = api_b.get("recommendations", {"placement": "home", "visitor_id": MARK})
    assert (answer.json["items"], answer.json["model_version"]) == ([], None)
    assert MARK.encode() not in answer.body
    assert run.version.encode() not in api_b.get("models").body
