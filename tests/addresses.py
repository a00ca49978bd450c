"""Every address of the API, with what it takes, and what of shop A is behind it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.urls import URLPattern, URLResolver, get_resolver

from catalog.models import Import, RejectedRow
from events import models as events
from events.importing.kind import FILES
from events.models import Erasure
from recomengine.lib import clock
from recomengine.lib.partitions import month_of
from recomengine.lib.postgres import connect
from recommendations.models import ModelRun, ServedSlate
from recommendations.releases import modelstore, versions
from recommendations.releases.modelstore import Model
from recommendations.serving_log import SLATES
from tenants import tenancy
from tenants.models import ApiKey
from tenants.types import Scope, TenantRef
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


def furnish(api: Api, tenant: TenantRef) -> None:
    """Have shop A a thing of its own behind every address."""
    for item_id in (MARK, "batch"):
        assert api.post("catalog/items", ITEM | {"item_id": item_id}).status == 201
    assert api.post("placements", PLACEMENT | {"key": MARK}).status == 201
    assert api.post("strategies", STRATEGY | {"key": MARK}).status == 201
    for key, placement in ((MARK, "home"), (RUNNING, "pdp")):
        assert api.post("experiments", EXPERIMENT | {"key": key, "placement": placement}).status == 201
    assert api.post(f"experiments/{RUNNING}/start").status == 200
    assert api.post("rules", RULE | {"key": MARK}).status == 201
    assert api.post("events", EVENT).status == 202
    assert api.post("catalog/sources", SOURCE | {"key": MARK}).status == 201
    with tenancy.use(tenant):
        Import.objects.create(pk=WAITING, filename=MARK, url=FEED)
        failed = Import.objects.create(pk=FAILED, filename=MARK, url=FEED, status=Import.Status.FAILED, rejected=1)
        Erasure.objects.create(pk=ERASURE, digest="0" * 64, subject={}, completed_at=clock.now())
        RejectedRow.objects.create(import_run=failed, line=2, code="invalid", message=MARK, item_id=MARK)
        events.Import.objects.create(pk=WAITING, filename=MARK, format="csv")
        past = events.Import.objects.create(pk=FAILED, filename=MARK, format="csv", status="failed", rejected=1)
        events.RejectedRow.objects.create(import_run=past, line=2, code="invalid", message=MARK, item_id=MARK)
        add_slate(tenant)
        ModelRun.objects.create(version="before", status=ModelRun.Status.SUPERSEDED)
        ModelRun.objects.create(version=LIVE, status=ModelRun.Status.PUBLISHED)
        ModelRun.objects.create(version=MARK, status=ModelRun.Status.HELD_BACK)
    for version in ("before", LIVE, MARK):
        modelstore.save(tenant, version, Model(dict.fromkeys(versions.TABLES, modelstore.SCHEMA.empty_table())))
    with FILES.incoming(tenant) as (file, keep):
        file.write(PAST)
        keep(past.pk)
    new_key(tenant, name=MARK)
    ApiKey.objects.filter(name=MARK).update(key_id=KEY_ID)


def add_slate(tenant: TenantRef) -> None:
    with connect() as opened:
        SLATES.ensure(opened, tenant.schema, [month_of(clock.now())])
    lists = {name: [MARK] for name in ("items_at_hand", "session_items", "item_ids", "sources")}
    ServedSlate.objects.create(
        recommendation_id=UUID(SERVED), served_at=clock.now(), placement="home", strategy="popular", visitor_id=MARK,
        scores=[1.0], propensities=[1.0], degraded=False, share=1.0, **lists,
    )  # fmt: skip
