"""How often what happened to a shop's events on a UTC day: accepted, duplicate, rejected:<code>, flagged:<flag>, notes.

Redis counts, in the hash `{slug}:tally:<day>`; every minute the counts are kept in PostgreSQL, from where they come
back after Redis lost them.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Final

from events.models import Tally
from recomengine.lib import clock, naming, redis
from tenants import tenancy
from tenants.types import TenantRef

KEPT: Final = timedelta(days=3)  # in Redis
MAX_NAME: Final = 64
_MARK: Final = "kept"  # that Redis has had these counts since they were kept first
# KEYS: a day's counts; ARGV: the mark, seconds to live, then names and counts that were kept.
_RESTORE: Final = """
if redis.call('HSETNX', KEYS[1], ARGV[1], 1) == 1 then
  for i = 3, #ARGV, 2 do redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1]) end
  redis.call('EXPIRE', KEYS[1], ARGV[2])
end
"""
Command = tuple[str | int, ...]


def tally_key(slug: str, day: date) -> str:
    return naming.key(slug, "tally", f"{day:%Y-%m-%d}")


def commands(slug: str, counts: Mapping[str, int], now: datetime) -> list[Command]:
    """The Redis commands that add these counts to the day's."""
    key = tally_key(slug, now.date())
    added: list[Command] = [("HINCRBY", key, name[:MAX_NAME], count) for name, count in counts.items()]
    return [*added, ("EXPIRE", key, int(KEPT.total_seconds()))] if added else []


def keep(tenant: TenantRef) -> None:
    """Keep today's and yesterday's counts in PostgreSQL, and give Redis back what it lost."""
    today = clock.now().date()
    for day in (today - timedelta(days=1), today):
        _keep_day(tenant, day)


def _keep_day(tenant: TenantRef, day: date) -> None:
    with tenancy.use(tenant):
        kept = dict(Tally.objects.filter(day=day).values_list("name", "count"))
        _give_back(tenant, day, kept)
        counted = _in_redis(tenant, day)
        rows = [Tally(day=day, name=name, count=count) for name, count in counted.items() if count > kept.get(name, 0)]
        Tally.objects.bulk_create(rows, update_conflicts=True, unique_fields=["day", "name"], update_fields=["count"])


def _give_back(tenant: TenantRef, day: date, kept: Mapping[str, int]) -> None:
    """Add what was kept to counts that began anew: a mark among them says that they did not."""
    flat = [part for name, count in kept.items() for part in (name, count)]
    redis.client().eval(_RESTORE, 1, tally_key(tenant.slug, day), _MARK, int(KEPT.total_seconds()), *flat)


def between(tenant: TenantRef, first: date, last: date) -> dict[date, Counter[str]]:
    """The counts of each day, first and last included, as Redis has them now and PostgreSQL kept them."""
    days: dict[date, Counter[str]] = {}
    with tenancy.use(tenant):
        for tally in Tally.objects.filter(day__range=(first, last)):
            days.setdefault(tally.day, Counter())[tally.name] = tally.count
    for day in (clock.now().date() - timedelta(days=1), clock.now().date()):
        if first <= day <= last:
            days[day] = days.get(day, Counter()) | _in_redis(tenant, day)
    return days


def _in_redis(tenant: TenantRef, day: date) -> Counter[str]:
    found: dict[bytes, bytes] = redis.client().hgetall(tally_key(tenant.slug, day))  # type: ignore[assignment]
    return Counter({name.decode(): int(count) for name, count in found.items() if name.decode() != _MARK})
