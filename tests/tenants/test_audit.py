"""The audit log: append-only, without secrets, in the transaction of what it tells of."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import ProgrammingError, connection, transaction

from tenants import audit, changing, keys
from tenants.models import ApiKey, AuditEntry, Tenant
from tenants.types import Actor, KeyType

pytestmark = pytest.mark.usefixtures("tenant_a")
ANN = Actor(Actor.PERSON, "ann@example.com", "192.0.2.7", "request-0001")


def sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.parametrize(
    "change",
    [
        lambda: AuditEntry.objects.update(actor="nobody"),
        lambda: AuditEntry.objects.all().delete(),
        lambda: sql("UPDATE tenants_auditentry SET after = NULL"),
        lambda: sql("DELETE FROM tenants_auditentry"),
        lambda: sql("TRUNCATE tenants_auditentry"),
    ],
)
def test_nothing_is_changed_or_taken_out(change: Callable[[], Any]) -> None:
    audit.record(ANN, "test.happened", ("thing", "1"))
    before = list(AuditEntry.objects.values())
    with pytest.raises(ProgrammingError, match="append-only"), transaction.atomic():
        change()
    assert list(AuditEntry.objects.values()) == before


def test_an_entry_says_who_did_what_to_what_from_where(tenants: tuple[Tenant, Tenant]) -> None:
    changing.edit_tenant(tenants[0], {"name": "Tea", "currency": "EUR"}, by=ANN)
    entry = audit.entries(tenants[0])[0]
    told = (entry.actor_kind, entry.actor, entry.address, entry.request_id, entry.action)
    assert told == ("person", "ann@example.com", "192.0.2.7", "request-0001", "tenant.edited")
    assert (entry.object_type, entry.object_id) == ("tenant", "shop-a")
    assert (entry.before, entry.after) == ({"name": "Shop A"}, {"name": "Tea"})  # the currency is what it was


def test_what_changes_nothing_is_not_told(tenants: tuple[Tenant, Tenant]) -> None:
    before = AuditEntry.objects.count()
    changing.edit_tenant(tenants[0], {"name": "Shop A"}, by=ANN)
    changing.activate_tenant(tenants[0], by=ANN)
    assert AuditEntry.objects.count() == before


def test_what_is_rolled_back_was_never_told(tenants: tuple[Tenant, Tenant]) -> None:
    before = AuditEntry.objects.count()
    with transaction.atomic():
        keys.create_key(tenants[0], KeyType.READ_ONLY, by=ANN)
        transaction.set_rollback(True)
    assert (AuditEntry.objects.count(), ApiKey.objects.count()) == (before, 0)


@pytest.mark.parametrize("name", ["secret", "password", "digest", "old_password", "refresh_token", "pepper_id"])
def test_a_secret_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="secret"):
        audit.record(ANN, "test.happened", ("thing", "1"), after={name: "x"})


def test_filters_find_parts_and_spans(tenants: tuple[Tenant, Tenant]) -> None:
    a, b = tenants
    for tenant, actor, action, thing in (
        (a, "ann@example.com", "test.made", "one"),
        (a, "bea@example.com", "test.gone", "two"),
        (b, "ann@example.com", "test.made", "three"),
    ):
        audit.record(Actor(Actor.PERSON, actor), action, ("thing", f"find-{thing}"), tenant)

    def found(tenant: Tenant | None, **filters: Any) -> list[str]:
        return [each.object_id for each in audit.entries(tenant, **{"subject": "find-"} | filters)[:3]]

    assert found(a) == ["find-two", "find-one"]
    assert found(None)[:3] == ["find-three", "find-two", "find-one"]
    assert found(a, actor="BEA") == ["find-two"]
    assert found(a, action="test.m") == ["find-one"]
    moment = audit.entries(a, subject="find-two")[0].at
    assert found(a, since=moment)[0] == "find-two"
    assert "find-two" not in found(a, until=moment)
    with pytest.raises(audit.DomainError, match="NUL"):
        audit.entries(a, actor="\x00")
