"""What tells whether a shop's events are sent well, counted over a stretch of time.

Every query is bounded by `occurred_at`, the partition key, and reads that stretch of the table once. `since` is
included, `until` is not. Bots' events are counted as such and nowhere else.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Count, ExpressionWrapper, F, Q, QuerySet
from django.db.models import DurationField as Duration

from events.models import Event
from events.types import EventType
from tenants import tenancy
from tenants.types import TenantRef

EXAMPLES: Final = 5
CLOCK_FAST: Final = timedelta(minutes=2)
SENT_LATE: Final = timedelta(hours=24)
PERSONS_USERS: Final = 5  # logins that one browser may see
PERSONS_EVENTS_A_DAY: Final = 2_000
PERSONS_SESSIONS_A_DAY: Final = 50
PERSONS_SHARE: Final = 0.2  # of all events,
FEW_EVENTS: Final = 500  # unless there are few
_FIRST: Final = Q(line=0)
_TRUSTED: Final = _FIRST & Q(flag=None)


@dataclass(frozen=True, slots=True)
class Counts:
    """Events by what they have or lack; but for `cart_lines`, which are lines."""

    events: int = 0
    flagged: int = 0
    without_session: int = 0
    from_future: int = 0
    sent_late: int = 0
    cart_lines: int = 0
    cart_lines_without_price: int = 0
    clicks: int = 0
    clicks_without_recommendation: int = 0
    orders: int = 0


@dataclass(frozen=True, slots=True)
class Example:
    """An id, and how many events it has."""

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class Several:
    """How many ids have a fault, the events that have them, and those with most events."""

    ids: int = 0
    events: int = 0
    examples: Sequence[Example] = ()


def counts(tenant: TenantRef, since: datetime, until: datetime) -> Counts:
    """All counts, with one query."""
    lag = ExpressionWrapper(F("received_at") - F("occurred_at"), output_field=Duration())
    cart = Q(type=EventType.ADD_TO_CART, flag=None)
    click = _TRUSTED & Q(type=EventType.CLICK)
    asked: dict[str, Any] = {
        "events": Count("line", filter=_FIRST),
        "flagged": Count("line", filter=_FIRST & ~Q(flag=None)),
        "without_session": Count("line", filter=_TRUSTED & Q(session_id=None)),
        "from_future": Count("line", filter=_TRUSTED & Q(lag__lt=-CLOCK_FAST)),
        "sent_late": Count("line", filter=_TRUSTED & Q(lag__gt=SENT_LATE)),
        "cart_lines": Count("line", filter=cart),
        "cart_lines_without_price": Count("line", filter=cart & Q(price=None)),
        "clicks": Count("line", filter=click),
        "clicks_without_recommendation": Count("line", filter=click & Q(recommendation_id=None)),
        "orders": Count("order_id", distinct=True, filter=Q(type=EventType.PURCHASE, flag=None)),
    }
    with tenancy.use(tenant):
        return Counts(**_between(since, until).annotate(lag=lag).aggregate(**asked))


def by_type(tenant: TenantRef, since: datetime, until: datetime) -> dict[str, int]:
    """The trusted events of each type."""
    with tenancy.use(tenant):
        rows = _between(since, until).filter(_TRUSTED).values("type").annotate(events=Count("*"))
        return {row["type"]: row["events"] for row in rows}


def repeated_orders(tenant: TenantRef, since: datetime, until: datetime) -> Several:
    """Orders that several purchases name."""
    with tenancy.use(tenant):
        purchases = _between(since, until).filter(_TRUSTED, type=EventType.PURCHASE).values("order_id")
        found = purchases.annotate(count=Count("*")).filter(count__gt=1)
        return _several(found, "order_id")


def crowds(tenant: TenantRef, since: datetime, until: datetime, events: int) -> Several:
    """Visitors that are several people, do more than a person can, or too much of all `events`: a shared id."""
    days = max(1.0, (until - since) / timedelta(days=1))
    with tenancy.use(tenant):
        visitors = _between(since, until).filter(_TRUSTED).values("visitor_id")
        counted = visitors.annotate(
            count=Count("*"), users=Count("user_id", distinct=True), sessions=Count("session_id", distinct=True)
        )
        found = counted.filter(
            Q(users__gte=PERSONS_USERS)
            | Q(count__gt=max(FEW_EVENTS, PERSONS_SHARE * events))
            | Q(count__gt=PERSONS_EVENTS_A_DAY * days)
            | Q(sessions__gt=PERSONS_SESSIONS_A_DAY * days)
        )
        return _several(found, "visitor_id")


def last_at(tenant: TenantRef, since: datetime, until: datetime) -> datetime | None:
    """When the newest event that occurred between was received; None if there is none."""
    with tenancy.use(tenant):
        newest = _between(since, until).order_by("-occurred_at", "-id")  # as the primary key has them
        return newest.values_list("received_at", flat=True).first()


def _several(found: "QuerySet[Event, dict[str, Any]]", name: str) -> Several:
    rows = list(found.order_by("-count", name).values_list(name, "count"))
    examples = [Example(value, count) for value, count in rows[:EXAMPLES]]
    return Several(len(rows), sum(count for _, count in rows), examples)


def _between(since: datetime, until: datetime) -> QuerySet[Event]:
    return Event.objects.filter(occurred_at__gte=since, occurred_at__lt=until).order_by()
