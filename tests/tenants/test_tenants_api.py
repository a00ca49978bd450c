"""Tenants through the API: by their owners, and by the platform's staff."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from events.types import EventType
from recomengine.lib import clock
from tenants import changing, schemas, tokens
from tenants.models import AuditEntry, Membership, Tenant, User
from tenants.types import Role, TenantRef
from tests.api import Answer, Api
from tests.conftest import new_key


def refusal(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json["code"]


def person(edge: Any, *shops: TenantRef, role: Role = Role.OWNER, **fields: Any) -> Api:
    user = User.objects.create_user(f"{role}{len(shops)}{len(fields)}@example.com", **fields)
    for shop in shops:
        Membership.objects.create(user=user, tenant=Tenant.objects.get(slug=shop.slug), role=role)
    return Api(edge, None, token=tokens.issue(user).access)


@pytest.fixture
def staff(edge: Any, tenants: Any) -> Iterator[Api]:
    yield person(edge, is_staff=True)
    schemas.drop("t_tea")


@pytest.fixture
def owner(edge: Any, tenant_a: TenantRef) -> Api:
    return person(edge, tenant_a)


def slugs(answer: Answer) -> list[str]:
    return [each["slug"] for each in answer.json["results"]]


def a_second_later(api: Api, happens: Any) -> None:
    """See that something happens when what the process knows is a second older."""
    api.edge.age(1.0)
    assert happens()


def test_an_owner_reads_and_edits_her_own(owner: Api, api_a: Api, tenant_b: TenantRef) -> None:
    changes = {
        "name": "Tea & Co.", "currency": "GBP", "timezone": "Europe/London", "locale": "en-GB",
        "allowed_origins": ["https://tea.example", "http://localhost:8000"],
    }  # fmt: skip
    answer = owner.call("PATCH", "tenants/shop-a", data=changes)
    assert answer.status == 200, answer.body
    assert {name: answer.json[name] for name in changes} == changes
    assert owner.get("tenants/shop-a").json == answer.json
    assert slugs(owner.get("tenants")) == ["shop-a"]
    a_second_later(api_a, lambda: api_a.get("widgets/config").json["currency"] == "GBP")
    [entry] = AuditEntry.objects.filter(action="tenant.edited").order_by("-id")[:1]
    assert (entry.before["name"], entry.after["name"], entry.actor_kind) == ("Shop A", "Tea & Co.", "person")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""), ("name", "x" * 121), ("name", None), ("currency", "eur"), ("currency", "EURO"),
        ("timezone", "Mars"),
        ("timezone", "../../etc/passwd"), ("locale", "english please"), ("allowed_origins", ["ftp://a.example"]),
        ("allowed_origins", "https://a.example"), ("slug", "other"), ("status", "active"),
        ("requires_second_factor", 1), ("event_retention_days", 29), ("event_retention_days", 3661),
        ("serving_log_share", 1.01), ("serving_log_share", -0.1), ("serving_log_share", "all"),
        ("event_retention_days", None), ("event_types", ["Wish"]), ("event_types", ["purchase"]),
        ("event_types", ["wish", "wish"]), ("event_types", "wish"), ("event_types", ["x"] * 51),
    ],
)  # fmt: skip
def test_a_wrong_value_changes_nothing(owner: Api, field: str, value: Any) -> None:
    before = owner.get("tenants/shop-a").json
    answer = owner.call("PATCH", "tenants/shop-a", data={"name": "Changed", field: value})
    assert refusal(answer) == (400, "invalid")
    assert field in answer.json["errors"][0]["pointer"]
    assert owner.get("tenants/shop-a").json == before


def test_own_types_and_retention_hold_for_events_within_a_second(owner: Api, api_a: Api) -> None:
    wish = {"type": "wishlist", "visitor_id": "v", "item_id": "i"}
    old = wish | {"type": "view", "occurred_at": (clock.now() - timedelta(days=60)).isoformat()}

    def codes() -> list[str]:
        return [each["code"] for each in api_a.post("events/batch", {"events": [wish, old]}).json["rejected"]]

    assert codes() == ["unknown_type"]
    answer = owner.call("PATCH", "tenants/shop-a", data={"event_types": ["wishlist"], "event_retention_days": 30})
    assert (answer.json["event_types"], answer.json["event_retention_days"]) == (["wishlist"], 30)
    assert answer.json["built_in_event_types"] == [str(kind) for kind in EventType]
    a_second_later(api_a, lambda: codes() == ["too_old"])
    entry = AuditEntry.objects.filter(action="tenant.edited").latest("pk")
    assert (entry.before, entry.after) == (
        {"event_types": [], "event_retention_days": 396}, {"event_types": ["wishlist"], "event_retention_days": 30},
    )  # fmt: skip


@pytest.mark.parametrize("field", [{"plan": "enterprise"}, {"notice": "best shop"}])
def test_what_is_the_staffs_to_give_an_owner_does_not_take(owner: Api, staff: Api, field: dict[str, str]) -> None:
    assert refusal(owner.call("PATCH", "tenants/shop-a", data=field)) == (403, "forbidden")
    answer = staff.call("PATCH", "tenants/shop-a", data=field)
    assert {name: answer.json[name] for name in field} == field


def test_usage_is_told(owner: Api, api_a: Api) -> None:
    api_a.post("events", {"type": "view", "visitor_id": "v", "item_id": "i"})
    usage = owner.get("tenants/shop-a").json["usage"]
    assert usage == {"events": 1, "events_per_month": 100_000_000, "requests_per_second": 10_000, "warning": False}


def test_staff_create_find_suspend_and_activate_any(staff: Api, api_a: Api, tenant_b: TenantRef) -> None:
    made = staff.post("tenants", {"name": "Tea", "slug": "tea", "plan": "growth"})
    assert (made.status, made.json["plan"]) == (201, "growth")
    key = next(each["key"] for each in made.json["api_keys"] if each["type"] == "rw")
    tea = Api(staff.edge, key)
    assert tea.get("recommendations").status == 200
    assert slugs(staff.get("tenants", {"q": "TEA"})) == ["tea"]
    assert staff.post("tenants/tea/suspend").json["status"] == "suspended"
    a_second_later(tea, lambda: tea.get("recommendations").status == 403)
    assert refusal(tea.get("catalog/items")) == (403, "tenant_suspended")
    assert tea.get("tenants/tea").json["status"] == "suspended"
    assert slugs(staff.get("tenants", {"status": "suspended"})) == ["tea"]
    assert staff.post("tenants/tea/activate").json["status"] == "active"
    a_second_later(tea, lambda: tea.get("recommendations").status == 200)
    assert slugs(staff.get("tenants")) == ["tea", "shop-b", "shop-a"]
    assert not Membership.objects.filter(tenant__slug="tea").exists()


def test_a_deleted_tenant_is_gone_until_staff_bring_it_back(owner: Api, staff: Api, api_a: Api) -> None:
    assert api_a.get("recommendations").status == 200
    assert owner.call("DELETE", "tenants/shop-a").status == 204
    a_second_later(api_a, lambda: api_a.get("recommendations").status == 401)
    assert refusal(api_a.get("catalog/items")) == (401, "invalid_key")
    assert owner.get("tenants/shop-a").status == 404
    assert slugs(owner.get("tenants")) == []
    assert refusal(owner.get("catalog/items")) == (400, "tenant_required")
    assert slugs(staff.get("tenants", {"status": "deleted"})) == ["shop-a"]
    assert "shop-a" not in slugs(staff.get("tenants"))
    assert staff.post("tenants/shop-a/activate").json["status"] == "active"
    a_second_later(api_a, lambda: api_a.get("recommendations").status == 200)
    assert owner.get("tenants/shop-a").status == 200


@pytest.mark.parametrize(("role", "may"), [(Role.VIEWER, False), (Role.EDITOR, False), (Role.ADMIN, True)])
def test_settings_are_for_admins_and_the_end_is_for_owners(
    edge: Any, owner: Api, tenant_a: TenantRef, role: Role, may: bool
) -> None:
    member = person(edge, tenant_a, role=role)
    answer = member.call("PATCH", "tenants/shop-a", data={"name": "Changed"})
    assert answer.status == (200 if may else 403)
    assert refusal(member.call("DELETE", "tenants/shop-a")) == (403, "forbidden")


def test_a_list_goes_by_pages_and_knows_its_parameters(staff: Api, tenant_b: TenantRef) -> None:
    first = staff.get("tenants", {"limit": 1}).json
    rest = staff.get(first["next"].split("/api/v1/")[1].split("?")[0], first["next"].split("?")[1]).json
    assert [each["slug"] for each in first["results"] + rest["results"]] == ["shop-b", "shop-a"]
    assert refusal(staff.get("tenants", {"name": "x"})) == (400, "unknown_parameter")
    assert refusal(staff.get("tenants", {"status": "open"})) == (400, "invalid")
    for hostile in ("\x00", "%", "'; DROP TABLE tenants_tenant; --", "\\", "𝕊" * 500):
        assert staff.get("tenants", {"q": hostile}).status == 200


def test_several_tenants_have_to_be_told_apart(edge: Any, tenant_a: TenantRef, tenant_b: TenantRef) -> None:
    both = person(edge, tenant_a, tenant_b)
    answer = both.get("catalog/items")
    assert refusal(answer) == (400, "tenant_required")
    assert "shop-a, shop-b" in answer.json["detail"]
    for path in ("catalog/items", "recommendations"):
        for slug in ("shop-a", "shop-b"):
            assert both.get(path, x_tenant=slug).status == 200


def test_a_keys_tenant_may_be_named_as_well(edge: Any, tenant_a: TenantRef) -> None:
    for path in ("catalog/items", "recommendations", "tenants/shop-a"):
        assert Api(edge, new_key(tenant_a)).get(path, x_tenant="shop-a").status == 200


# --- The end ---------------------------------------------------------------------------------------------------------


def test_only_a_deleted_tenant_is_purged_and_nothing_of_it_stays_but_the_audit_log(staff: Api) -> None:
    tea = Tenant.objects.get(slug=staff.post("tenants", {"name": "Tea", "slug": "tea"}).json["slug"])
    with pytest.raises(changing.DomainError, match="only deleted tenants"):
        changing.purge_tenant(tea)
    changing.delete_tenant(tea)
    assert list(changing.purgeable()) == []
    assert [each.slug for each in changing.purgeable(grace=changing.timedelta(0))] == ["tea"]
    changing.purge_tenant(tea)
    assert not Tenant.objects.filter(slug="tea").exists()
    assert not changing.redis.client().keys("{tea}:*")
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 't_tea'")
        assert cursor.fetchone() == (0,)
    left = AuditEntry.objects.filter(tenant_id=tea.pk).order_by("id").values_list("action", flat=True)
    assert [left[0], list(left)[-1]] == ["tenant.created", "tenant.purged"]
