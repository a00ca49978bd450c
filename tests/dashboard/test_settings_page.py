"""The settings page, the plan's use on every page, and a shop's beginning and end."""

import re
from datetime import date

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client
from redis.exceptions import ConnectionError

from recomengine.lib import clock, redis
from tenants import keys, live
from tenants.models import AuditEntry, Membership, Tenant, Usage, User
from tenants.types import Role, TenantRef
from tests.conftest import new_key
from tests.dashboard.conftest import PASSWORD, SignIn

MAY = {Role.VIEWER: False, Role.EDITOR: False, Role.ADMIN: True, Role.OWNER: True}
KEY = re.compile(r"rec_(?:pub|ro|rw)_[a-z0-9]{12}_[a-z0-9]{48}")
SETTINGS = {
    "name": "Mugs & more",
    "currency": "gbp",
    "timezone": "Europe/London",
    "locale": "en-GB",
    "allowed_origins": "https://mugs.example/",
    "event_retention_days": "90",
    "event_types": "wishlist\nnewsletter_sign_up",
    "training_every": "120",
    "serving_log_share": "0.25",
}
NEW = {"name": "Café Müller", "slug": "", "currency": "EUR", "timezone": "Europe/Berlin", "locale": "de"}


def row(tenant: TenantRef) -> Tenant:
    return Tenant.objects.get(slug=tenant.slug)


def with_second_factor(email: str) -> None:
    user = User.objects.get(email=email)
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": "x"})


def used(tenant: TenantRef, events: int) -> None:
    redis.client().hset(live.live_key(tenant.slug), live.events_field(clock.now()), events)


@pytest.mark.parametrize("role", Role)
def test_admins_and_owners_change_settings(sign_in: SignIn, tenant_a: TenantRef, role: Role) -> None:
    browser = sign_in(tenant_a, role=role)
    assert browser.get("/settings/").status_code == (200 if MAY[role] else 403)
    assert ('href="/settings/"' in browser.get("/").content.decode()) == MAY[role]
    assert browser.post("/settings/", SETTINGS).status_code == (302 if MAY[role] else 403)
    assert browser.post("/settings/second-factor/", {"required": "no"}).status_code == (302 if MAY[role] else 403)
    assert (row(tenant_a).name == "Mugs & more") == MAY[role]


def test_saved_settings_hold_and_are_recorded(owner: Client, tenant_a: TenantRef) -> None:
    page = owner.post("/settings/", SETTINGS, follow=True).content.decode()
    assert "The settings are saved." in page
    assert "Mugs &amp; more" in page
    saved = row(tenant_a)
    assert (saved.currency, saved.timezone, saved.locale) == ("GBP", "Europe/London", "en-GB")
    assert saved.allowed_origins == ["https://mugs.example"]
    assert (saved.event_retention_days, saved.event_types) == (90, ["wishlist", "newsletter_sign_up"])
    assert (saved.training_every, saved.serving_log_share) == (120, 0.25)
    assert "view, click, impression" in page
    assert "\nwishlist\nnewsletter_sign_up</textarea>" in page
    entry = AuditEntry.objects.filter(action="tenant.edited").latest("pk")
    assert (entry.before["name"], entry.after["name"]) == ("Shop A", "Mugs & more")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": ""}, "This field is required"),
        ({"name": "x" * 121}, "at most 120 characters"),
        ({"name": "a\x00"}, "Null characters are not allowed"),
        ({"currency": "EURO"}, "at most 3 characters"),
        ({"currency": "€€€"}, "Enter a valid value"),
        ({"timezone": "Mars/Olympus"}, "Select a valid choice"),
        ({"locale": "english"}, "Use a language tag"),
        ({"allowed_origins": "javascript:alert(1)"}, "is no origin. An origin is"),
        ({"allowed_origins": "https://" + "x" * 300}, "at most 200 characters"),
        ({"event_retention_days": "29"}, "greater than or equal to 30"),
        ({"event_retention_days": "3661"}, "less than or equal to 3660"),
        ({"training_every": "5"}, "whole number of minutes from 10"),
        ({"serving_log_share": "1.5"}, "less than or equal to 1"),
        ({"serving_log_share": "nan"}, "Enter a number"),
        ({"event_retention_days": ""}, "This field is required"),
        ({"event_types": "Wish List"}, "is no type. A type of event is 1 to 32"),
        ({"event_types": "view"}, "is a built-in type"),
        ({"event_types": "wish\nwish"}, "is there twice"),
        ({"event_types": "\n".join(f"t{number}" for number in range(51))}, "At most 50 types"),
    ],
)
def test_a_wrong_setting_is_named_and_the_others_are_kept(
    owner: Client, tenant_a: TenantRef, wrong: dict[str, str], message: str
) -> None:
    answer = owner.post("/settings/", {**SETTINGS, **wrong})
    page = answer.content.decode()
    assert answer.status_code == 400
    assert message in page
    assert '<option value="Europe/London" selected>' in page or "timezone" in wrong
    assert row(tenant_a).name == "Shop A"


