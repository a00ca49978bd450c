"""What gains interest in a shop right now: forward-decayed sums of what events say in their items' favour, in Redis.

`{slug}:trend` is a sorted set of item ids; the hash `{slug}:trending` says from which `landmark` (Unix seconds) the
sums are measured. `{slug}:trend:c:<category>` is the same for the items that count in a category, measured from what
the field `c:<category>` says. Events add to it as they are moved (`events.moving`). A rebuild reads what was received
before an instant (`since`) from the store, while what is received later is added to a second pair of keys, `…:next`, as
well; then these take the place of the first pair. An event from before that instant which is only moved afterwards may
or may not have been read: it is not added but noted (`late`), and the next repair rebuilds once more.
"""

import time
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction

from events import moving
from events.interest import EVENT_WEIGHTS, HALF_LIFE, forward_weight, landmark_of
from events.moving import microseconds
from events.types import CATEGORY, EventRow, trend_key, trending_key
from recomengine.lib import clock, redis
from recomengine.lib.naming import categories_key
from recomengine.lib.postgres import lock_until_commit
from tenants import tenancy
from tenants.types import TenantRef

KEPT: Final = timedelta(days=30)  # ten half-lives: an event of that age weighs a thousandth
UNDER_WAY: Final = 1.0  # seconds that requests take at most, between being received and moving what they move
_ABANDONED: Final = timedelta(hours=1)  # a rebuild that did not end by then
_READ: Final = 100_000  # items at most, the best of which are the shop's trend
_CHUNK: Final = 5_000


def interest(events: Iterable[Sequence[EventRow]]) -> list[float | str]:
    """What the events add to the trend: weight, item, weight, item, …; an event from the future counts as of now."""
    weights: defaultdict[str, float] = defaultdict(float)
    for event in events:
        first = event[0]
        weight, received_at = EVENT_WEIGHTS.get(first.type), first.received_at
        at = min(first.occurred_at, received_at)
        if weight is None or at < received_at - KEPT:
            continue
        added = forward_weight(weight, at, landmark_of(received_at))
        for row in event:
            if row.item_id:
                weights[row.item_id] += added
    return [part for item_id, added in weights.items() for part in (added, item_id)]


# Weights as of `landmark`, like `forward_weight`.
_SUMS: Final = """
    SELECT item_id, sum(
        (%(weights)s::float8[])[array_position(%(types)s, type)]
        * power(2, extract(epoch FROM least(occurred_at, received_at) - %(landmark)s)::float8 / %(half_life)s)
    ) AS score
    FROM events_event
    WHERE occurred_at > %(from)s AND received_at < %(since)s AND item_id IS NOT NULL AND flag IS NULL
    AND type = ANY(%(types)s) GROUP BY item_id ORDER BY score DESC LIMIT %(most)s
"""

# KEYS: trend, trending, and the same twice more: what came in since, what was read. The latter's landmark is ARGV[1];
# after ARGV[2] come the categories that were read.
_SWAP: Final = """
local trend, trending, later, later_trending, read = unpack(KEYS)
local landmark, since, late = unpack(redis.call('HMGET', later_trending, 'landmark', 'since', 'late'))
if not landmark then return redis.error_reply('the rebuild took too long') end
local landmarks = {}
for n = 3, #ARGV do landmarks[ARGV[n]] = ARGV[1] end
for _, field in ipairs(redis.call('HKEYS', later_trending)) do
  if string.sub(field, 1, #PREFIX) == PREFIX then landmarks[field] = redis.call('HGET', later_trending, field) end
end
for _, field in ipairs(redis.call('HKEYS', trending)) do
  if string.sub(field, 1, #PREFIX) == PREFIX then redis.call('DEL', trend .. ':' .. field) end
end
local function put(to, added, from, measured)
  local ahead = (tonumber(measured) - tonumber(ARGV[1])) / tonumber(ARGV[2])
  redis.call('ZUNIONSTORE', to, 2, added, from, 'WEIGHTS', 1, 2 ^ -ahead)
  redis.call('DEL', added, from)
end
put(trend, later, read, landmark)
redis.call('DEL', trending, later_trending)
redis.call('HSET', trending, 'landmark', landmark, 'since', since)
for field, measured in pairs(landmarks) do
  put(trend .. ':' .. field, later .. ':' .. field, read .. ':' .. field, measured)
  redis.call('HSET', trending, field, measured)
end
if late then redis.call('HSET', trending, 'late', 1) end
return redis.call('ZCARD', trend)
""".replace("PREFIX", f"'{CATEGORY}:'")


