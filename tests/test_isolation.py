"""Every address of the API: shut without a key, shut to keys without the scope, and empty of other shops' things.

An address that is not in `TABLE` fails the walk: place it there with what it takes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from catalog.models import Import, RejectedRow
from events import hot as events_hot
from events import models as events
from events.importing.kind import FILES
from events.models import Erasure
from recomengine.lib import clock
from recomengine.lib.partitions import month_of
from recomengine.lib.postgres import connect
from recommendations import modelstore, training, versions
from recommendations.models import ModelRun, ServedSlate
from recommendations.modelstore import Model
from recommendations.serving_log import SLATES
from tenants import changing, schemas, tenancy, tokens
from tenants.models import ApiKey, Membership, Tenant, User
from tenants.types import SCOPES, KeyType, Role, Scope, TenantRef
from tests.api import Answer, Api
from tests.catalog.imports.feeds import BOUNDARY, csv_of, form
from tests.conftest import new_key

MARK = "only-in-shop-a"  # in everything of shop A that another shop might see
KEY_ID = "0123456789ab"  # a key of shop A, named like that
EVENT = {"type": "view", "visitor_id": MARK, "item_id": MARK}
ITEM = {"title": f"Title {MARK}"}
PLACEMENT = {"name": f"Name {MARK}", "cascade": ["popular"]}
STRATEGY = {"name": f"Name {MARK}", "parts": [{"strategy": "popular"}]}
TWO = [{"key": key, "weight": 0.5} for key in ("control", MARK)]
EXPERIMENT = {"name": f"Name {MARK}", "placement": "home", "variants": TWO}
RULE = {"name": f"Name {MARK}", "action": {"type": "pin", "item_id": MARK, "position": 1}}
FEED = f"https://shop.example/{MARK}"
SOURCE = {"name": f"Name {MARK}", "format": "csv", "url": FEED}
PAST = b"type,occurred_at,visitor_id,item_id\nview,2026-01-01,v,i\n"
WAITING, FAILED = "7001", "7003"  # imports of shop A
ERASURE = "7005"  # an erasure of shop A
SERVED = "5" * 32  # a slate of shop A
LIVE = f"live-{MARK}"  # a model version of shop A
RUNNING = f"running-{MARK}"  # an experiment of shop A


@dataclass(frozen=True)
class Call:
    """One method of an address: its scope, what is sent, and what another shop's caller gets of shop A's thing."""

    method: str
    path: str
    scope: Scope
    body: Any = b""
    params: dict[str, Any] = field(default_factory=dict)
    others: int = 404  # the answer to another shop's key
    other_people: int | None = None  # the answer to another shop's owner, if it is another one
    suspended: bool = False  # answered for a suspended shop as well
    thing: str = MARK
    nothing: str = "nowhere"  # which nobody has
    content_type: str = "application/json"

    def by(self, api: Api, **headers: str) -> Answer:
        sent = {"content_type": self.content_type} | headers
        return api.call(self.method, self.path, data=self.body, params=self.params, **sent)

    def of_nothing(self, api: Api) -> Answer:
        """The same about a thing that nobody has."""
        return api.call(self.method, self.path.replace(self.thing, self.nothing), data=self.body, params=self.params)


READ, WRITE, TRACK, RECOMMEND = Scope.READ, Scope.WRITE, Scope.TRACK, Scope.RECOMMEND
KEYS, MANAGE, OWN = Scope.KEYS, Scope.MANAGE, Scope.OWN
SHOP_A: dict[str, Any] = {"thing": "shop-a"}
IS_WAITING: dict[str, Any] = {"thing": WAITING, "nothing": "7009"}
HAS_FAILED: dict[str, Any] = {"thing": FAILED, "nothing": "7009"}
UPLOAD = {"content_type": f"multipart/form-data; boundary={BOUNDARY}"}
TABLE: dict[str, list[Call]] = {
    "catalog/items": [
        Call("GET", "catalog/items", READ, others=200),
        Call("POST", "catalog/items", WRITE, ITEM | {"item_id": "new"}, others=201),
    ],
    "catalog/search": [Call("GET", "catalog/search", READ, params={"q": MARK, "facets": "brand,category"}, others=200)],
    "catalog/items/batch": [
        Call("POST", "catalog/items/batch", WRITE, {"items": [{"item_id": MARK, "title": "x"}]}, others=200),
        Call("GET", "catalog/items/batch", READ, thing="batch"),
        Call("PUT", "catalog/items/batch", WRITE, {"title": "of another shop"}, others=201),
        Call("PATCH", "catalog/items/batch", WRITE, {"title": "changed"}, thing="batch"),
        Call("DELETE", "catalog/items/batch", WRITE, thing="batch"),
    ],
    "catalog/quality": [Call("GET", "catalog/quality", READ, others=200)],
    "catalog/quality/check": [Call("POST", "catalog/quality/check", WRITE, others=202)],
    "catalog/quality/unknown_item": [Call("GET", "catalog/quality/unknown_item", READ, others=200)],
    "catalog/quality/<str:code>": [Call("GET", "catalog/quality/missing_image", READ, others=200)],
    "catalog/items/<path:item_id>": [
        Call("GET", f"catalog/items/{MARK}", READ),
        Call("PUT", f"catalog/items/{MARK}", WRITE, {"title": "of another shop"}, others=201),
        Call("PATCH", f"catalog/items/{MARK}", WRITE, {"title": "changed"}),
        Call("DELETE", f"catalog/items/{MARK}", WRITE),
    ],
    "events/export": [Call("GET", "events/export", READ, params={"format": "csv"}, others=200)],
    "events/imports": [
        Call("GET", "events/imports", READ, others=200),
        Call("POST", "events/imports", WRITE, form(PAST), others=202, **UPLOAD),
    ],
    "events/imports/<int:import_id>": [Call("GET", f"events/imports/{WAITING}", READ, **IS_WAITING)],
    "events/imports/<int:import_id>/cancel": [Call("POST", f"events/imports/{WAITING}/cancel", WRITE, **IS_WAITING)],
    "events/imports/<int:import_id>/resume": [Call("POST", f"events/imports/{FAILED}/resume", WRITE, **HAS_FAILED)],
    "events/imports/<int:import_id>/errors": [Call("GET", f"events/imports/{FAILED}/errors", READ, **HAS_FAILED)],
    "events/imports/<int:import_id>/errors.csv": [
        Call("GET", f"events/imports/{FAILED}/errors.csv", READ, **HAS_FAILED),
    ],
    "catalog/imports": [
        Call("GET", "catalog/imports", READ, others=200),
        Call("POST", "catalog/imports", WRITE, {"url": FEED}, others=202),
    ],
    "catalog/imports/preview": [
        Call("POST", "catalog/imports/preview", WRITE, form(csv_of([1])), others=200, **UPLOAD),
    ],
    "catalog/imports/<int:import_id>": [Call("GET", f"catalog/imports/{WAITING}", READ, **IS_WAITING)],
    "catalog/imports/<int:import_id>/cancel": [Call("POST", f"catalog/imports/{WAITING}/cancel", WRITE, **IS_WAITING)],
    "catalog/imports/<int:import_id>/resume": [Call("POST", f"catalog/imports/{FAILED}/resume", WRITE, **HAS_FAILED)],
    "catalog/imports/<int:import_id>/errors": [Call("GET", f"catalog/imports/{FAILED}/errors", READ, **HAS_FAILED)],
    "catalog/imports/<int:import_id>/errors.csv": [
        Call("GET", f"catalog/imports/{FAILED}/errors.csv", READ, **HAS_FAILED),
    ],
    "catalog/sources": [
        Call("GET", "catalog/sources", READ, others=200),
        Call("POST", "catalog/sources", WRITE, SOURCE | {"key": "new"}, others=201),
    ],
    "catalog/sources/<str:key>": [
        Call("GET", f"catalog/sources/{MARK}", READ),
        Call("PATCH", f"catalog/sources/{MARK}", WRITE, {"name": "changed"}),
        Call("DELETE", f"catalog/sources/{MARK}", WRITE),
    ],
    "catalog/sources/<str:key>/run": [Call("POST", f"catalog/sources/{MARK}/run", WRITE)],
    "catalog/export": [Call("GET", "catalog/export", READ, params={"format": "jsonl"}, others=200)],
    "events": [
        Call("GET", "events", READ, params={"visitor_id": MARK}, others=200),
        Call("POST", "events", TRACK, EVENT, others=202),
    ],
    "visitors/<path:visitor_id>/export": [
        Call("GET", f"visitors/{MARK}/export", READ),
        Call("DELETE", f"visitors/{MARK}/export", WRITE, others=202),
    ],
    "visitors/<path:visitor_id>": [Call("DELETE", f"visitors/{MARK}", WRITE, others=202)],
    "erasures/<int:erasure_id>": [Call("GET", f"erasures/{ERASURE}", READ, thing=ERASURE, nothing="7009")],
    "events/batch": [Call("POST", "events/batch", TRACK, {"events": [EVENT]}, others=202)],
    "events/stream": [Call("GET", "events/stream", READ, params={"seconds": 0}, others=200)],
    "events/health": [Call("GET", "events/health", READ, others=200)],
    "recommendations/<str:recommendation_id>": [
        Call("GET", f"recommendations/{SERVED}", READ, thing=SERVED, nothing="0" * 32)
    ],
    "recommendations": [
        Call("GET", "recommendations", RECOMMEND, params={"visitor_id": MARK, "item_id": MARK}, others=200),
        Call("POST", "recommendations", RECOMMEND, {"visitor_id": MARK, "item_id": MARK}, others=200),
    ],
    "recommendations/batch": [
        Call("POST", "recommendations/batch", RECOMMEND, {"requests": [{"visitor_id": MARK}]}, others=200),
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
    "placements/<str:key>/versions": [Call("GET", f"placements/{MARK}/versions", READ)],
    "experiments": [
        Call("GET", "experiments", READ, others=200),
        Call("POST", "experiments", WRITE, EXPERIMENT | {"key": "new"}, others=201),
    ],
    "experiments/<str:key>": [
        Call("GET", f"experiments/{MARK}", READ),
        Call("PATCH", f"experiments/{MARK}", WRITE, {"name": "changed"}),
        Call("DELETE", f"experiments/{MARK}", WRITE),
    ],
    "experiments/<str:key>/start": [Call("POST", f"experiments/{MARK}/start", WRITE)],
    "experiments/<str:key>/pause": [Call("POST", f"experiments/{RUNNING}/pause", WRITE, thing=RUNNING)],
    "rules": [
        Call("GET", "rules", READ, others=200),
        Call("POST", "rules", WRITE, RULE | {"key": "new"}, others=201),
    ],
    "rules/preview": [Call("POST", "rules/preview", READ, {"rule": RULE, "without": [MARK]}, others=200)],
    "rules/<str:key>": [
        Call("GET", f"rules/{MARK}", READ),
        Call("PATCH", f"rules/{MARK}", WRITE, {"name": "changed"}),
        Call("DELETE", f"rules/{MARK}", WRITE),
    ],
    "strategies": [
        Call("GET", "strategies", READ, others=200),
        Call("POST", "strategies", WRITE, STRATEGY | {"key": "new-one"}, others=201),
    ],
    "strategies/<str:key>": [
        Call("GET", f"strategies/{MARK}", READ),
        Call("PATCH", f"strategies/{MARK}", WRITE, {"name": "changed"}),
        Call("DELETE", f"strategies/{MARK}", WRITE),
    ],
    "models": [Call("GET", "models", READ, others=200)],
    "models/train": [Call("POST", "models/train", WRITE, others=202)],
    "models/schedule": [Call("GET", "models/schedule", READ, others=200)],
    "models/<str:version>": [Call("GET", f"models/{MARK}", READ)],
    "models/<str:version>/publish": [Call("POST", f"models/{MARK}/publish", WRITE)],
    "models/<str:version>/rollback": [Call("POST", f"models/{LIVE}/rollback", WRITE, thing=LIVE)],
    "widgets/config": [Call("GET", "widgets/config", RECOMMEND, others=200)],
    "tenants": [
        Call("GET", "tenants", READ, others=200, suspended=True),
        Call("POST", "tenants", OWN, {"name": "New", "slug": "new"}, others=403, other_people=201),
    ],
    "tenants/<str:slug>": [
        Call("GET", "tenants/shop-a", READ, suspended=True, **SHOP_A),
        Call("PATCH", "tenants/shop-a", MANAGE, {"name": "changed"}, **SHOP_A),
        Call("DELETE", "tenants/shop-a", OWN, **SHOP_A),
    ],
    "tenants/<str:slug>/activate": [Call("POST", "tenants/shop-a/activate", OWN, **SHOP_A)],
    "tenants/<str:slug>/suspend": [Call("POST", "tenants/shop-a/suspend", OWN, **SHOP_A)],
    "api-keys": [
        Call("GET", "api-keys", READ, others=200),
        Call("POST", "api-keys", KEYS, {"type": "ro"}, others=201),
    ],
    "api-keys/<str:key_id>": [
        Call("GET", f"api-keys/{KEY_ID}", READ, thing=KEY_ID),
        Call("DELETE", f"api-keys/{KEY_ID}", KEYS, thing=KEY_ID),
    ],
    "api-keys/<str:key_id>/rotate": [Call("POST", f"api-keys/{KEY_ID}/rotate", KEYS, thing=KEY_ID)],
}
SEGMENT = {"type": "track", "event": "Product Viewed", "anonymousId": MARK, "properties": {"product_id": MARK}}
GA4 = {"client_id": MARK, "events": [{"name": "view_item", "params": {"items": [{"item_id": MARK}]}}]}
DOORS = {
    "/v1/track": Call("POST", "/v1/track", TRACK, SEGMENT, others=200),
    "/v1/batch": Call("POST", "/v1/batch", TRACK, {"batch": [SEGMENT]}, others=200),
    "/mp/collect": Call("POST", "/mp/collect", TRACK, GA4, others=204),
    "/debug/mp/collect": Call("POST", "/debug/mp/collect", TRACK, GA4, others=200),
}
OPEN = {"schema/", "docs/"}
FOR_STRANGERS = {"auth/register", "auth/login", "auth/refresh", "auth/logout"}
FOR_PEOPLE = {"auth/me"}
STAFF_ONLY = {"tenants/shop-a/activate", "tenants/shop-a/suspend"}
CALLS = [call for calls in TABLE.values() for call in calls] + list(DOORS.values())
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
    for item_id in (MARK, "batch"):
        assert api_a.post("catalog/items", ITEM | {"item_id": item_id}).status == 201
    assert api_a.post("placements", PLACEMENT | {"key": MARK}).status == 201
    assert api_a.post("strategies", STRATEGY | {"key": MARK}).status == 201
    for key, placement in ((MARK, "home"), (RUNNING, "pdp")):
        assert api_a.post("experiments", EXPERIMENT | {"key": key, "placement": placement}).status == 201
    assert api_a.post(f"experiments/{RUNNING}/start").status == 200
    assert api_a.post("rules", RULE | {"key": MARK}).status == 201
    assert api_a.post("events", EVENT).status == 202
    assert api_a.post("catalog/sources", SOURCE | {"key": MARK}).status == 201
    with tenancy.use(tenant_a):
        Import.objects.create(pk=WAITING, filename=MARK, url=FEED)
        failed = Import.objects.create(pk=FAILED, filename=MARK, url=FEED, status=Import.Status.FAILED, rejected=1)
        Erasure.objects.create(pk=ERASURE, digest="0" * 64, subject={}, completed_at=clock.now())
        RejectedRow.objects.create(import_run=failed, line=2, code="invalid", message=MARK, item_id=MARK)
        events.Import.objects.create(pk=WAITING, filename=MARK, format="csv")
        past = events.Import.objects.create(pk=FAILED, filename=MARK, format="csv", status="failed", rejected=1)
        events.RejectedRow.objects.create(import_run=past, line=2, code="invalid", message=MARK, item_id=MARK)
        add_slate(tenant_a)
        ModelRun.objects.create(version="before", status=ModelRun.Status.SUPERSEDED)
        ModelRun.objects.create(version=LIVE, status=ModelRun.Status.PUBLISHED)
        ModelRun.objects.create(version=MARK, status=ModelRun.Status.HELD_BACK)
    for version in ("before", LIVE, MARK):
        modelstore.save(tenant_a, version, Model(dict.fromkeys(versions.TABLES, modelstore.SCHEMA.empty_table())))
    with FILES.incoming(tenant_a) as (file, keep):
        file.write(PAST)
        keep(past.pk)
    new_key(tenant_a, name=MARK)
    ApiKey.objects.filter(name=MARK).update(key_id=KEY_ID)
    return api_a


def add_slate(tenant: TenantRef) -> None:
    with connect() as opened:
        SLATES.ensure(opened, tenant.schema, [month_of(clock.now())])
    lists = {name: [MARK] for name in ("items_at_hand", "session_items", "item_ids", "sources")}
    ServedSlate.objects.create(
        recommendation_id=UUID(SERVED), served_at=clock.now(), placement="home", strategy="popular", visitor_id=MARK,
        scores=[1.0], propensities=[1.0], degraded=False, share=1.0, **lists,
    )  # fmt: skip


def owner_of(edge: Any, *shops: TenantRef, email: str = "bea@example.com", **fields: Any) -> Api:
    """The API as called by a person who owns the shops."""
    person = User.objects.create_user(email, **fields)
    for shop in shops:
        Membership.objects.create(user=person, tenant=Tenant.objects.get(slug=shop.slug), role=Role.OWNER)
    return Api(edge, None, token=tokens.issue(person).access)


@pytest.fixture(autouse=True)
def no_new_shop_stays(tenants: tuple[Tenant, Tenant]) -> Iterator[None]:
    yield
    schemas.drop("t_new")


def state_of(shop: Api) -> dict[str, bytes]:
    """What every address that shows something shows of the shop."""
    shown = {each.path: each.by(shop) for each in CALLS if each.method == "GET" and each.scope is READ}
    passing = rb'"last_used_at":[^}]+|"exported_at":"[^"]+"'
    return {path: re.sub(passing, b"", answer.body) for path, answer in shown.items()}


def test_every_address_of_the_api_is_in_the_table() -> None:
    assert set(api_routes()) == set(TABLE) | OPEN | FOR_STRANGERS | FOR_PEOPLE


def test_every_address_for_the_libraries_of_others_is_in_the_table_or_the_same_door_as_one_that_is() -> None:
    foreign = {path: door for path, door in events_hot.DOORS.items() if not path.startswith("/api/")}
    assert set(DOORS) <= set(foreign)
    assert {id(door) for door in foreign.values()} == {id(foreign[path]) for path in DOORS}


def test_every_method_of_every_address_is_in_the_table() -> None:
    for route, calls in TABLE.items():
        view = api_routes()[route].callback.cls  # type: ignore[attr-defined]
        served = {name.upper() for name in view.http_method_names if hasattr(view, name)} - {"OPTIONS", "HEAD"}
        assert served == {call.method for call in calls}, route


@pytest.mark.parametrize("route", sorted(OPEN))
def test_what_is_open_is_open(edge: Any, route: str) -> None:
    assert Api(edge, None).get(route).status == 200


@pytest.mark.parametrize("route", sorted(FOR_STRANGERS))
def test_what_is_for_strangers_asks_for_no_key_and_takes_nothing_for_nothing(edge: Any, route: str) -> None:
    for api in (Api(edge, None), Api(edge, None, token="x"), Api(edge, "rec_rw_x")):
        answer = api.post(route, {})
        assert (answer.status, answer.json["code"]) == (400, "invalid")


def test_what_is_about_a_person_is_shut_to_keys_and_strangers(edge: Any, shop_a: Api, tenant_a: TenantRef) -> None:
    for api in (Api(edge, None), shop_a):
        answer = api.get("auth/me")
        assert (answer.status, answer.json["code"]) == (401, "authentication_required")
    mine = owner_of(edge, tenant_a).get("auth/me").json
    assert [each["tenant"] for each in mine["tenants"]] == ["shop-a"]


@each_call
def test_without_a_key_it_is_shut(edge: Any, tenant_a: TenantRef, call: Call) -> None:
    answer = call.by(Api(edge, None))
    assert (answer.status, answer.json["code"]) == (401, "authentication_required")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "www-authenticate" in answer.headers


@each_call
def test_a_dashboard_session_opens_nothing_of_the_api(edge: Any, tenant_a: TenantRef, call: Call) -> None:
    """A browser sends its cookies wherever a page of somebody else's lets it; the API knows none."""
    browser = Client()
    person = User.objects.create_user("bea@example.com", is_staff=True)
    browser.force_login(person)
    answer = call.by(Api(edge, None), cookie=f"sessionid={browser.cookies['sessionid'].value}")
    assert (answer.status, answer.json["code"]) == (401, "authentication_required")


