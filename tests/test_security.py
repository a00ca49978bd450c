"""Every page of the dashboard: who may open it, what browsers are told about it, and what plain HTTP gets.

A page that is not in `PAGES` fails the walk: place it there with whom it is for.
"""

import re
from typing import Any

import pytest
from django.test import Client, override_settings
from django.urls import get_resolver

from tenants.models import Membership, Tenant, User
from tenants.types import Role, Scope, TenantRef
from tests.addresses import routes
from tests.api import Answer, Api
from tests.conftest import new_key

ANYBODY, PERSON = "anybody", "person"
MEMBER, WRITE, MANAGE, KEYS, OWN = Scope.READ, Scope.WRITE, Scope.MANAGE, Scope.KEYS, Scope.OWN
PAGES: dict[str, str | Scope] = {
    "": MEMBER,
    "previewer/": MEMBER,
    "previewer/search/": MEMBER,
    "placements/": MEMBER,
    "placements/new/": WRITE,
    "placements/edit/<str:key>/": WRITE,
    "placements/delete/<str:key>/": WRITE,
    "placements/versions/<str:key>/": MEMBER,
    "placements/versions/<str:key>/<int:number>/restore/": WRITE,
    "models/": MEMBER,
    "models/train/": WRITE,
    "models/<str:version>/": MEMBER,
    "models/<str:version>/publish/": WRITE,
    "models/<str:version>/roll-back/": WRITE,
    "rules/": MEMBER,
    "rules/new/": WRITE,
    "rules/preview/": WRITE,
    "rules/<str:key>/edit/": WRITE,
    "rules/<str:key>/switch/": WRITE,
    "rules/<str:key>/delete/": WRITE,
    "catalog/": MEMBER,
    "catalog/items/<path:item_id>/": MEMBER,
    "catalog/export/<str:format>/": MEMBER,
    "catalog/import/": WRITE,
    "catalog/import/<str:token>/": WRITE,
    "catalog/imports/": MEMBER,
    "catalog/imports/<int:import_id>/": MEMBER,
    "catalog/imports/<int:import_id>/errors.csv": MEMBER,
    "catalog/imports/<int:import_id>/cancel/": WRITE,
    "catalog/imports/<int:import_id>/resume/": WRITE,
    "catalog/quality/": MEMBER,
    "events/live/": MEMBER,
    "events/live/token/": MEMBER,
    "events/health/": MEMBER,
    "events/health/check/": WRITE,
    "events/health/counts.csv": MEMBER,
    "catalog/quality/check/": WRITE,
    "catalog/quality/unknown_item/": MEMBER,
    "catalog/quality/<str:code>/": MEMBER,
    "catalog/sources/": MEMBER,
    "catalog/sources/<str:key>/": WRITE,
    "catalog/sources/<str:key>/run/": WRITE,
    "catalog/sources/<str:key>/delete/": WRITE,
    "events/": MEMBER,
    "events/export/<str:format>/": MEMBER,
    "events/import/": WRITE,
    "events/imports/": MEMBER,
    "events/imports/<int:import_id>/": MEMBER,
    "events/imports/<int:import_id>/errors.csv": MEMBER,
    "events/imports/<int:import_id>/cancel/": WRITE,
    "events/imports/<int:import_id>/resume/": WRITE,
    "keys/": MEMBER,
    "keys/new/": KEYS,
    "keys/<str:key_id>/rotate/": KEYS,
    "keys/<str:key_id>/revoke/": KEYS,
    "team/": MEMBER,
    "team/leave/": MEMBER,
    "team/invite/": MANAGE,
    "team/invitations/<int:invitation>/withdraw/": MANAGE,
    "team/<int:member>/role/": MANAGE,
    "team/<int:member>/remove/": MANAGE,
    "settings/": MANAGE,
    "settings/second-factor/": MANAGE,
    "settings/delete/": OWN,
    "privacy/": MEMBER,
    "privacy/export/": MEMBER,
    "privacy/erase/": WRITE,
    "audit/": OWN,
    "audit/export.csv": OWN,
    "audit/export.jsonl": OWN,
    "shops/": PERSON,
    "shops/switch/": PERSON,
    "shops/new/": PERSON,
    "account/": PERSON,
    "account/sessions/": PERSON,
    "account/send-verification/": PERSON,
    "account/email/": PERSON,
    "account/password/change/": PERSON,
    "account/password/set/": PERSON,
    "account/reauthenticate/": PERSON,
    "account/second-factor/": PERSON,
    "account/second-factor/reauthenticate/": PERSON,
    "account/second-factor/totp/activate/": PERSON,
    "account/second-factor/totp/deactivate/": PERSON,
    "account/second-factor/recovery-codes/": PERSON,
    "account/second-factor/recovery-codes/generate/": PERSON,
    "account/second-factor/recovery-codes/download/": PERSON,
    "account/second-factor/authenticate/": ANYBODY,
    "account/signup/": ANYBODY,
    "account/login/": ANYBODY,
    "account/logout/": ANYBODY,
    "account/inactive/": ANYBODY,
    "account/confirm-email/": ANYBODY,
    r"account/^confirm-email/(?P<key>[-:\w]+)/$": ANYBODY,
    "account/password/reset/": ANYBODY,
    "account/password/reset/done/": ANYBODY,
    "account/password/reset/key/done/": ANYBODY,
    "account/^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$": ANYBODY,
    "account/login/code/confirm/": ANYBODY,
    "invitations/<str:token>/": ANYBODY,
    "login/": ANYBODY,
    "sdk/demo/": ANYBODY,
    "healthz": ANYBODY,
    "readyz": ANYBODY,
}