def rebuild(tenant: TenantRef) -> int:
    """Add everything up anew from the event store, without losing what comes in meanwhile; how many items there are."""
    slug, client = tenant.slug, redis.client()
    with tenancy.use(tenant), transaction.atomic():
        lock_until_commit(trend_key(slug))  # one rebuild at a time
        since = clock.now()
        landmark = landmark_of(since)
        later, later_trending = trend_key(slug, "next"), trending_key(slug, "next")
        read = trend_key(slug, "read", uuid.uuid4().hex)
        with client.pipeline(transaction=True) as pipeline:
            pipeline.delete(later, later_trending, *_of_categories(later, later_trending))
            pipeline.hset(later_trending, items=["landmark", int(landmark.timestamp()), "since", microseconds(since)])
            pipeline.expire(later_trending, _ABANDONED)
            pipeline.execute()
        time.sleep(UNDER_WAY)
        client.hdel(later_trending, "late")  # those are committed, so they are read now
        categories = _read(slug, read, since, landmark)
        keys = (trend_key(slug), trending_key(slug), later, later_trending, read)
        arguments: tuple[int | str, ...] = (int(landmark.timestamp()), int(HALF_LIFE.total_seconds()), *categories)
        return int(client.eval(_SWAP, len(keys), *keys, *arguments))


def _of_categories(trend: str, trending: str) -> Iterator[str]:
    """The sorted sets of the categories that a hash tells of."""
    fields: list[bytes] = redis.client().hkeys(trending)  # type: ignore[assignment]
    for field in fields:
        if field.startswith(f"{CATEGORY}:".encode()):
            yield f"{trend}:{field.decode()}"


def _read(slug: str, name: str, since: datetime, landmark: datetime) -> list[str]:
    """Add up what was received until then, the shop's trend under a name and the categories' under their fields'."""
    values: dict[str, Any] = {
        "landmark": landmark,
        "half_life": HALF_LIFE.total_seconds(),
        "from": since - KEPT,
        "since": since,
        "types": list(EVENT_WEIGHTS),
        "weights": list(EVENT_WEIGHTS.values()),
        "most": _READ,
    }
    held: dict[str, int] = defaultdict(int)
    with connection.cursor() as cursor:
        cursor.execute(_SUMS, values)
        while rows := cursor.fetchmany(_CHUNK):
            room = moving.TREND_LENGTH - held[""]
            for field, scores in {"": dict(rows[:room]), **_by_category(slug, rows, held)}.items():
                if scores:
                    key = f"{name}:{field}" if field else name
                    redis.client().zadd(key, scores)
                    redis.client().expire(key, _ABANDONED)
                    held[field] += len(scores)
    return [field for field in held if field]


def _by_category(slug: str, rows: Sequence[tuple[str, float]], held: dict[str, int]) -> dict[str, dict[str, float]]:
    """The best of the rows that their categories have room for, by the categories' fields."""
    found: defaultdict[str, dict[str, float]] = defaultdict(dict)
    fields = set(held) - {""}
    categories: list[bytes | None] = redis.client().hmget(categories_key(slug), [item_id for item_id, _ in rows])  # type: ignore[assignment]
    for (item_id, score), category in zip(rows, categories, strict=True):
        if category is None:
            continue
        field = f"{CATEGORY}:{category.decode()}"
        if len(fields) < moving.CATEGORIES:
            fields.add(field)
        if field in fields and held.get(field, 0) + len(found[field]) < moving.CATEGORY_LENGTH:
            found[field][item_id] = score
    return found


def is_unsure(tenant: TenantRef) -> bool:
    """Whether an event was moved so late that the last rebuild may or may not have counted it."""
    return redis.client().hexists(trending_key(tenant.slug), "late") is True
