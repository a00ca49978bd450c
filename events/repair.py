"""Making good what Redis lost of the events that are stored: a killed process, a Redis that was away or full.

Every event that is stored is counted where it moves, by the minute in which it was received. Each minute these counts
are compared with the store, from the kept cursor on; a minute that does not agree is moved again. Minutes are compared
until they are `SETTLED`, so a commit that took long is noticed, too.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from django.db import OperationalError, connection, transaction
from psycopg import errors

from events import history, moving, trending
from events.models import Cursor
from recomengine.lib import clock, redis
from recomengine.lib.postgres import held
from tenants import tenancy
from tenants.types import TenantRef

log = structlog.get_logger(__name__)
CURSOR: Final = "projections"
MINUTE: Final = timedelta(minutes=1)
FIRST_LOOK: Final = timedelta(days=1)  # how far back a tenant without a cursor is looked at
AT_ONCE: Final = timedelta(hours=1)  # compared with one query; a worker that was away takes several

_SUMMARIZE: Final = """
    SELECT brin_summarize_new_values(inhrelid) FROM pg_inherits WHERE inhparent = 'events_event_received'::regclass
"""
_COUNTS: Final = """
    SELECT extract(epoch FROM date_trunc('minute', received_at))::bigint, count(*) FROM events_event
    WHERE received_at >= %s AND received_at < %s AND line = 0 GROUP BY 1
"""


def repair(tenant: TenantRef) -> int:
    """Compare and make good every minute from the cursor up to a minute ago; how many did not agree."""
    with held(f"repair:{tenant.slug}") as is_alone:
        return _repair(tenant) if is_alone else 0


def _repair(tenant: TenantRef) -> int:
    now = _whole_minute(clock.now())
    reached, until, differing = _cursor(tenant, now), now - MINUTE, 0
    while reached < until:
        end = min(reached + AT_ONCE, until)
        differing += _repair_between(tenant, reached, end)
        _move_cursor(tenant, min(end, now - moving.SETTLED))
        reached = end
    if trending.is_unsure(tenant):
        trending.rebuild(tenant)
    history.rewrite_parted(tenant)
    return differing


def _repair_between(tenant: TenantRef, since: datetime, until: datetime) -> int:
    stored, moved = stored_by_minute(tenant, since, until), moved_by_minute(tenant, since, until)
    missing = {minute: stored.get(minute, 0) - moved.get(minute, 0) for minute in stored.keys() | moved.keys()}
    missing = {minute: events for minute, events in sorted(missing.items()) if events}
    for minute, events in missing.items():
        began = datetime.fromtimestamp(minute, UTC)
        history.replay(tenant, began, began + MINUTE)
        log.warning("events moved again", tenant=tenant.slug, minute=began.isoformat(), missing=events)
    if missing:
        trending.rebuild(tenant)
        _count(tenant, missing)
    return len(missing)


def stored_by_minute(tenant: TenantRef, since: datetime, until: datetime) -> Mapping[int, int]:
    """How many events were received in each minute, by the minute's Unix seconds; minutes without any are left out."""
    with tenancy.use(tenant), connection.cursor() as cursor:
        _summarize()
        cursor.execute(_COUNTS, [since, until])
        return dict(cursor.fetchall())


def _summarize() -> None:
    """Have the newest pages in the index, which would be read whole each minute until a vacuum comes by.

    A vacuum that is there already does that by itself; to wait for it would break it off.
    """
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '100ms'")
            cursor.execute(_SUMMARIZE)
    except OperationalError as error:
        if not isinstance(error.__cause__, errors.LockNotAvailable):
            raise
        log.info("index not summarized, the table is being vacuumed")


def moved_by_minute(tenant: TenantRef, since: datetime, until: datetime) -> Mapping[int, int]:
    """How many of those Redis was told of."""
    found: dict[int, int] = {}
    day = since.date()
    while day <= until.date():
        counted: dict[bytes, bytes] = redis.client().hgetall(moving.moved_key(tenant.slug, day))  # type: ignore[assignment]
        found |= {int(minute): int(events) for minute, events in counted.items()}
        day += timedelta(days=1)
    return {minute: events for minute, events in found.items() if since.timestamp() <= minute < until.timestamp()}


def _count(tenant: TenantRef, missing: Mapping[int, int]) -> None:
    """Have the counts agree. Added and not set: requests that are under way may count at the same time."""
    for minute, events in missing.items():
        key = moving.moved_key(tenant.slug, datetime.fromtimestamp(minute, UTC).date())
        redis.client().hincrby(key, str(minute), events)
        redis.client().expire(key, moving.COUNTS_KEPT)


def _cursor(tenant: TenantRef, now: datetime) -> datetime:
    with tenancy.use(tenant):
        kept = Cursor.objects.filter(name=CURSOR).values_list("received_until", flat=True).first()
    return kept or now - FIRST_LOOK


def _move_cursor(tenant: TenantRef, received_until: datetime) -> None:
    with tenancy.use(tenant):
        Cursor.objects.update_or_create(name=CURSOR, defaults={"received_until": received_until})


def _whole_minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)
