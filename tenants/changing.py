"""Changes of tenants: their settings, and whether they are open: suspended, active, deleted, and in the end purged."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import QuerySet

from recomengine.lib import clock, naming, redis
from recomengine.lib.errors import DomainError
from tenants import audit, live, people, schemas
from tenants.models import Tenant, User
from tenants.provisioning import validate
from tenants.types import PLATFORM, Actor, TenantRef

GRACE: Final = timedelta(days=30)
SETTINGS: Final = (
    "name", "currency", "timezone", "locale", "allowed_origins", "requires_second_factor", "event_retention_days",
    "event_types", "training_every", "serving_log_share",
)  # fmt: skip
BY_STAFF: Final = (*SETTINGS, "plan", "notice")


def edit_tenant(tenant: Tenant, changes: Mapping[str, Any], *, by: Actor = PLATFORM) -> Tenant:
    """Change settings of a tenant; every serving process follows within a second.

    Raises `invalid`, and `second_factor_required` for a person who asks one of everybody and has none herself.
    """
    if changes.get("requires_second_factor"):
        _check_has_one(by)
    with transaction.atomic():
        row = _locked(tenant)
        before = audit.values(row, changes)
        for name, value in changes.items():
            setattr(row, name, value)
        validate(row)
        row.save(update_fields=list(changes))
        old, new = audit.changed(before, audit.values(row, changes))
        if new:
            audit.record(by, "tenant.edited", row, row, before=old, after=new)
            transaction.on_commit(lambda: live.changed(row.slug, "auth", "config"))
    return row


def suspend_tenant(tenant: Tenant, *, by: Actor = PLATFORM) -> Tenant:
    """Shut a tenant's keys and pages; nothing is deleted."""
    return _set_status(tenant, Tenant.Status.SUSPENDED, "tenant.suspended", by)


def activate_tenant(tenant: Tenant, *, by: Actor = PLATFORM) -> Tenant:
    """Open a tenant again, also one that was deleted and is not purged yet."""
    return _set_status(tenant, Tenant.Status.ACTIVE, "tenant.activated", by)


def delete_tenant(tenant: Tenant, *, by: Actor = PLATFORM) -> Tenant:
    """Let a tenant exist for nobody but the operators, until it is activated again or, after `GRACE`, purged."""
    return _set_status(tenant, Tenant.Status.DELETED, "tenant.deleted", by)


def _set_status(tenant: Tenant, status: Tenant.Status, action: str, by: Actor) -> Tenant:
    with transaction.atomic():
        row = _locked(tenant)
        before, row.status = row.status, status
        row.deleted_at = clock.now() if status == Tenant.Status.DELETED else None
        row.save(update_fields=["status", "deleted_at"])
        if before != status:
            audit.record(by, action, row, row, before={"status": before}, after={"status": status})
        transaction.on_commit(lambda: live.changed(row.slug, "auth"))
    return row


def _check_has_one(by: Actor) -> None:
    person = User.objects.filter(email=by.name).first() if by.kind == Actor.PERSON else None
    if person is not None and not people.has_second_factor(person):
        raise DomainError("second_factor_required", "Set up a second factor of your own first: it holds for you too.")


def _locked(tenant: Tenant) -> Tenant:
    return Tenant.objects.select_for_update().get(pk=tenant.pk)


def _nothing(_: TenantRef) -> None:
    pass


def purgeable(grace: timedelta = GRACE) -> QuerySet[Tenant]:
    """The deleted tenants whose grace period is over."""
    return Tenant.objects.filter(status=Tenant.Status.DELETED, deleted_at__lte=clock.now() - grace)


def purge_tenant(tenant: Tenant, also: Callable[[TenantRef], None] = _nothing, *, by: Actor = PLATFORM) -> None:
    """Destroy a deleted tenant: what `also` destroys, everything in Redis, schema, row with keys and memberships.

    The row goes last and all of the database in one transaction, so that after an interruption the tenant is still
    there to be purged again. Its audit log stays. Raises `conflict` for a tenant that is not deleted.
    """
    with transaction.atomic():
        row = _locked(tenant)
        if row.status != Tenant.Status.DELETED:
            raise DomainError("conflict", f"Tenant {row.slug} is {row.status}; only deleted tenants are purged.")
        also(row.ref)
        _forget_in_redis(row.slug)
        audit.record(by, "tenant.purged", row, row, before={"name": row.name, "deleted_at": row.deleted_at})
        schemas.drop(row.schema_name)
        row.delete()


def _forget_in_redis(slug: str) -> None:
    client = redis.client()
    for key in client.scan_iter(match=naming.key(slug, "*"), count=1000):
        client.delete(key)