def test_names_are_text_and_never_markup(owner: Client, tenant_a: TenantRef) -> None:
    page = owner.post("/settings/", {**SETTINGS, "name": "<script>alert(1)</script>"}, follow=True).content.decode()
    assert "<script>alert" not in page


def test_requiring_a_second_factor_takes_one_and_names_those_without(
    owner: Client, sign_in: SignIn, tenant_a: TenantRef
) -> None:
    sign_in(tenant_a)
    page = owner.get("/settings/").content.decode()
    assert "would be shut out" in page
    assert "ann@example.com" in page.split("would be shut out")[1]
    told = owner.post("/settings/second-factor/", {"required": "yes"}, follow=True).content.decode()
    assert "Set up a second factor of your own first" in told
    assert not row(tenant_a).requires_second_factor
    with_second_factor("owner@example.com")
    owner.post("/settings/second-factor/", {"required": "yes"})
    assert row(tenant_a).requires_second_factor
    assert "Shut out until they set one up" in owner.get("/settings/").content.decode()
    owner.post("/settings/second-factor/", {"required": "no"})
    assert not row(tenant_a).requires_second_factor


def test_a_shop_that_requires_a_second_factor_is_closed_without_one(ann: Client, tenant_a: TenantRef) -> None:
    Tenant.objects.update(requires_second_factor=True)
    for address in ("/keys/", "/team/", "/team/leave/"):
        assert ann.get(address)["Location"] == "/account/second-factor/"
    with_second_factor("ann@example.com")
    assert ann.get("/keys/").status_code == 200


def test_the_plan_its_use_and_former_months_are_shown(owner: Client, tenant_a: TenantRef) -> None:
    Tenant.objects.update(plan="trial")
    Usage.objects.create(tenant=row(tenant_a), month=date(2020, 2, 1), events=7654321)
    used(tenant_a, 123_456)
    page = owner.get("/settings/").content.decode()
    assert "123,456" in page
    assert "of 1,000,000 events this month" in " ".join(re.sub("<[^>]+>", "", page).split())
    assert 'width="12.3%"' in page
    assert "February 2020" in page
    assert "7,654,321" in page


def test_an_unlimited_plan_has_no_bar(owner: Client, tenant_a: TenantRef) -> None:
    Tenant.objects.update(plan="enterprise")
    used(tenant_a, 10**12)
    page = owner.get("/settings/").content.decode()
    assert "unlimited" in page
    assert 'aria-label="' not in page.split('id="plan"')[1].split("</section>")[0]
    assert "used up" not in page


@pytest.mark.parametrize(
    ("events", "said"),
    [
        (799_999, None),
        (800_000, "800,000 of the month's 1,000,000 events are used."),
        (1_000_000, "The month's events are used up."),
    ],
)
def test_every_page_says_when_events_run_out(ann: Client, tenant_a: TenantRef, events: int, said: str | None) -> None:
    Tenant.objects.update(plan="trial")
    used(tenant_a, events)
    for address in ("/", "/previewer/", "/keys/", "/team/"):
        page = ann.get(address).content.decode()
        assert said in page if said else "events are used" not in page


