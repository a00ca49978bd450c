"""The operators' admin: every page answers, no secret is shown, and what is changed is in the audit log."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.test import Client
from django.urls import reverse
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from recomengine.lib import clock, redis
from tenants import audit, keys, live, tokens
from tenants.models import ApiKey, AuditEntry, Domain, Invitation, Membership, Tenant, Usage, User
from tenants.types import PLATFORM, TenantRef
from tests.conftest import new_key

ADMINISTERED = sorted(admin.site._registry, key=lambda model: model._meta.label)
WITHOUT_PAGES = {
    "auth.Permission": "written by migrations",
    "contenttypes.ContentType": "written by migrations",
    "sessions.Session": "its id signs in; UserSession shows what may be seen",
    "account.EmailConfirmation": "unused: links are signed",
}
SECRET = "seed-of-a-second-factor"
Rows = dict[type[Model], Model]


@pytest.fixture
def rows(tenants: tuple[Tenant, Tenant]) -> Any:
    """A row of every table that has pages."""
    user = User.objects.create_user("ann@example.com")
    tokens.renew(tokens.issue(user).refresh)
    made: list[Model] = [
        tenants[0],
        user,
        Domain.objects.create(domain="shop-a.example", tenant=tenants[0]),
        Membership.objects.create(user=user, tenant=tenants[0], role="owner"),
        Invitation.objects.create(tenant=tenants[0], email="bob@example.com", digest="d1ge57", expires_at=clock.now()),
        Usage.objects.create(tenant=tenants[0], month="2026-01-01", events=5),
        Group.objects.create(name="Support"),
        EmailAddress.objects.create(user=user, email="ann@example.com", verified=True, primary=True),
        Authenticator.objects.create(user=user, type="totp", data={"secret": SECRET}),
        UserSession.objects.create(user=user, ip="192.0.2.1", user_agent="Browser", session_key="5e551onkey"),
        LogEntry.objects.create(
            user=user, content_type=ContentType.objects.get_for_model(Tenant), object_id="1", object_repr="Shop A",
            action_flag=ADDITION,
        ),
    ]  # fmt: skip
    new_key(tenants[0].ref)
    audit.record(PLATFORM, "tenant.edited", tenants[0], tenants[0], before={"notice": ""}, after={"notice": "x"})
    found = {type(row): row for row in made}
    for model in (ApiKey, AuditEntry, OutstandingToken, BlacklistedToken):
        found[model] = model._default_manager.latest("pk")
    yield found
    for model in (Domain, Invitation, Usage, Group, OutstandingToken):
        model._default_manager.all().delete()


@pytest.fixture
def sign_in(tenants: tuple[Tenant, Tenant]) -> Callable[..., Client]:
    def sign_in(*permissions: str, **fields: Any) -> Client:
        user = User.objects.create_user("olga@example.com", **fields)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        browser = Client(REMOTE_ADDR="192.0.2.7")
        browser.force_login(user)
        return browser

    return sign_in


@pytest.fixture
def root(sign_in: Callable[..., Client]) -> Client:
    return sign_in(is_staff=True, is_superuser=True)


def page(model: type[Model], name: str, *arguments: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=arguments)


def pages(model: type[Model], row: Model) -> list[str]:
    listed = page(model, "changelist")
    one = [page(model, name, row.pk) for name in ("change", "history", "delete")]
    return [listed, f"{listed}?q=word", f"{listed}?q=%00", f"{listed}?o=1.-2", page(model, "add"), *one]


def act(browser: Client, model: type[Model], action: str, *chosen: Model) -> str:
    sent = {"action": action, "_selected_action": [row.pk for row in chosen]}
    return browser.post(page(model, "changelist"), sent, follow=True).content.decode()


def last() -> AuditEntry:
    return AuditEntry.objects.latest("pk")


def test_every_public_table_has_pages_or_a_reason() -> None:
    public = {
        model._meta.label
        for config in apps.get_app_configs()
        if config.name in settings.SHARED_APPS
        for model in config.get_models()
    }
    assert public - {model._meta.label for model in ADMINISTERED} == set(WITHOUT_PAGES)


@pytest.mark.parametrize("model", ADMINISTERED, ids=lambda model: model._meta.label)
def test_every_page_answers_a_superuser(model: type[Model], root: Client, rows: Rows) -> None:
    row = rows.get(model) or model._default_manager.first()
    for path in pages(model, row) if row else [page(model, "changelist")]:
        answer = root.get(path)
        assert answer.status_code in {200, 302, 403}, path
    assert root.get(page(model, "changelist")).status_code == 200
    assert row is None or root.get(page(model, "change", row.pk)).status_code == 200
    assert row is None or root.get(page(model, "history", row.pk)).status_code == 200


@pytest.mark.parametrize("model", ADMINISTERED, ids=lambda model: model._meta.label)
def test_filters_answer(model: type[Model], root: Client, rows: Rows) -> None:
    for each in admin.site._registry[model].list_filter:
        for value in ("1", "nonsense", "2026-01-01 00:00:00+00:00"):
            for lookup in (each, f"{each}__exact", f"{each}__gte"):
                answer = root.get(page(model, "changelist"), {lookup: value})
                assert answer.status_code in {200, 302, 400}, (lookup, value)


@pytest.mark.parametrize("model", ADMINISTERED, ids=lambda model: model._meta.label)
def test_staff_without_permissions_and_owners_see_nothing(
    model: type[Model], sign_in: Callable[..., Client], rows: Rows
) -> None:
    staff = sign_in(is_staff=True)
    owner = Client()
    owner.force_login(rows[User])  # type: ignore[arg-type]
    row = rows.get(model) or model._default_manager.first()
    for path in pages(model, row) if row else [page(model, "changelist")]:
        assert staff.get(path).status_code == 403, path
        answer = owner.get(path)
        assert (answer.status_code, answer.headers["Location"].startswith("/admin/login/")) == (302, True), path


def test_no_page_shows_a_secret(root: Client, rows: Rows) -> None:
    key: Any = rows[ApiKey]
    refresh: Any = rows[OutstandingToken]
    OutstandingToken.objects.update(token="wh0le.refresh.token")
    secrets = {key.digest, SECRET, "5e551onkey", "d1ge57", "wh0le.refresh.token", "argon2"}
    for model, row in rows.items():
        for path in (page(model, "changelist"), page(model, "change", row.pk)):
            text = root.get(path).content.decode()
            assert not [secret for secret in secrets if secret in text], path
    assert refresh.jti in root.get(page(OutstandingToken, "changelist")).content.decode()


def test_a_tenants_settings_are_changed_and_logged_with_the_operators_address(root: Client, rows: Rows) -> None:
    tenant: Any = rows[Tenant]
    sent = {
        "name": tenant.name, "currency": "EUR", "timezone": "UTC", "locale": "en", "plan": "growth",
        "notice": "simulated", "allowed_origins": "https://a.example,https://b.example", "event_retention_days": 396,
        "training_every": 60, "serving_log_share": 1.0,
    }  # fmt: skip
    before = redis.client().hget(live.live_key("shop-a"), "auth")
    try:
        answer = root.post(page(Tenant, "change", tenant.pk), sent)
        assert answer.status_code == 302
        tenant.refresh_from_db()
        assert (tenant.plan, tenant.notice) == ("growth", "simulated")
        assert tenant.allowed_origins == ["https://a.example", "https://b.example"]
        assert redis.client().hget(live.live_key("shop-a"), "auth") != before
        entry = last()
        assert (entry.action, entry.actor, entry.address) == ("tenant.edited", "olga@example.com", "192.0.2.7")
        assert entry.before == {"plan": "scale", "notice": "", "allowed_origins": []}
    finally:
        Tenant.objects.update(plan="scale", allowed_origins=[])
    wrong = root.post(page(Tenant, "change", tenant.pk), sent | {"currency": "euro"})
    assert wrong.status_code == 200
    assert last().pk == entry.pk


def test_tenants_are_suspended_activated_and_deleted(root: Client, rows: Rows) -> None:
    tenant: Any = rows[Tenant]
    for action, status in (("suspend", "suspended"), ("activate", "active"), ("delete", "deleted")):
        act(root, Tenant, action, tenant)
        tenant.refresh_from_db()
        assert (tenant.status, last().after, last().actor) == (status, {"status": status}, "olga@example.com")


def test_who_may_change_a_tenant_may_not_delete_it(sign_in: Callable[..., Client], rows: Rows) -> None:
    staff = sign_in("view_tenant", "change_tenant", is_staff=True)
    act(staff, Tenant, "delete", rows[Tenant])
    assert Tenant.objects.get(slug="shop-a").status == "active"
    act(staff, Tenant, "suspend", rows[Tenant])
    assert Tenant.objects.get(slug="shop-a").status == "suspended"


def test_keys_are_revoked_by_those_who_may(root: Client, sign_in: Callable[..., Client], rows: Rows) -> None:
    key: Any = rows[ApiKey]
    made = keys.create_key(key.tenant, keys.KeyType.READ_ONLY, by=keys.Actor(keys.Actor.KEY, key.key_id))
    act(root, ApiKey, "revoke", key, ApiKey.objects.get(key_id=made.key_id))
    assert not ApiKey.objects.usable().exists()
    assert set(AuditEntry.objects.filter(action="api_key.revoked").values_list("actor", flat=True)[:2]) == {
        "olga@example.com"
    }


def test_looking_at_keys_is_not_revoking_them(sign_in: Callable[..., Client], rows: Rows) -> None:
    act(sign_in("view_apikey", is_staff=True), ApiKey, "revoke", rows[ApiKey])
    assert ApiKey.objects.usable().count() == 1


def test_addresses_and_passwords_are_not_edited_and_names_are(root: Client, rows: Rows) -> None:
    user: Any = rows[User]
    password = user.password
    sent = {"name": "Ann", "email": "eve@example.com", "password": "x", "is_active": ""}
    assert root.post(page(User, "change", user.pk), sent).status_code == 302
    user.refresh_from_db()
    assert (user.name, user.email, user.password, user.is_active) == ("Ann", "ann@example.com", password, True)
    assert (last().action, last().before, last().after) == ("person.edited", {"name": ""}, {"name": "Ann"})


def test_rights_are_given_by_superusers_only(root: Client, rows: Rows) -> None:
    user: Any = rows[User]
    sent = {"name": "", "is_staff": "on", "groups": [rows[Group].pk]}
    other = User.objects.create_user("staff@example.com", is_staff=True)
    other.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "change_user", "change_group"]))
    staff = Client()
    staff.force_login(other)
    assert staff.post(page(User, "change", user.pk), sent | {"is_superuser": "on"}).status_code == 302
    assert staff.post(page(Group, "change", rows[Group].pk), {"name": "All"}).status_code == 403
    user.refresh_from_db()
    assert (user.is_staff, user.is_superuser, user.groups.count()) == (False, False, 0)
    assert root.post(page(User, "change", user.pk), sent).status_code == 302
    user.refresh_from_db()
    assert (user.is_staff, user.is_superuser, user.groups.count()) == (True, False, 1)
    rights, groups = AuditEntry.objects.filter(action="person.edited").order_by("-pk")[1], last()
    assert (rights.before, rights.after) == ({"is_staff": False}, {"is_staff": True})
    assert (groups.before, groups.after) == ({"groups": []}, {"groups": ["Support"]})


def test_people_are_disabled_and_enabled_but_not_oneself(root: Client, rows: Rows) -> None:
    user: Any = rows[User]
    for action, active in (("disable", False), ("enable", True)):
        act(root, User, action, user)
        user.refresh_from_db()
        assert (user.is_active, last().after, last().address) == (active, {"is_active": active}, "192.0.2.7")
    assert "Nobody disables or enables herself." in act(root, User, "disable", User.objects.get(is_superuser=True))
    assert User.objects.get(is_superuser=True).is_active


def test_staff_disable_no_staff(sign_in: Callable[..., Client], rows: Rows) -> None:
    boss = User.objects.create_user("root@example.com", is_staff=True, is_superuser=True)
    staff = sign_in("view_user", "change_user", is_staff=True)
    assert "Only superusers disable and enable staff." in act(staff, User, "disable", boss)
    boss.refresh_from_db()
    assert boss.is_active


def test_memberships_are_made_changed_and_ended_and_an_owner_stays(
    root: Client, rows: Rows, tenants: tuple[Tenant, Tenant]
) -> None:
    user: Any = rows[User]
    sent = {"user": user.pk, "tenant": tenants[1].pk, "role": "viewer"}
    assert root.post(page(Membership, "add"), sent).status_code == 302
    made = Membership.objects.get(tenant=tenants[1])
    assert (last().action, last().tenant, last().after) == ("member.joined", tenants[1], {"role": "viewer"})
    assert root.post(page(Membership, "change", made.pk), {"role": "editor"}).status_code == 302
    assert (last().before, last().after) == ({"role": "viewer"}, {"role": "editor"})
    assert root.post(page(Membership, "delete", made.pk), {"post": "yes"}).status_code == 302
    assert (last().action, last().address) == ("member.removed", "192.0.2.7")
    owner = rows[Membership]
    for path, data in (("delete", {"post": "yes"}), ("change", {"role": "viewer"})):
        answer = root.post(page(Membership, path, owner.pk), data, follow=True)
        assert "keeps at least one owner" in answer.content.decode()
    answer = root.post(
        page(Membership, "changelist"), {"action": "delete_selected", "_selected_action": [owner.pk], "post": "yes"},
        follow=True,
    )  # fmt: skip
    assert "keeps at least one owner" in answer.content.decode()
    assert Membership.objects.get().role == "owner"


def test_groups_are_logged_with_what_they_allow(root: Client, rows: Rows) -> None:
    group: Any = rows[Group]
    right = Permission.objects.get(codename="view_tenant")
    assert root.post(page(Group, "change", group.pk), {"name": "Desk", "permissions": [right.pk]}).status_code == 302
    entry = last()
    assert (entry.action, entry.before) == ("group.edited", {"name": "Support", "permissions": []})
    assert entry.after == {"name": "Desk", "permissions": [str(right)]}
    assert root.post(page(Group, "delete", group.pk), {"post": "yes"}).status_code == 302
    assert (last().action, last().object_id) == ("group.deleted", "Desk")


@pytest.mark.parametrize("model", [AuditEntry, Usage, LogEntry, Invitation, ApiKey], ids=lambda model: model.__name__)
def test_what_is_read_only_cannot_be_changed(model: type[Model], root: Client, rows: Rows) -> None:
    for name in ("change", "delete"):
        assert root.post(page(model, name, rows[model].pk), {"post": "yes"}).status_code == 403
    assert root.post(page(model, "add")).status_code == 403


def test_the_entry_of_a_purged_tenant_is_shown(root: Client, rows: Rows) -> None:
    AuditEntry.objects.create(
        tenant_id=999_999, actor="x", action="tenant.purged", object_id="gone", object_type="tenant"
    )
    assert "purged (999999)" in root.get(page(AuditEntry, "changelist")).content.decode()
    assert "purged (999999)" in root.get(page(AuditEntry, "change", last().pk)).content.decode()


def test_the_home_page_says_how_the_platform_stands(root: Client, rows: Rows, tenant_b: TenantRef) -> None:
    redis.client().hset(live.live_key("shop-b"), live.events_field(clock.now()), 90_000_000)
    audit.record(PLATFORM, "person.registered", ("user", "carl@example.com"))
    Tenant.objects.filter(slug="shop-a").update(status="suspended")
    context = root.get("/admin/").context
    counts = {each["name"]: each["count"] for each in context["statuses"]}
    assert counts == {"active": 1, "suspended": 1, "deleted": 0}
    assert context["sign_ups"] >= 1
    assert context["full"]["rows"] == [["shop-b", "scale", "90000000", "100000000", "90.0%"]]
    assert context["latest"]["rows"][0][2:] == ["person.registered", "carl@example.com"]
    text = root.get("/admin/").content.decode()
    assert "90.0%" in text
    assert "carl@example.com" in text


def test_the_home_page_keeps_from_staff_what_they_may_not_see(sign_in: Callable[..., Client], rows: Rows) -> None:
    answer = sign_in(is_staff=True).get("/admin/")
    assert answer.status_code == 200
    assert "ann@example.com" not in answer.content.decode()
    assert (answer.context["statuses"], answer.context["full"], answer.context["latest"]) == ([], None, None)


def test_the_admins_search_answers(root: Client, rows: Rows) -> None:
    for words in ("", "shop", "ann@example.com", "\x00"):
        assert root.get("/admin/search/", {"s": words}).status_code == 200
    completed = root.get(
        "/admin/autocomplete/",
        {"term": "shop", "app_label": "tenants", "model_name": "membership", "field_name": "tenant"},
    )
    assert [each["text"] for each in completed.json()["results"]] == ["Shop A", "Shop B"]


def test_a_sign_up_of_long_ago_is_not_counted(root: Client, rows: Rows) -> None:
    before = root.get("/admin/").context["sign_ups"]
    AuditEntry.objects.create(
        action="person.registered", actor="x", object_type="user", object_id="old@example.com",
        at=clock.now() - timedelta(days=8),
    )  # fmt: skip
    assert root.get("/admin/").context["sign_ups"] == before