FOR_PEOPLE = sorted(route for route, whose in PAGES.items() if whose != ANYBODY)
OF_SHOPS = sorted(route for route, whose in PAGES.items() if isinstance(whose, Scope))
TLS = override_settings(
    SECURE_SSL_REDIRECT=True, SECURE_HSTS_SECONDS=31536000, SECURE_HSTS_INCLUDE_SUBDOMAINS=True,
    SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
)  # fmt: skip


def address(route: str) -> str:
    """An address of that route, about a thing that is not there."""
    found = route.replace("(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)", "a-b").replace(r"(?P<key>[-:\w]+)", "x")
    return "/" + re.sub("<(str|path):[a-z_]+>", "0123456789ab", re.sub("<int:[a-z_]+>", "0", found)).replace(
        "^", ""
    ).strip("$")


def at_browser(shop: TenantRef, role: Role = Role.OWNER, **fields: Any) -> Client:
    person = User.objects.create_user(f"{role}@example.com", "correct horse battery", **fields)
    Membership.objects.create(user=person, tenant=Tenant.objects.get(slug=shop.slug), role=role)
    browser = Client(headers={"x-forwarded-proto": "https"})
    browser.force_login(person)
    return browser


def test_every_page_is_in_the_table() -> None:
    found = {route for route, _ in routes(get_resolver().url_patterns)}
    assert {route for route in found if not route.startswith(("api/", "admin/", "sdk/v1/"))} == set(PAGES)


@pytest.mark.parametrize("route", FOR_PEOPLE)
def test_a_stranger_is_sent_to_sign_in(tenant_a: TenantRef, route: str) -> None:
    answers = [Client().get(address(route)), Client().post(address(route))]
    assert any(answer.status_code == 302 for answer in answers)
    for answer in answers:
        assert answer.status_code == 405 or answer["Location"].startswith("/account/login/")


@pytest.mark.parametrize("route", OF_SHOPS)
@pytest.mark.parametrize("role", Role)
def test_a_page_and_its_form_open_to_the_roles_that_have_its_scope(tenant_a: TenantRef, route: str, role: Role) -> None:
    browser = at_browser(tenant_a, role)
    for answer in (browser.get(address(route)), browser.post(address(route))):
        if answer.status_code != 405:
            assert (answer.status_code == 403) == (PAGES[route] not in role.scopes), answer.content


@pytest.mark.parametrize("route", [*PAGES, "nowhere", "admin/", "admin/tenants/user/"])
def test_every_page_says_how_browsers_have_to_treat_it(tenant_a: TenantRef, route: str) -> None:
    with TLS:
        browser = at_browser(tenant_a, is_staff=True, is_superuser=True)
        stranger = Client(headers={"x-forwarded-proto": "https"}).get(address(route))
        signed_in = browser.get(address(route))
    for page in (stranger, signed_in):
        assert page["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
        assert page["X-Content-Type-Options"] == "nosniff"
        assert page["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in page["Content-Security-Policy"]
        assert page["Referrer-Policy"] == page["Cross-Origin-Opener-Policy"] == "same-origin"
        if page.streaming or page.content:
            assert re.fullmatch("text/[a-z]+; charset=utf-8|application/(json|x-ndjson).*", page["Content-Type"])
    assert "no-store" in signed_in["Cache-Control"]


@pytest.mark.parametrize("route", [*FOR_PEOPLE, "admin/", "nowhere"])
def test_every_page_of_who_is_signed_in_has_the_way_out(tenant_a: TenantRef, route: str) -> None:
    page = at_browser(tenant_a, is_staff=True, is_superuser=True).get(address(route))
    if not page.streaming and "</html>" in page.content.decode():
        assert re.search('action="/(account|admin)/logout/"', page.content.decode())


# --- Plain HTTP -----------------------------------------------------------------------------------------------------


def assert_refused(answer: Answer) -> None:
    assert (answer.status, answer.json["code"]) == (403, "insecure_transport")
    assert "location" not in answer.headers


@pytest.mark.parametrize("path", ["recommendations", "strategies", "nowhere", "schema/"])
def test_plain_http_to_the_api_is_refused_and_not_redirected(edge: Any, tenant_a: TenantRef, path: str) -> None:
    api = Api(edge, new_key(tenant_a))
    with TLS:
        for headers in ({}, {"x_forwarded_proto": "http"}, {"x_forwarded_proto": "http, https"}):
            assert_refused(api.get(path, **headers))
            assert_refused(api.post(path, {}, **headers))
        assert api.get(path, x_forwarded_proto="https").status in {200, 404}
    assert api.get(path).status in {200, 404}


def test_plain_http_is_refused_on_the_dashboards_port_as_well_where_pages_redirect(tenant_a: TenantRef) -> None:
    with TLS:
        refused = Client().post("/api/v1/auth/login", {"email": "a@b.example"}, content_type="application/json")
        assert (refused.status_code, refused.json()["code"]) == (403, "insecure_transport")
        page = Client().get("/account/login/")
        assert (page.status_code, page["Location"]) == (301, "https://testserver/account/login/")
        assert Client().get("/healthz").status_code == 200
