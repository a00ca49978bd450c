"""What operators type about tenants and keys: help, answers, refusals, and what the audit log keeps of it."""

import json
import shlex
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command, get_commands, load_command_class
from django.db import connection

from imports import storing
from imports.storing import Files
from recomengine.lib import clock, redis
from recomengine.lib.commands import OperatorCommand
from recommendations.releases import modelstore
from recommendations.releases.modelstore import Model
from tenants import changing, keys, live, schemas
from tenants.models import ApiKey, AuditEntry, Tenant, Usage, User
from tenants.provisioning import create_tenant
from tenants.types import TenantRef
from tests.conftest import new_key
from tests.tenants.operating import answer, last_entry, person, refused, text

pytestmark = pytest.mark.usefixtures("tenants")
FOR_LOCAL_WORK = {"demo", "services", "describe_database", "assign"}
OURS = sorted(
    name
    for name, app in get_commands().items()
    if app == "recomengine" or app in settings.TENANT_APPS or app == "tenants"
)


@pytest.fixture
def gift_shop(tenants: tuple[Tenant, Tenant]) -> Any:
    yield create_tenant("gift-shop", "Gift Shop")
    schemas.drop("t_gift_shop")


@pytest.mark.parametrize("name", [name for name in OURS if name not in FOR_LOCAL_WORK])
def test_every_commands_help_says_what_it_does_with_an_example_and_its_exit_codes(name: str) -> None:
    command = load_command_class(get_commands()[name], name)
    assert isinstance(command, OperatorCommand)
    shown = command.create_parser("manage.py", name).format_help()
    assert len(command.help) > 30
    assert command.help.endswith(".")
    assert "--json" in shown
    assert f"\n  manage.py {name}" in shown
    assert "Exit codes:\n  0  done" in shown
    assert "--settings" not in shown
    assert max(map(len, shown.splitlines())) <= 120


@pytest.mark.parametrize("name", [name for name in OURS if name not in FOR_LOCAL_WORK])
def test_every_example_is_a_call_that_the_command_understands(name: str) -> None:
    command = load_command_class(get_commands()[name], name)
    assert isinstance(command, OperatorCommand)
    for example in command.examples:
        command.create_parser("manage.py", name).parse_args(shlex.split(example.partition(" < ")[0]))


def test_a_tenant_with_all_its_settings_an_owner_and_keys() -> None:
    person()
    arguments = ["gift-shop", "Gift Shop", "--owner", "ANN@example.com", "--with-keys", "--plan", "growth"]
    arguments += ["--currency", "GBP", "--timezone", "Europe/London", "--locale", "en-GB", "--notice", "simulated"]
    try:
        made = answer("create_tenant", *arguments, "--origin", "https://a.example", "--origin", "https://b.example")
        shown = answer("show_tenant", "gift-shop")
    finally:
        schemas.drop("t_gift_shop")
    assert set(made["keys"]) == {"pub", "ro", "rw"}
    assert keys.authenticate(made["keys"]["rw"]).tenant.slug == "gift-shop"
    assert shown["allowed_origins"] == ["https://a.example", "https://b.example"]
    assert (shown["plan"], shown["currency"], shown["timezone"]) == ("growth", "GBP", "Europe/London")
    assert (shown["locale"], shown["notice"], shown["usable_keys"]) == ("en-GB", "simulated", 3)
    assert shown["owners"] == ["ann@example.com"]
    assert last_entry("tenant.created").actor_kind == "operator"


def test_an_owner_without_an_account_stops_the_creation_before_it_begins() -> None:
    assert refused("create_tenant", "gift-shop", "Gift Shop", "--owner", "nobody@example.com") == "not_found"
    assert not Tenant.objects.filter(slug="gift-shop").exists()


def test_the_list_of_tenants_is_filtered_and_says_what_was_used(tenant_b: TenantRef) -> None:
    redis.client().hset(live.live_key("shop-b"), live.events_field(clock.now()), 25_000_000)
    text("suspend_tenant", "shop-b")
    rows = {row["slug"]: row for row in answer("list_tenants")}
    assert (rows["shop-b"]["events"], rows["shop-b"]["used"], rows["shop-a"]["used"]) == (25_000_000, "25.0%", "0.0%")
    assert [row["slug"] for row in answer("list_tenants", "--status", "suspended")] == ["shop-b"]
    assert [row["slug"] for row in answer("list_tenants", "--q", "SHOP a")] == ["shop-a"]
    assert answer("list_tenants", "--plan", "trial") == []
    assert text("list_tenants", "--plan", "trial") == "There are none.\n"
    lines = text("list_tenants").splitlines()
    assert lines[0].split()[:4] == ["slug", "name", "status", "plan"]
    assert [line.split()[0] for line in lines[1:]] == ["shop-a", "shop-b"]


