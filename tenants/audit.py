"""The audit log: who did what to which object, from where, and what it was before and after.

Entries are written in the transaction of what they tell of, so that neither is there without the other.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from django.db.models import Model, QuerySet

from recomengine.lib.errors import DomainError
from tenants.models import AuditEntry, Tenant
from tenants.types import Actor, TenantRef

Values = Mapping[str, Any]
_SECRET: Final = ("secret", "password", "digest", "token", "pepper_id")


def record(
    by: Actor,
    action: str,
    subject: Model | tuple[str, str],
    tenant: Tenant | None = None,
    *,
    before: Values | None = None,
    after: Values | None = None,
) -> None:
    """Write an entry about `subject`, a row or its type and id; `action` reads like `api_key.created`.

    Raises ValueError for values under a name that secrets have: they belong into no log.
    """
    for values in (before, after):
        if any(word in name for name in values or () for word in _SECRET):
            raise ValueError(f"{action}: a secret is no value for the audit log")
    kind, identifier = subject if isinstance(subject, tuple) else _named(subject)
    AuditEntry.objects.create(
        tenant=tenant,
        actor_kind=by.kind,
        actor=by.name,
        address=by.address,
        request_id=by.request_id,
        action=action,
        object_type=kind,
        object_id=identifier,
        before=before,
        after=after,
    )


def record_of(  # noqa: PLR0917 - who did what to which thing of whom
    tenant: TenantRef, by: Actor, action: str, key: str, before: Values | None = None, after: Values | None = None
) -> None:
    """The same about a thing of a tenant's own that people know by its key; `rule.created` is of the type `rule`."""
    kind, _, _ = action.partition(".")
    record(by, action, (kind, key), Tenant.objects.get(slug=tenant.slug), before=before, after=after)


def _named(row: Model) -> tuple[str, str]:
    """A row's type and the id that people know it by."""
    name = next((getattr(row, each) for each in ("slug", "key_id", "email") if hasattr(row, each)), row.pk)
    return str(row._meta.verbose_name), str(name)


def values(row: Model, names: Iterable[str]) -> dict[str, Any]:
    """The named fields of a row, as JSON-ready values."""
    return {name: getattr(row, name) for name in names}


def changed(before: Values, after: Values) -> tuple[dict[str, Any], dict[str, Any]]:
    """Only what differs, before and after."""
    names = [name for name in after if before.get(name) != after[name]]
    return {name: before.get(name) for name in names}, {name: after[name] for name in names}


def entries(
    tenant: Tenant | None,
    *,
    actor: str = "",
    action: str = "",
    subject: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
) -> QuerySet[AuditEntry]:
    """A tenant's entries (None: everybody's), newest first; texts match a part, `until` is exclusive."""
    if any("\x00" in text for text in (actor, action, subject)):
        raise DomainError("invalid", "No filter holds a NUL character.")
    found = AuditEntry.objects.all() if tenant is None else AuditEntry.objects.filter(tenant=tenant)
    texts = {"actor__icontains": actor, "action__startswith": action, "object_id__icontains": subject}
    found = found.filter(**{name: text for name, text in texts.items() if text})
    if since is not None:
        found = found.filter(at__gte=since)
    if until is not None:
        found = found.filter(at__lt=until)
    return found.order_by("-id")