@each_call
def test_a_key_opens_what_its_type_allows(edge: Any, shop_a: Api, tenant_a: TenantRef, call: Call) -> None:
    for kind in sorted(KeyType, key=lambda kind: call.scope in SCOPES[kind]):
        answer = call.by(Api(edge, new_key(tenant_a, kind)))
        if call.scope not in SCOPES[kind]:
            assert (answer.status, answer.json["code"]) == (403, "forbidden"), kind
        else:
            assert answer.status < 300, (kind, answer.body)


@each_call
def test_a_person_may_what_her_role_allows(edge: Any, shop_a: Api, tenant_a: TenantRef, call: Call) -> None:
    person = User.objects.create_user("ann@example.com")
    member = Membership.objects.create(user=person, tenant=Tenant.objects.get(slug=tenant_a.slug))
    done = False
    for role in Role:
        Membership.objects.filter(pk=member.pk).update(role=role)
        answer = call.by(Api(edge, None, token=tokens.issue(person).access))
        opens_own_shop = (call.method, call.path) == ("POST", "tenants")  # which anybody may who has an account
        if (call.scope not in role.scopes and not opens_own_shop) or call.path in STAFF_ONLY:
            assert (answer.status, answer.json["code"]) == (403, "forbidden"), role
        elif done:  # what the role before did may be there, or gone, already
            assert answer.status not in {401, 403}, (role, answer.body)
        else:
            assert answer.status < 300, (role, answer.body)
            done = True