def test_settings_are_changed_and_the_log_says_from_what_to_what() -> None:
    changed = answer("edit_tenant", "shop-a", "--notice", "simulated", "--requires-second-factor")
    assert (changed["notice"], changed["requires_second_factor"]) == ("simulated", True)
    entry = last_entry("tenant.edited")
    assert (entry.before, entry.after) == (
        {"notice": "", "requires_second_factor": False}, {"notice": "simulated", "requires_second_factor": True},
    )  # fmt: skip
    answer("edit_tenant", "shop-a", "--no-requires-second-factor", "--origin", "https://a.example")
    assert answer("edit_tenant", "shop-a", "--no-origins")["allowed_origins"] == []
    assert refused("edit_tenant", "shop-a", "--currency", "euro") == "invalid"
    changed = answer(
        "edit_tenant", "shop-a", "--event-retention-days", "90", "--event-type", "wish", "--event-type", "pin"
    )
    assert (changed["event_retention_days"], changed["event_types"]) == (90, ["wish", "pin"])
    assert answer("edit_tenant", "shop-a", "--no-event-types")["event_types"] == []
    assert refused("edit_tenant", "shop-a", "--event-type", "view") == "invalid"
    assert refused("edit_tenant", "shop-a") == "invalid"
    assert refused("edit_tenant", "no-shop", "--notice", "x") == "not_found"


def test_a_tenant_is_suspended_deleted_and_brought_back(monkeypatch: pytest.MonkeyPatch) -> None:
    assert answer("suspend_tenant", "shop-a")["status"] == "suspended"
    monkeypatch.setattr("builtins.input", lambda: "shop-b")
    assert refused("delete_tenant", "shop-a") == "invalid"
    assert Tenant.objects.get(slug="shop-a").status == "suspended"
    monkeypatch.setattr("builtins.input", lambda: " shop-a\n")
    assert answer("delete_tenant", "shop-a")["status"] == "deleted"
    assert answer("activate_tenant", "shop-a")["status"] == "active"
    assert answer("delete_tenant", "shop-a", "--yes")["status"] == "deleted"


def test_purging_destroys_all_of_a_tenant_but_its_audit_log(gift_shop: Tenant, tenant_b: TenantRef) -> None:
    new_key(gift_shop.ref)
    modelstore.save(gift_shop.ref, "v1", Model({}))
    modelstore.save(tenant_b, "v1", Model({}))
    for shop in (gift_shop.ref, tenant_b):
        Files().home(shop).mkdir(parents=True, exist_ok=True)
        Files().path(shop, 1).write_bytes(b"x")
    redis.client().set("{gift-shop}:config", b"x")
    live.changed("shop-b", "auth")
    assert answer("purge_tenants", "--grace-days", "0") == []
    changing.delete_tenant(gift_shop)
    assert answer("purge_tenants") == []
    assert [row["purged"] for row in answer("purge_tenants", "--grace-days", "0", "--dry-run")] == [False]
    Tenant.objects.filter(slug="gift-shop").update(deleted_at=clock.now() - timedelta(days=31))
    assert [row["slug"] for row in answer("purge_tenants")] == ["gift-shop"]
    assert not Tenant.objects.filter(slug="gift-shop").exists()
    assert not schema_exists("t_gift_shop")
    assert list(redis.client().scan_iter(match="{gift-shop}:*")) == []
    assert not modelstore.has(gift_shop.ref, "v1")
    assert modelstore.has(tenant_b, "v1")
    assert (Files().home(gift_shop.ref).exists(), Files().path(tenant_b, 1).exists()) == (False, True)
    assert redis.client().exists(live.live_key("shop-b"))
    assert last_entry("tenant.purged").object_id == "gift-shop"
    assert answer("purge_tenants") == []
    modelstore.remove(tenant_b)
    storing.remove(tenant_b)


