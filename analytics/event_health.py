"""The health of a shop's events: what is found by counting them, kept as of the last check, and the daily counts."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from analytics import unknown_items
from analytics.findings import SEVERE, SEVERITIES, Finding, Measured, judge, told
from analytics.models import EventCheck, UnknownItem
from events import activity, soundness, tallies
from events.soundness import Example, Several
from recomengine.lib import clock
from tenants import tenancy
from tenants.types import TenantRef

WINDOWS: Final = (7, 3, 1)  # days; the longest that holds no more events than `MOST`
MOST: Final = 3_000_000
MOST_UNKNOWN: Final = 2_000
LOOKED_BACK: Final = timedelta(days=28)  # for the last event
AHEAD: Final = timedelta(hours=48)  # events may lie so far in the future


@dataclass(frozen=True, slots=True)
class Health:
    """The result of the last check, of the events since an instant."""

    findings: list[Finding]
    checked_at: datetime
    since: datetime

    def of(self, severity: str) -> list[Finding]:
        return [each for each in self.findings if each.severity == severity]

    @property
    def found(self) -> list[Finding]:
        return [each for each in self.findings if each.severity != SEVERITIES[-1]]

    @property
    def fine(self) -> list[Finding]:
        return self.of(SEVERITIES[-1])

    @property
    def severe(self) -> list[Finding]:
        return self.of(SEVERE)


def check(tenant: TenantRef) -> None:
    """Look for unknown items, count the events of the last days, judge, and keep what is found."""
    unknown_items.check(tenant)
    measured = measure(tenant, clock.now())
    kept = [told(finding) for finding in judge(measured)]
    with tenancy.use(tenant):
        found = {"checked_at": measured.until, "since": measured.since, "findings": kept}
        EventCheck.objects.update_or_create(pk=1, defaults=found)


def last(tenant: TenantRef) -> Health | None:
    """The result of the last check; None before the first."""
    with tenancy.use(tenant):
        done = EventCheck.objects.first()
    return Health([Finding(**each) for each in done.findings], done.checked_at, done.since) if done else None


def measure(tenant: TenantRef, now: datetime) -> Measured:
    """Count what is judged, over as many days as are not too many events."""
    days = daily(tenant, WINDOWS[0], now)
    since, until = now - timedelta(days=_window(days)), now + AHEAD
    counted = soundness.counts(tenant, since, until)
    return Measured(
        since,
        now,
        counted,
        soundness.by_type(tenant, since, until),
        soundness.repeated_orders(tenant, since, until),
        soundness.crowds(tenant, since, until, counted.events - counted.flagged),
        sum((each for day, each in days.items() if day >= since.date()), Counter()),
        soundness.last_at(tenant, now - LOOKED_BACK, now),
        _unknown(tenant, since),
    )


def _unknown(tenant: TenantRef, since: datetime) -> Several:
    """The unknown items of the last check, with their events in this stretch of time."""
    with tenancy.use(tenant):
        named = UnknownItem.objects.filter(last_at__gte=since).order_by("-events", "item_id")
        ids = list(named.values_list("item_id", flat=True)[:MOST_UNKNOWN])
    found = sorted(activity.of_items(tenant, ids, since), key=lambda each: (-each.events, each.item_id))
    examples = [Example(each.item_id, each.events) for each in found[: soundness.EXAMPLES]]
    return Several(len(found), sum(each.events for each in found), examples)


def _window(days: dict[date, Counter[str]]) -> int:
    newest = sorted(days, reverse=True)
    for window in WINDOWS[:-1]:
        if sum(days[day]["accepted"] for day in newest[:window]) <= MOST:
            return window
    return WINDOWS[-1]


def daily(tenant: TenantRef, days: int, now: datetime) -> dict[date, Counter[str]]:
    """What happened to events on each of the last UTC days, oldest first, today so far included."""
    first = now.date() - timedelta(days=days - 1)
    found = tallies.between(tenant, first, now.date())
    return {day: found.get(day, Counter()) for day in (first + timedelta(days=n) for n in range(days))}


def rows(days: dict[date, Counter[str]]) -> Iterator[tuple[str, str, int]]:
    """The same as a table: day, name, count."""
    for day, counted in days.items():
        for name, count in sorted(counted.items()):
            yield day.isoformat(), name, count
