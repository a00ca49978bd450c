"""What operators look at: tenants, people, keys, usage and the audit log, as rows."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.db.models import Count, Exists, OuterRef, Q

from recomengine.lib import clock
from recomengine.lib.errors import DomainError
from tenants import audit, keys, quotas
from tenants.models import ApiKey, AuditEntry, Tenant, TenantQuerySet, Usage, User
from tenants.plans import PLANS, WARN_AT
from tenants.types import Role

SIGN_UPS: Final = timedelta(days=7)
Row = dict[str, Any]


def tenants(status: str | None = None, words: str = "", plan: str | None = None) -> TenantQuerySet:
    """The tenants of a status (None: of any) and a plan whose name or slug holds the words, by slug."""
    found = Tenant.objects.order_by("slug")
    found = found.filter(status=status) if status else found
    found = found.filter(plan=plan) if plan else found
    return found.matching(words)


def tenant_row(tenant: Tenant, events: int) -> Row:
    names = ("slug", "name", "status", "plan")
    most = PLANS[tenant.plan].events_per_month
    return {
        **audit.values(tenant, names),
        "events": events,
        "events_per_month": most,
        "used": share(events, most),
        "created_at": tenant.created_at,
    }


def tenant_rows(found: Iterable[Tenant]) -> list[Row]:
    """Tenants with this month's events, which Redis is asked for in one trip."""
    rows = list(found)
    return [tenant_row(tenant, events) for tenant, events in zip(rows, quotas.events_now(rows), strict=True)]


def share(events: int, most: int | None) -> str | None:
    """How much of the plan that is; None where the plan has no limit."""
    return None if most is None else f"{events / most:.1%}"


def tenant_details(tenant: Tenant) -> Row:
    """All there is to know of one tenant, without what belongs to the shop itself."""
    names = (
        "slug", "name", "status", "plan", "notice", "currency", "timezone", "locale", "allowed_origins",
        "requires_second_factor", "event_retention_days", "event_types", "training_every", "serving_log_share",
        "schema_name", "created_at", "deleted_at",
    )  # fmt: skip
    used = quotas.use(tenant.ref)
    usable = ApiKey.objects.usable().filter(tenant=tenant).count()
    return {
        **audit.values(tenant, names),
        "usage": {
            "events": used.events,
            "events_per_month": used.events_per_month,
            "used": share(used.events, used.events_per_month),
            "requests_per_second": used.requests_per_second,
        },
        "members": {str(role): tenant.memberships.filter(role=role).count() for role in reversed(Role)},
        "owners": list(tenant.memberships.filter(role=Role.OWNER).values_list("user__email", flat=True)),
        "usable_keys": usable,
    }


def key_rows(tenant: Tenant, *, usable_only: bool = False) -> list[Row]:
    """A tenant's keys, newest first, without their secrets; `pepper` says whether an old one has to be kept for it."""
    now, found = clock.now(), ApiKey.objects.filter(tenant=tenant)
    names = ("type", "name", "allowed_origins", "requests_per_second")
    moments = ("created_at", "expires_at", "revoked_at", "last_used_at")
    return [
        {
            "key_id": row.key_id,
            "status": row.status_at(now),
            **audit.values(row, names),
            "pepper": keys.pepper_of(row),
            **audit.values(row, moments),
        }
        for row in (found.usable() if usable_only else found)
    ]


def person_rows(
    words: str = "", *, tenant: Tenant | None = None, staff_only: bool = False, disabled_only: bool = False
) -> list[Row]:
    """The people whose address or name holds the words, by address."""
    found = User.objects.order_by("email").prefetch_related("memberships__tenant")
    found = found.filter(Q(email__icontains=words) | Q(name__icontains=words)) if words else found
    found = found.filter(memberships__tenant=tenant) if tenant else found
    found = found.filter(is_staff=True) if staff_only else found
    found = found.filter(is_active=False) if disabled_only else found
    verified = EmailAddress.objects.filter(user=OuterRef("pk"), primary=True, verified=True)
    factor = Authenticator.objects.filter(user=OuterRef("pk"), type=Authenticator.Type.TOTP)
    found = found.annotate(is_verified=Exists(verified), has_second_factor=Exists(factor))
    return [person_row(user) for user in found]


def person_row(user: Any) -> Row:
    return {
        "email": user.email,
        "name": user.name,
        "active": user.is_active,
        "verified": user.is_verified,
        "second_factor": user.has_second_factor,
        "staff": user.is_staff,
        "superuser": user.is_superuser,
        "roles": sorted(f"{each.tenant.slug}:{each.role}" for each in user.memberships.all()),
        "last_login": user.last_login,
    }


def usage_rows(found: Sequence[Tenant], month: date | None = None) -> list[Row]:
    """The events of each tenant in each month, newest first; the current month's as Redis counts them now."""
    present = quotas.month_of(clock.now())
    kept = {(row.tenant_id, row.month): row.events for row in Usage.objects.filter(tenant__in=found)}
    for tenant, events in zip(found, quotas.events_now(found), strict=True):
        kept[tenant.pk, present] = max(events, kept.get((tenant.pk, present), 0))
    by_id = {tenant.pk: tenant for tenant in found}
    chosen = [(by_id[pk], when, events) for (pk, when), events in kept.items() if month in (None, when)]
    return [_usage_row(*each) for each in sorted(chosen, key=lambda each: (each[0].slug, -each[1].toordinal()))]


def _usage_row(tenant: Tenant, month: date, events: int) -> Row:
    most = PLANS[tenant.plan].events_per_month
    return {
        "tenant": tenant.slug,
        "month": f"{month:%Y-%m}",
        "events": events,
        "plan": tenant.plan,
        "events_per_month": most,
        "used": share(events, most),
    }


def audit_row(entry: AuditEntry) -> Row:
    names = ("at", "actor_kind", "actor", "address", "action", "object_type", "object_id", "before", "after")
    return {"id": entry.pk, **audit.values(entry, names), "request_id": entry.request_id}


def counts_by_status() -> dict[str, int]:
    found = dict(Tenant.objects.order_by().values_list("status").annotate(Count("pk")))
    return {status: found.get(status, 0) for status in Tenant.Status.values}


def sign_ups(since: datetime) -> int:
    """How many people made an account themselves."""
    return AuditEntry.objects.filter(action="person.registered", at__gte=since).count()


def near_their_limit() -> list[Row]:
    """The tenants that have used more than `WARN_AT` of their plan's events this month, the fullest first."""
    limited = [plan.key for plan in PLANS.values() if plan.events_per_month is not None]
    found = list(Tenant.objects.existing().filter(plan__in=limited).order_by("slug"))
    shares = [(events / (PLANS[tenant.plan].events_per_month or 1), tenant, events)
              for tenant, events in zip(found, quotas.events_now(found), strict=True)]  # fmt: skip
    full = sorted((each for each in shares if each[0] > WARN_AT), key=lambda each: -each[0])
    return [tenant_row(tenant, events) for _, tenant, events in full]


def month(text: str) -> date:
    """The first day of a month that is written like 2026-11; `invalid` for anything else."""
    try:
        return datetime.strptime(text, "%Y-%m").date()  # noqa: DTZ007 - a month has no time zone
    except ValueError as error:
        raise DomainError("invalid", f"{text!r} is no month; write 2026-11.") from error
