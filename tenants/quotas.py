"""Events a month: what a tenant has used of its plan, the warning before it is used up, and the stop when it is.

Redis counts (a field of the live state, so that serving processes know it without another trip) after the events are
committed; every few minutes the count is kept in PostgreSQL, from where it comes back after Redis lost it. What was
counted in between is then lost in the tenant's favour.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

import structlog
from django.conf import settings
from django.core.mail import send_mail
from django.db.models.functions import Greatest
from django.template.loader import render_to_string

from recomengine.lib import clock, redis
from recomengine.lib.errors import DomainError
from tenants import live
from tenants.models import Tenant, Usage
from tenants.plans import PLANS, WARN_AT
from tenants.types import LiveState, Role, TenantRef

log = structlog.get_logger(__name__)
WARNINGS: Final = (WARN_AT, 1.0)


def check(tenant: TenantRef, state: LiveState) -> None:
    """Refuse events when the month's are used up: `quota_exceeded`, until the month ends."""
    most = PLANS[tenant.plan].events_per_month
    if most is None or state.events < most:
        return
    wait = int((next_month(clock.now()) - clock.now()).total_seconds()) + 1
    headers = {"RateLimit-Limit": str(most), "RateLimit-Remaining": "0", "RateLimit-Reset": str(wait)}
    detail = f"The plan {PLANS[tenant.plan].name} holds {most:,} events a month; the operators can change it."
    raise DomainError("quota_exceeded", detail, retry_after=wait, headers=headers)


def counted(tenant: TenantRef, events: int, now: datetime) -> tuple[str | int, ...]:
    """The Redis command that counts events that were accepted."""
    return ("HINCRBY", live.live_key(tenant.slug), live.events_field(now), events)


@dataclass(frozen=True, slots=True)
class Use:
    """What a tenant used of its plan this month; None means that the plan has no such limit."""

    events: int
    events_per_month: int | None
    requests_per_second: int | None
    warning: bool

    @property
    def full(self) -> bool:
        """Whether nothing is left of the month's events."""
        return self.events_per_month is not None and self.events >= self.events_per_month


def events_now(tenants: Sequence[Tenant | TenantRef]) -> list[int]:
    """The events that each tenant was credited with in the current month, as Redis counts; one trip for all."""
    field = live.events_field(clock.now())
    with redis.client().pipeline(transaction=False) as pipe:
        for tenant in tenants:
            pipe.hget(live.live_key(tenant.slug), field)
        return [int(count or 0) for count in pipe.execute()]


def use(tenant: TenantRef) -> Use:
    return use_of(tenant, events_now([tenant])[0])


def use_of(tenant: Tenant | TenantRef, events: int) -> Use:
    """What that many events of this month are of the tenant's plan."""
    plan = PLANS[tenant.plan]
    warning = plan.events_per_month is not None and events >= WARN_AT * plan.events_per_month
    return Use(events, plan.events_per_month, plan.requests_per_second, warning)


def keep(tenant: Tenant) -> Usage:
    """Keep the month's count in PostgreSQL, or give Redis back what it lost; tell the owners at each warning level."""
    now = clock.now()
    field, key, month = live.events_field(now), live.live_key(tenant.slug), month_of(now)
    counted_ = int(redis.client().hget(key, field) or 0)
    row, _ = Usage.objects.get_or_create(tenant=tenant, month=month)
    if counted_ < row.events:  # Redis lost its count and began anew
        counted_ = redis.client().hincrby(key, field, row.events)
    Usage.objects.filter(pk=row.pk).update(events=Greatest("events", counted_))
    row.refresh_from_db()
    _warn(tenant, row)
    return row


def keep_former(tenant: Tenant) -> None:
    """Keep what came in at the end of the last month, after it was last kept, and forget its field."""
    last = month_of(clock.now()) - timedelta(days=1)
    field, key = live.events_field(datetime(last.year, last.month, 1, tzinfo=UTC)), live.live_key(tenant.slug)
    found = redis.client().hget(key, field)
    if found is not None:
        row, _ = Usage.objects.get_or_create(tenant=tenant, month=last.replace(day=1))
        Usage.objects.filter(pk=row.pk).update(events=Greatest("events", int(found)))
        redis.client().hdel(key, field)


def _warn(tenant: Tenant, row: Usage) -> None:
    most = PLANS[tenant.plan].events_per_month
    reached = max((level for level in WARNINGS if most and row.events >= level * most), default=0.0)
    if reached <= row.warned_at:
        return
    if Usage.objects.filter(pk=row.pk, warned_at__lt=reached).update(warned_at=reached):
        owners = tenant.memberships.filter(role=Role.OWNER, user__is_active=True).values_list("user__email", flat=True)
        context = {
            "tenant": tenant,
            "events": row.events,
            "most": most,
            "full": reached >= 1,
            "url": settings.DASHBOARD_URL,
        }
        text = render_to_string("email/quota.txt", context)
        what = "the events of this month are used up" if reached >= 1 else "events are running out"
        subject = " ".join(f"{tenant.name}: {what}".split())  # names may hold line breaks
        for owner in owners:
            send_mail(subject, text, None, [owner])
        log.info("quota", tenant=tenant.slug, events=row.events, reached=reached)


def month_of(moment: datetime) -> date:
    """The first day of a moment's month, in UTC."""
    return moment.astimezone(UTC).date().replace(day=1)


def next_month(moment: datetime) -> datetime:
    first = month_of(moment)
    return datetime(first.year + first.month // 12, first.month % 12 + 1, 1, tzinfo=UTC)