def test_pages_go_on_while_the_count_of_events_is_away(owner: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(tenant: TenantRef) -> None:
        raise ConnectionError("Redis is away")

    monkeypatch.setattr("tenants.quotas.use", away)
    assert owner.get("/team/").status_code == 200
    assert "cannot be read just now" in owner.get("/settings/").content.decode()


def test_a_shop_is_deleted_by_its_owner_who_types_its_slug(owner: Client, tenant_a: TenantRef) -> None:
    text = new_key(tenant_a)
    owner.post("/shops/switch/", {"shop": tenant_a.slug})
    for typed in ("", "Shop A", "shop-b", "shop-a\x00"):
        answer = owner.post("/settings/delete/", {"slug": typed})
        assert answer.status_code == 400
        assert "That is not the name" in answer.content.decode()
    answer = owner.post("/settings/delete/", {"slug": "shop-a"}, follow=True)
    assert answer.redirect_chain[-1][0] == "/shops/"
    assert "Shop A is deleted" in answer.content.decode()
    assert row(tenant_a).status == Tenant.Status.DELETED
    assert owner.get("/")["Location"] == "/shops/"
    with pytest.raises(Exception, match="unknown, revoked or expired"):
        keys.authenticate(text)


def test_whoever_deletes_a_shop_shows_anew_who_she_is(owner: Client, tenant_a: TenantRef) -> None:
    person = User.objects.get(email="owner@example.com")
    person.set_password(PASSWORD)
    person.save()
    owner.force_login(person)
    page = "/settings/delete/"
    for answer in (owner.get(page), owner.post(page, {"slug": "shop-a"})):
        assert answer["Location"].startswith("/account/reauthenticate/")
    assert row(tenant_a).status == Tenant.Status.ACTIVE
    owner.post("/account/reauthenticate/", {"password": "wrong wrong wrong", "next": page})
    assert row(tenant_a).status == Tenant.Status.ACTIVE
    done = owner.post("/account/reauthenticate/", {"password": PASSWORD, "next": page})  # goes on where it stopped
    assert done["Location"] == "/shops/"
    assert row(tenant_a).status == Tenant.Status.DELETED


@pytest.mark.parametrize("role", [Role.VIEWER, Role.EDITOR, Role.ADMIN])
def test_nobody_but_an_owner_deletes_a_shop(sign_in: SignIn, tenant_a: TenantRef, role: Role) -> None:
    browser = sign_in(tenant_a, role=role)
    assert browser.get("/settings/delete/").status_code == 403
    assert browser.post("/settings/delete/", {"slug": tenant_a.slug}).status_code == 403
    assert row(tenant_a).status == Tenant.Status.ACTIVE


def test_forms_need_their_token(owner: Client, tenant_a: TenantRef) -> None:
    careful = Client(enforce_csrf_checks=True)
    careful.cookies = owner.cookies
    for address in ("/settings/", "/settings/second-factor/", "/settings/delete/", "/shops/new/"):
        assert careful.post(address, {**NEW, "slug": tenant_a.slug}).status_code == 403


@pytest.mark.slow
def test_whoever_is_signed_in_opens_a_shop_and_sees_its_keys_once(sign_in: SignIn) -> None:
    browser = sign_in()
    assert browser.get("/shops/new/").status_code == 200
    answer = browser.post("/shops/new/", NEW)
    shown = list(dict.fromkeys(KEY.findall(answer.content.decode())))
    assert "no-store" in answer["Cache-Control"]
    assert {keys.authenticate(text).tenant.slug for text in shown} == {"cafe-muller"}
    assert [text[:7] for text in shown] == ["rec_pub", "rec_ro_", "rec_rw_"]
    assert Membership.objects.get(tenant__slug="cafe-muller").role == Role.OWNER
    assert Tenant.objects.get(slug="cafe-muller").timezone == "Europe/Berlin"
    assert "Café Müller" in browser.get("/keys/").content.decode()
    assert not any(text in browser.get(address).content.decode() for text in shown for address in ("/", "/keys/"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"slug": "shop-a"}, "There is a tenant &#x27;shop-a&#x27; already"),
        ({"slug": "Shop A"}, "Use 2 to 40 lower-case letters"),
        ({"name": ""}, "This field is required"),
        ({"name": "\x00"}, "Null characters are not allowed"),
        ({"timezone": "Nowhere"}, "Select a valid choice"),
    ],
)
def test_a_shop_that_cannot_be_opened_says_why(ann: Client, wrong: dict[str, str], message: str) -> None:
    answer = ann.post("/shops/new/", {**NEW, **wrong})
    page = answer.content.decode()
    assert answer.status_code == 400
    assert message in page
    assert '<option value="Europe/Berlin" selected>' in page or "timezone" in wrong


def test_a_sixth_shop_is_for_the_operators_to_open(
    owner: Client, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenants.provisioning.MAX_OWN", 1)
    assert "ask the operators for more" in owner.post("/shops/new/", NEW).content.decode()


def test_a_suspended_shop_says_what_it_is_and_who_can_open_it(sign_in: SignIn, tenant_a: TenantRef) -> None:
    member = sign_in(tenant_a, role=Role.OWNER)
    Tenant.objects.filter(slug=tenant_a.slug).update(status=Tenant.Status.SUSPENDED)
    for address in ("/", "/keys/", "/settings/", "/audit/"):
        answer = member.get(address)
        page = answer.content.decode()
        assert answer.status_code == 403
        assert "Shop A is suspended" in page
        assert "ask the operators" in page
        assert "owner" in page


@pytest.mark.parametrize("address", ["/", "/keys/", "/team/", "/shops/", "/shops/new/", "/previewer/"])
def test_a_header_that_names_another_shop_finds_nothing(
    ann: Client, tenant_a: TenantRef, tenant_b: TenantRef, address: str
) -> None:
    assert ann.get(address, headers={"X-Tenant": tenant_a.slug}).status_code == 200
    for other in (tenant_b.slug, "no-such-shop", ""):
        assert ann.get(address, headers={"X-Tenant": other}).status_code == 404


def test_a_header_that_names_another_than_the_current_shop_finds_nothing(
    sign_in: SignIn, tenant_a: TenantRef, tenant_b: TenantRef
) -> None:
    both = sign_in(tenant_a, tenant_b)
    both.post("/shops/switch/", {"shop": tenant_a.slug})
    assert both.get("/keys/", headers={"X-Tenant": tenant_b.slug}).status_code == 404