@each_call
def test_a_suspended_shop_is_shut(edge: Any, api_a: Api, tenants: tuple[Tenant, Tenant], call: Call) -> None:
    owner = owner_of(edge, tenants[0].ref)
    changing.suspend_tenant(tenants[0])
    if api_a.edge.application.edge is not None:
        api_a.edge.application.edge.states._states.clear()
    for api in (api_a, owner):
        answer = call.by(api)
        if call.suspended:
            assert answer.status == 200
        elif (call.path, call.method) == ("tenants", "POST"):
            assert answer.status == (201 if api is owner else 403)  # that shop is shut, the person is not
        else:
            assert (answer.status, answer.json["code"]) == (403, "tenant_suspended")


def test_a_method_that_is_none_asks_for_the_key_first(edge: Any, shop_a: Api) -> None:
    for method in ("PURGE", "TRACE", "PUT", "DELETE"):
        assert Api(edge, None).call(method, "catalog/items").status in {401, 405}
        assert shop_a.call(method, "catalog/items").status == 405


@each_call
@pytest.mark.parametrize("who", ["key", "person"])
def test_another_shop_finds_nothing_and_changes_nothing(
    edge: Any, shop_a: Api, tenant_b: TenantRef, call: Call, who: str
) -> None:
    before = state_of(shop_a)
    other = Api(edge, new_key(tenant_b)) if who == "key" else owner_of(edge, tenant_b)
    expected = (call.other_people if who == "person" else None) or call.others
    answer = call.by(other)
    assert answer.status == expected, answer.body
    if expected == 404:
        missing = call.of_nothing(other)
        assert missing.body == answer.body.replace(call.thing.encode(), call.nothing.encode())
    elif call.method == "GET":
        assert MARK.encode() not in answer.body
    assert state_of(shop_a) == before