def test_a_purge_that_was_interrupted_is_finished_by_the_next(
    gift_shop: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    changing.delete_tenant(gift_shop)
    modelstore.save(gift_shop.ref, "v1", Model({}))
    monkeypatch.setattr(schemas, "drop", interrupt)
    with pytest.raises(KeyboardInterrupt):
        text("purge_tenants", "--grace-days", "0")
    monkeypatch.undo()
    assert Tenant.objects.get(slug="gift-shop").status == "deleted"
    assert schema_exists("t_gift_shop")
    assert [row["slug"] for row in answer("purge_tenants", "--grace-days", "0")] == ["gift-shop"]
    assert not schema_exists("t_gift_shop")
    assert AuditEntry.objects.filter(action="tenant.purged", tenant_id=gift_shop.pk).count() == 1


def interrupt(_: str) -> None:
    raise KeyboardInterrupt


def schema_exists(name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [name])
        return cursor.fetchone() is not None


def test_a_key_with_all_its_settings_its_successor_and_its_end() -> None:
    made = answer(
        "create_key", "shop-a", "ro", "--name", "ERP", "--expires-at", "2099-01-31", "--requests-per-second", "5"
    )
    row = ApiKey.objects.get(key_id=made["key_id"])
    assert (row.name, row.requests_per_second, str(row.expires_at)) == ("ERP", 5, "2099-01-31 00:00:00+00:00")
    successor = answer("rotate_key", "shop-a", made["key_id"], "--overlap-hours", "1")
    assert keys.authenticate(successor["key"]).requests_per_second == 5
    assert successor["former"] == made["key_id"]
    ended = answer("revoke_key", "shop-a", successor["key_id"])
    assert [each["key_id"] for each in ended] == [successor["key_id"]]
    listed = answer("list_keys", "shop-a")
    assert {each["key_id"]: each["status"] for each in listed} == {
        made["key_id"]: "active", successor["key_id"]: "revoked"
    }  # fmt: skip
    assert [each["key_id"] for each in answer("list_keys", "shop-a", "--usable")] == [made["key_id"]]
    assert answer("list_keys", "shop-b") == []
    assert refused("revoke_key", "shop-b", made["key_id"]) == "not_found"
    assert refused("rotate_key", "shop-a", made["key_id"], "--overlap-hours", "721") == "invalid"
    assert refused("create_key", "shop-a", "rw", "--origin", "https://a.example") == "invalid"


def test_the_list_of_keys_says_which_pepper_each_needs(settings: Any) -> None:
    key = new_key(Tenant.objects.get(slug="shop-a").ref)
    assert answer("list_keys", "shop-a")[0]["pepper"] == "current"
    settings.API_KEY_OLD_PEPPERS, settings.API_KEY_PEPPER = [settings.API_KEY_PEPPER], "another " * 8
    assert answer("list_keys", "shop-a")[0]["pepper"] == "old"
    keys.authenticate(key)
    assert answer("list_keys", "shop-a")[0]["pepper"] == "current"
    settings.API_KEY_OLD_PEPPERS, settings.API_KEY_PEPPER = [], "a third one " * 6
    assert answer("list_keys", "shop-a")[0]["pepper"] == "lost"


def test_secrets_reach_the_terminal_and_neither_logs_nor_lists(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    key = answer("create_key", "shop-a", "rw")["key"]
    successor = answer("rotate_key", "shop-a", key.split("_")[2])["key"]
    password = answer("create_person", "ann@example.com", "--generate-password")["password"]
    told = text("list_keys", "shop-a") + text("list_people") + text("show_audit", limit=1000)
    told += text("show_audit", limit=1000, as_json=True) + caplog.text
    for secret in (
        key.split("_")[3],
        successor.split("_")[3],
        password,
        *ApiKey.objects.values_list("digest", flat=True),
    ):
        assert secret not in told
    assert User.objects.get().check_password(password)


def test_the_audit_log_is_shown_an_entry_a_line_and_filtered() -> None:
    began = clock.now().isoformat()
    text("suspend_tenant", "shop-a")
    text("activate_tenant", "shop-a")
    text("create_key", "shop-b", "ro")
    lines = [json.loads(line) for line in text("show_audit", "--since", began, as_json=True).splitlines()]
    assert [line["action"] for line in lines] == ["api_key.created", "tenant.activated", "tenant.suspended"]
    assert lines[2]["before"] == {"status": "active"}
    filtered = text("show_audit", "--tenant", "shop-a", "--action", "tenant.", "--limit", "1", "--since", began)
    assert "tenant.activated" in filtered
    assert "tenant.suspended" not in filtered
    assert text("show_audit", "--until", "2001-01-01") == "There are none.\n"


def test_usage_by_tenant_and_month(tenants: tuple[Tenant, Tenant]) -> None:
    month = f"{clock.now():%Y-%m}"
    Usage.objects.create(tenant=tenants[0], month="2026-01-01", events=12)
    redis.client().hset(live.live_key("shop-a"), live.events_field(clock.now()), 34)
    try:
        rows = [(row["tenant"], row["month"], row["events"]) for row in answer("usage")]
        assert rows == [("shop-a", month, 34), ("shop-a", "2026-01", 12), ("shop-b", month, 0)]
        assert [row["events"] for row in answer("usage", "shop-a", "--month", "2026-01")] == [12]
    finally:
        Usage.objects.all().delete()
    assert refused("usage", "--month", "January") == "invalid"


def test_a_refusal_for_people_is_a_sentence() -> None:
    with pytest.raises(CommandError, match=r"There is no tenant 'no-shop' here\."):
        call_command("show_tenant", "no-shop")
