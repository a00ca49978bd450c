"""How often each item was shown to a visitor who did not go for it, in Redis: `{slug}:shown:v:<visitor_id>`.

A sorted set of item ids by that number. An impression adds one for each of its items, however often it names them; a
click, the cart or a purchase takes an item out. What comes first is told by when it was received, and within a request
by when it occurred. Of more than `SHOWN_LENGTH` items those shown least go, and all of them `SHOWN_KEPT` after the last
impression. The counts move with all else that events move (`events.moving`) and are rebuilt from the store; they may
then be off by what comes in at that very moment.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, Final

from psycopg import sql

from events.moving import Shown
from events.types import SHOWN_KEPT, SHOWN_LENGTH, EventRow, EventType, shown_key
from recomengine.lib import clock, redis
from recomengine.lib.postgres import connect, table
from tenants.types import TenantRef

IMPRESSION: Final = str(EventType.IMPRESSION)
TAKEN: Final = frozenset({EventType.CLICK, EventType.ADD_TO_CART, EventType.PURCHASE})
TYPES: Final = (IMPRESSION, *map(str, TAKEN))
_CHUNK: Final = 1_000


def shown(events: Iterable[Sequence[EventRow]], now: datetime) -> list[Shown]:
    """What these events add to their visitors' counts, and take out of them."""
    since = now - SHOWN_KEPT
    lately = [event for event in events if event[0].type in TYPES and event[0].occurred_at > since]
    found: defaultdict[str, tuple[dict[str, None], dict[str, int]]] = defaultdict(lambda: ({}, {}))
    for event in sorted(lately, key=lambda each: (each[0].occurred_at, each[0].type != IMPRESSION)):
        taken, counts = found[event[0].visitor_id]
        for item in dict.fromkeys(row.item_id for row in event if row.item_id):
            if event[0].type == IMPRESSION:
                counts[item] = counts.get(item, 0) + 1
            else:
                taken[item] = None
                counts.pop(item, None)
    return [Shown(visitor, list(taken), _pairs(counts)) for visitor, (taken, counts) in found.items()]


def _pairs(counts: dict[str, int]) -> list[int | str]:
    newest = list(counts.items())[-SHOWN_LENGTH:]
    return [part for item, times in newest for part in (times, item)]


def rebuild(tenant: TenantRef) -> None:
    """Write the counts of every visitor anew who was shown anything lately."""
    _write(tenant, _rows(tenant, _COUNTS, among=sql.SQL("")))


def rewrite(tenant: TenantRef, visitors: Sequence[str]) -> None:
    """Forget the counts of these visitors, and write what the store says."""
    for start in range(0, len(visitors), _CHUNK):
        some = list(visitors[start : start + _CHUNK])
        redis.client().delete(*(shown_key(tenant.slug, visitor) for visitor in some))
        among = sql.SQL("AND visitor_id = ANY({})").format(sql.Literal(some))
        _write(tenant, _rows(tenant, _COUNTS, among=among))


def rewrite_received(tenant: TenantRef, since: datetime, until: datetime) -> None:
    """The same of the visitors of whom events were received in a stretch of time."""
    received = sql.SQL("AND received_at >= {} AND received_at < {}").format(sql.Literal(since), sql.Literal(until))
    rewrite(tenant, [visitor for (visitor,) in _rows(tenant, _VISITORS, among=received)])


_VISITORS: Final = """
    SELECT DISTINCT visitor_id FROM {events}
    WHERE occurred_at > {since} AND type = ANY({types}) AND item_id IS NOT NULL AND flag IS NULL {among}
"""
# Moments are compared as `shown` puts them in order: an impression counts if it came after the last time taken.
_COUNTS: Final = """
    WITH lately AS MATERIALIZED (
        SELECT visitor_id, item_id, event_id, type = {impression} AS is_shown, ARRAY[received_at, occurred_at] AS at
        FROM {events}
        WHERE occurred_at > {since} AND type = ANY({types}) AND item_id IS NOT NULL AND flag IS NULL {among}
    ), taken AS (
        SELECT visitor_id, item_id, max(at) AS at FROM lately WHERE NOT is_shown GROUP BY 1, 2
    ), counted AS (
        SELECT visitor_id, item_id, count(DISTINCT event_id) AS times
        FROM lately LEFT JOIN taken USING (visitor_id, item_id)
        WHERE is_shown AND (taken.at IS NULL OR lately.at > taken.at) GROUP BY 1, 2
    ), numbered AS (
        SELECT *, row_number() OVER (PARTITION BY visitor_id ORDER BY times DESC, item_id COLLATE "C" DESC) AS n
        FROM counted
    ) SELECT visitor_id, item_id, times FROM numbered WHERE n <= {most} ORDER BY visitor_id
"""


def _rows(tenant: TenantRef, statement: str, among: sql.Composable) -> Iterator[tuple[Any, ...]]:
    values: dict[str, Any] = {
        "events": table(tenant.schema, "events_event"),
        "since": clock.now() - SHOWN_KEPT,
        "types": list(TYPES),
        "impression": IMPRESSION,
        "most": SHOWN_LENGTH,
        "among": among,
    }
    with connect() as connection, connection.cursor(name="shown") as cursor:
        cursor.itersize = 10 * _CHUNK
        cursor.execute(sql.SQL(statement).format(**values))
        yield from cursor


def _write(tenant: TenantRef, rows: Iterable[tuple[Any, ...]]) -> None:
    by_visitor = ((visitor, list(counts)) for visitor, counts in groupby(rows, itemgetter(0)))
    while chunk := list(islice(by_visitor, _CHUNK)):
        pipeline = redis.client().pipeline(transaction=True)
        for visitor, counts in chunk:
            name = shown_key(tenant.slug, visitor)
            pipeline.delete(name)
            pipeline.zadd(name, {item: times for _, item, times in counts})
            pipeline.expire(name, SHOWN_KEPT)
        pipeline.execute()