@each_call
def test_a_header_that_names_another_shop_finds_no_shop(
    edge: Any, shop_a: Api, api_b: Api, tenant_b: TenantRef, call: Call
) -> None:
    before = state_of(shop_a)
    for api in (api_b, owner_of(edge, tenant_b)):
        answer, missing = call.by(api, x_tenant="shop-a"), call.by(api, x_tenant="nowhere")
        assert (answer.status, answer.json["code"]) == (404, "not_found")
        assert missing.body == answer.body.replace(b"shop-a", b"nowhere")
    assert state_of(shop_a) == before


def test_headers_that_mean_nothing_choose_no_shop(edge: Any, shop_a: Api, api_b: Api) -> None:
    for name in ("x_tenant_id", "x_schema", "x_forwarded_host", "tenant", "x_original_url"):
        assert MARK.encode() not in api_b.get("catalog/items", **{name: "shop-a"}).body


@each_call
def test_a_token_of_nobody_is_no_entry(edge: Any, tenant_a: TenantRef, call: Call) -> None:
    gone = owner_of(edge, tenant_a, email="gone@example.com")
    User.objects.filter(email="gone@example.com").update(is_active=False)
    for api in (gone, Api(edge, None, token="ey.not.one")):
        answer = call.by(api)
        assert (answer.status, answer.json["code"]) == (401, "invalid_token")


def test_another_shops_model_recommends_nothing_of_this_one(shop_a: Api, api_b: Api, tenant_a: TenantRef) -> None:
    shop_a.post("events/batch", {"events": [EVENT | {"visitor_id": f"v{n}"} for n in range(3)]})
    run = training.train(tenant_a)
    shown = shop_a.get("recommendations", {"placement": "home"}).json["items"]
    assert MARK in {item["item_id"] for item in shown}
    answer = api_b.get("recommendations", {"placement": "home", "visitor_id": MARK})
    assert answer.json["model_version"] is None
    assert MARK not in {item["item_id"] for item in answer.json["items"]}
    assert MARK.encode() not in answer.body
    assert run.version.encode() not in api_b.get("models").body
