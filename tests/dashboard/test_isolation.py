"""Every address beside the API: who may open it, and that another shop's things are not there.

An address that is not in a table fails the walk: place it there with what it takes.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from django.urls import get_resolver

from analytics.models import UnknownItem
from catalog import drafts, items
from catalog.models import Import, Item, Source
from catalog.types import ItemIn
from events.models import Import as PastEvents
from recomengine.lib import clock
from recommendations.models import ModelRun, Placement, Rule
from tenants import tenancy, tokens
from tenants.models import ApiKey, AuditEntry, Invitation, Membership, Tenant, User
from tenants.types import Role, TenantRef
from tests.addresses import KEY_ID, routes
from tests.conftest import new_key
from tests.dashboard.conftest import SignIn

MARK = "of-shop-a-alone"
OPEN = {
    "sdk/demo/": "/sdk/demo/",
    "sdk/v1/<str:name>": "/sdk/v1/recom.js",
    "healthz": "/healthz",
    "readyz": "/readyz",
    "account/signup/": "/account/signup/",
    "account/login/": "/account/login/",
    "account/inactive/": "/account/inactive/",
    "account/confirm-email/": "/account/confirm-email/",
    r"account/^confirm-email/(?P<key>[-:\w]+)/$": "/account/confirm-email/abc/",
    "account/password/reset/": "/account/password/reset/",
    "account/password/reset/done/": "/account/password/reset/done/",
    "account/password/reset/key/done/": "/account/password/reset/key/done/",
    r"account/^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$": "/account/password/reset/key/1-abc/",
    "invitations/<str:token>/": "/invitations/abc/",
}
TO_LOGIN = {
    "login/": "/login/",
    "account/logout/": "/account/logout/",
    "account/login/code/confirm/": "/account/login/code/confirm/",
    "account/second-factor/authenticate/": "/account/second-factor/authenticate/",
}
OWN = {
    "account/": "/account/",
    "account/sessions/": "/account/sessions/",
    "account/send-verification/": "/account/send-verification/",
    "account/reauthenticate/": "/account/reauthenticate/",
    "account/email/": "/account/email/",
    "account/password/change/": "/account/password/change/",
    "account/password/set/": "/account/password/set/",
    "account/second-factor/": "/account/second-factor/",
    "account/second-factor/reauthenticate/": "/account/second-factor/reauthenticate/",
    "account/second-factor/totp/activate/": "/account/second-factor/totp/activate/",
    "account/second-factor/totp/deactivate/": "/account/second-factor/totp/deactivate/",
    "account/second-factor/recovery-codes/": "/account/second-factor/recovery-codes/",
    "account/second-factor/recovery-codes/generate/": "/account/second-factor/recovery-codes/generate/",
    "account/second-factor/recovery-codes/download/": "/account/second-factor/recovery-codes/download/",
}


@dataclass(frozen=True)
class PageOf:
    """A page of a shop: its method, what is sent, and what another shop's owner gets of shop A's thing."""

    path: str
    method: str = "get"
    others: int = 200
    data: tuple[tuple[str, str], ...] = ()

    def by(self, browser: Client, things: dict[str, str], **headers: Any) -> Any:
        path = self.path.format(**things)
        return getattr(browser, self.method)(
            path, {name: value.format(**things) for name, value in self.data}, **headers
        )


OF_SHOPS: dict[str, PageOf] = {
    "": PageOf("/"),
    "previewer/": PageOf("/previewer/?q={mark}"),
    "previewer/search/": PageOf("/previewer/search/?q={mark}"),
    "placements/": PageOf("/placements/"),
    "placements/new/": PageOf("/placements/new/"),
    "placements/edit/<str:key>/": PageOf("/placements/edit/{item}/", "post", 404, (("name", "x"),)),
    "placements/delete/<str:key>/": PageOf("/placements/delete/{item}/", "post", 404),
    "placements/versions/<str:key>/": PageOf("/placements/versions/{item}/", "get", 404),
    "placements/versions/<str:key>/<int:number>/restore/": PageOf(
        "/placements/versions/{item}/1/restore/", "post", 404
    ),
    "models/": PageOf("/models/?asked={mark}"),
    "models/train/": PageOf("/models/train/"),
    "models/<str:version>/": PageOf("/models/{item}/", "get", 404),
    "models/<str:version>/publish/": PageOf("/models/{item}/publish/", "post", 404),
    "models/<str:version>/roll-back/": PageOf("/models/{item}/roll-back/", "post", 404),
    "rules/": PageOf("/rules/?placement={mark}"),
    "rules/new/": PageOf("/rules/new/?placement={mark}"),
    "rules/preview/": PageOf("/rules/preview/", "post", 404, (("saved", "{item}"), ("action", "pin"))),
    "rules/<str:key>/edit/": PageOf("/rules/{item}/edit/", "post", 404, (("name", "x"), ("action", "pin"))),
    "rules/<str:key>/switch/": PageOf("/rules/{item}/switch/", "post", 404, (("enabled", "off"),)),
    "rules/<str:key>/delete/": PageOf("/rules/{item}/delete/", "post", 404),
    "catalog/": PageOf("/catalog/?q={mark}"),
    "catalog/items/<path:item_id>/": PageOf("/catalog/items/{item}/", "get", 404),
    "catalog/export/<str:format>/": PageOf("/catalog/export/jsonl/"),
    "catalog/import/": PageOf("/catalog/import/?source={item}", "get", 404),
    "catalog/import/<str:token>/": PageOf("/catalog/import/{draft}/", "post", 404, (("start", "yes"),)),
    "catalog/imports/": PageOf("/catalog/imports/"),
    "catalog/imports/<int:import_id>/": PageOf("/catalog/imports/{import}/", "get", 404),
    "catalog/imports/<int:import_id>/errors.csv": PageOf("/catalog/imports/{import}/errors.csv", "get", 404),
    "catalog/imports/<int:import_id>/cancel/": PageOf("/catalog/imports/{import}/cancel/", "post", 404),
    "catalog/imports/<int:import_id>/resume/": PageOf("/catalog/imports/{import}/resume/", "post", 404),
    "catalog/quality/": PageOf("/catalog/quality/"),
    "catalog/quality/check/": PageOf("/catalog/quality/check/", "post", 302),
    "catalog/quality/unknown_item/": PageOf("/catalog/quality/unknown_item/"),
    "catalog/quality/<str:code>/": PageOf("/catalog/quality/missing_image/"),
    "events/live/": PageOf("/events/live/?visitor_id={mark}"),
    "events/live/token/": PageOf("/events/live/token/"),
    "events/health/": PageOf("/events/health/"),
    "events/health/check/": PageOf("/events/health/check/", "post", 302),
    "events/health/counts.csv": PageOf("/events/health/counts.csv"),
    "catalog/sources/": PageOf("/catalog/sources/"),
    "catalog/sources/<str:key>/": PageOf("/catalog/sources/{item}/", "post", 404, (("name", "x"), ("mode", "delta"))),
    "catalog/sources/<str:key>/run/": PageOf("/catalog/sources/{item}/run/", "post", 404),
    "catalog/sources/<str:key>/delete/": PageOf("/catalog/sources/{item}/delete/", "post", 404),
    "events/": PageOf("/events/?item_id={mark}"),
    "events/export/<str:format>/": PageOf("/events/export/jsonl/"),
    "events/import/": PageOf("/events/import/"),
    "events/imports/": PageOf("/events/imports/"),
    "events/imports/<int:import_id>/": PageOf("/events/imports/{event_import}/", "get", 404),
    "events/imports/<int:import_id>/errors.csv": PageOf("/events/imports/{event_import}/errors.csv", "get", 404),
    "events/imports/<int:import_id>/cancel/": PageOf("/events/imports/{event_import}/cancel/", "post", 404),
    "events/imports/<int:import_id>/resume/": PageOf("/events/imports/{event_import}/resume/", "post", 404),
    "shops/": PageOf("/shops/"),
    "shops/switch/": PageOf("/shops/switch/", "post", 404, (("shop", "shop-a"),)),
    "shops/new/": PageOf("/shops/new/"),
    "keys/": PageOf("/keys/"),
    "keys/new/": PageOf("/keys/new/"),
    "keys/<str:key_id>/rotate/": PageOf("/keys/{key}/rotate/", "post", 404, (("overlap", "0"),)),
    "keys/<str:key_id>/revoke/": PageOf("/keys/{key}/revoke/", "post", 404),
    "team/": PageOf("/team/"),
    "team/invite/": PageOf("/team/invite/", "post", 200, (("email", "{mark}"), ("role", "viewer"))),
    "team/leave/": PageOf("/team/leave/"),
    "team/invitations/<int:invitation>/withdraw/": PageOf("/team/invitations/{invitation}/withdraw/", "post", 404),
    "team/<int:member>/role/": PageOf("/team/{member}/role/", "post", 404, (("role", "viewer"),)),
    "team/<int:member>/remove/": PageOf("/team/{member}/remove/", "post", 404),
    "settings/": PageOf("/settings/"),
    "settings/second-factor/": PageOf("/settings/second-factor/", "post"),
    "settings/delete/": PageOf("/settings/delete/", "post", 400, (("slug", "shop-a"),)),
    "privacy/": PageOf("/privacy/", "post", 200, (("id", "{mark}"),)),
    "privacy/export/": PageOf("/privacy/export/", "post", 404, (("id", "{item}"),)),
    "privacy/erase/": PageOf("/privacy/erase/", "post", 400, (("id", "{mark}"), ("typed", "no"))),
    "audit/": PageOf("/audit/?subject={mark}"),
    "audit/export.csv": PageOf("/audit/export.csv"),
    "audit/export.jsonl": PageOf("/audit/export.jsonl"),
}
ADMIN = "admin/"
each_page = pytest.mark.parametrize("page", OF_SHOPS.values(), ids=lambda page: page.path)


def other_routes() -> set[str]:
    found = {route for route, _ in routes(get_resolver().url_patterns)}
    return {route for route in found if not route.startswith(("api/v1/", ADMIN))}


@pytest.fixture
def things(tenant_a: TenantRef) -> dict[str, str]:
    """Shop A with a member, an invitation, a key and a name of its own, and where they are."""
    shop = Tenant.objects.get(slug=tenant_a.slug)
    member = Membership.objects.create(user=User.objects.create_user(f"{MARK}@a.example"), tenant=shop, role=Role.OWNER)
    later = clock.now() + timedelta(days=1)
    invitation = Invitation.objects.create(tenant=shop, email=f"i-{MARK}@a.example", digest="0" * 64, expires_at=later)
    new_key(tenant_a, name=MARK)
    ApiKey.objects.filter(name=MARK).update(key_id=KEY_ID)
    items.write(tenant_a, [ItemIn(item_id=MARK, title=f"Title {MARK}@a.example")])
    with tenancy.use(tenant_a):
        UnknownItem.objects.create(item_id=f"{MARK}@a.example", events=1, first_at=clock.now(), last_at=clock.now())
    return {
        "key": KEY_ID, "member": str(member.pk), "invitation": str(invitation.pk), "mark": f"{MARK}@a.example",
        "item": MARK, **of_catalogue(tenant_a),
    }  # fmt: skip


def of_catalogue(tenant: TenantRef) -> dict[str, str]:
    """A source of a shop, imports of it that wait, one that is being set up, and a model that is held back."""
    draft = drafts.of_file(tenant, drafts.Draft(drafts.new_token(), filename=MARK), [b"id,title\n"])
    with tenancy.use(tenant):
        source = Source.objects.create(key=MARK, name=f"Name {MARK}@a.example", format="csv", url="https://a.example/")
        row = Import.objects.create(source=source, format="csv", filename=MARK)
        ModelRun.objects.create(version=MARK, status=ModelRun.Status.HELD_BACK, decision={"text": f"{MARK}@a.example"})
        Placement.objects.create(key=MARK, name=f"Name {MARK}@a.example", cascade=["popular"])
        pin = {"type": "pin", "item_id": MARK, "position": 1}
        Rule.objects.create(key=MARK, name=f"{MARK}@a.example", action=pin)
        past = PastEvents.objects.create(format="csv", filename=f"{MARK}@a.example")
    return {"draft": draft.token, "import": str(row.pk), "event_import": str(past.pk)}


@pytest.fixture
def bea(sign_in: SignIn, tenant_b: TenantRef) -> Client:
    """The owner of shop B at her browser."""
    browser = sign_in(tenant_b, email="bea@example.com")
    Membership.objects.filter(user__email="bea@example.com").update(role=Role.OWNER)
    return browser


def of_shop_a() -> list[Any]:
    """What the platform knows of shop A."""
    known = {"tenant__slug": "shop-a"}
    rows = [list(model.objects.filter(**known).order_by("pk").values()) for model in (Membership, Invitation, ApiKey)]
    shop = Tenant.objects.get(slug="shop-a")
    with tenancy.use(shop.ref):
        rows += [
            list(model.objects.order_by("pk").values())
            for model in (Item, Source, Import, PastEvents, ModelRun, Placement, Rule)
        ]
    return [*rows, list(Tenant.objects.filter(slug="shop-a").values()), AuditEntry.objects.filter(**known).count()]


def body(answer: Any) -> str:
    return (b"".join(answer.streaming_content) if answer.streaming else answer.content).decode()


def test_every_address_beside_the_api_is_in_a_table() -> None:
    assert other_routes() == set(OPEN) | set(TO_LOGIN) | set(OWN) | set(OF_SHOPS)


@pytest.mark.parametrize("path", OPEN.values())
def test_what_is_open_tells_nothing_of_shops(path: str, things: dict[str, str]) -> None:
    answer = Client().get(path)
    assert answer.status_code in {200, 404}
    assert MARK not in body(answer)


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("path", [*OWN.values(), *TO_LOGIN.values(), *(page.path for page in OF_SHOPS.values())])
def test_a_stranger_is_sent_to_log_in(path: str, method: str, things: dict[str, str]) -> None:
    before = of_shop_a()
    answer = getattr(Client(), method)(path.format(**things))
    assert (answer.status_code == 302 and "/account/" in answer["Location"]) or answer.status_code == 405, answer
    assert of_shop_a() == before


@each_page
def test_neither_a_key_nor_a_token_opens_a_page(page: PageOf, things: dict[str, str], tenant_a: TenantRef) -> None:
    token = tokens.issue(User.objects.get(email=things["mark"])).access
    for headers in ({"X-API-Key": new_key(tenant_a)}, {"Authorization": f"Bearer {token}"}):
        answer = page.by(Client(), things, headers=headers)
        assert answer.status_code == 302
        assert "/account/login/" in answer["Location"]


@each_page
def test_another_shops_owner_finds_nothing_and_changes_nothing(
    page: PageOf, things: dict[str, str], bea: Client
) -> None:
    before = of_shop_a()
    answer = page.by(bea, things)
    assert answer.status_code in {page.others, 302 if page.others == 200 else page.others}, answer
    shown = (
        body(answer).replace(things["mark"], "").replace(quote(things["mark"]), "")
    )  # what was asked may be repeated
    assert MARK not in shown
    assert KEY_ID not in shown
    assert of_shop_a() == before


@each_page
def test_a_guess_of_nothing_looks_like_another_shops_thing(page: PageOf, things: dict[str, str], bea: Client) -> None:
    if page.others == 404:
        guessed = {
            **things,
            "key": "f" * 12,
            "member": "99999999",
            "invitation": "99999999",
            "item": "nothing-at-all",
            "draft": "f" * 32,
            "import": "99999999",
        }
        theirs, nothing = page.by(bea, things), page.by(bea, guessed)
        assert (theirs.status_code, nothing.status_code) == (404, 404)
        assert len(theirs.content) == len(nothing.content)


@each_page
def test_a_header_that_names_another_shop_finds_no_page(page: PageOf, things: dict[str, str], bea: Client) -> None:
    before = of_shop_a()
    for slug in ("shop-a", "nowhere"):
        assert page.by(bea, things, headers={"X-Tenant": slug}).status_code == 404
    assert of_shop_a() == before


@each_page
def test_a_session_that_names_another_shop_finds_no_page(page: PageOf, things: dict[str, str], bea: Client) -> None:
    if page.path.startswith("/shops/"):
        return  # of no shop in particular
    session = bea.session
    session["shop"] = "shop-a"
    session.save()
    before = of_shop_a()
    assert page.by(bea, things).status_code == 404
    assert of_shop_a() == before


def test_nobody_but_staff_gets_into_the_admin(things: dict[str, str], bea: Client) -> None:
    paths = [route for route, _ in routes(get_resolver().url_patterns) if route.startswith(ADMIN)]
    assert len(paths) > 50
    for route in paths:
        path = "/" + route.replace("<path:object_id>", "1").replace("<int:content_type_id>", "1")
        path = path.replace("<path:object_id>", "1").split("(?P")[0].replace("^", "").replace("$", "")
        for browser in (Client(), bea):
            answer = browser.get(path)
            assert answer.status_code in {302, 403, 404}, path
            assert MARK not in body(answer)
