"""The one script that moves what a request's events move in Redis: all of it, or nothing while Redis is away or full.

Moving people is idempotent and does not depend on the order of events: entries carry the time they stand for, and of
two for the same thing the later stays. So whatever was lost can simply be moved again. What adds up (interest in items,
how often things were shown, the count of events moved) is added once, with the rest, and rebuilt from the store where
the count does not agree.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from events.interest import HALF_LIFE, landmark_of
from events.types import BOUGHT_LENGTH, CATEGORY, HISTORY_KEPT, HISTORY_LENGTH, SHOWN_KEPT, SHOWN_LENGTH
from recomengine.lib import naming
from tenants.types import TenantRef

Command = tuple[str | bytes | int | float, ...]
Pairs = list[int | str]  # score, member, score, member, …
TREND_LENGTH: Final = 10_000  # items; it may grow to twice that before its tail is cut off
CATEGORIES: Final = 1_000  # of a shop that have a trend of their own, which grows in the same way
CATEGORY_LENGTH: Final = 1_000  # items of each
COUNTS_KEPT: Final = timedelta(days=2)
SETTLED: Final = timedelta(minutes=3)  # what was received longer ago is moved, or its move was lost

# Keys are named as in `events.types`; a browser's owner is known only in here, so they are put together from the
# prefix, which holds the hash tag. KEYS[1] tells a cluster whose they are.
SCRIPT: Final = """
local prefix, told = ARGV[1], cmsgpack.unpack(ARGV[2])
local function keep(key, most)
  redis.call('ZREMRANGEBYRANK', key, 0, -most - 1)
  redis.call('EXPIRE', key, told.kept)
end
local function add(kind, id, entries, most)
  if #entries > 0 then
    redis.call('ZADD', prefix .. kind .. id, 'GT', unpack(entries))
    keep(prefix .. kind .. id, most)
  end
end
local function give(what, visitor, user, most)
  local from, to = prefix .. what .. ':v:' .. visitor, prefix .. what .. ':u:' .. user
  if redis.call('EXISTS', from) == 1 then
    redis.call('ZUNIONSTORE', to, 2, to, from, 'AGGREGATE', 'MAX')
    keep(to, most)
  end
end
local function owner_of(visitor, user)
  local pointer = prefix .. 'owner:' .. visitor
  local owner = redis.call('GET', pointer)
  if user == '' or user == visitor then
    if owner then redis.call('EXPIRE', pointer, told.owner_kept) end
    return owner or ''
  end
  if not owner then
    owner = user
    give('history', visitor, user, told.history)
    give('bought', visitor, user, told.bought)
  elseif owner ~= '' and owner ~= user then
    redis.call('SADD', prefix .. 'parted', owner)
    owner = ''
  end
  redis.call('SET', pointer, owner, 'EX', told.owner_kept)
  return owner
end
for _, person in ipairs(told.people) do
  local visitor, user, entries, bought = unpack(person)
  local owner = owner_of(visitor, user)
  if user == '' then user = owner end
  add('history:v:', visitor, entries, told.history)
  add('bought:v:', visitor, bought, told.bought)
  if user ~= '' then
    add('history:u:', user, entries, told.history)
    add('bought:u:', user, bought, told.bought)
  end
end
for _, seen in ipairs(told.shown) do
  local visitor, taken, added = unpack(seen)
  local key = prefix .. 'shown:v:' .. visitor
  if #taken > 0 and redis.call('EXISTS', key) == 1 then
    for from = 1, #taken, 1000 do
      redis.call('ZREM', key, unpack(taken, from, math.min(from + 999, #taken)))
    end
  end
  for n = 1, #added, 2 do redis.call('ZINCRBY', key, added[n], added[n + 1]) end
  if #added > 0 then
    -- Cut to half, so that what is shown from now on has room to be shown more than once.
    if redis.call('ZCARD', key) > told.shown_most then
      redis.call('ZREMRANGEBYRANK', key, 0, -told.shown_most / 2 - 1)
    end
    redis.call('EXPIRE', key, told.shown_kept)
  end
end
local function by_category()
  local found, ids = {}, {}
  for n = 2, #told.interest, 2 do
    ids[#ids + 1] = told.interest[n]
    if #ids == 1000 or n == #told.interest then
      for m, category in ipairs(redis.call('HMGET', prefix .. 'categories', unpack(ids))) do
        if category then
          local interest, at = found[category] or {}, n - 2 * (#ids - m)
          interest[#interest + 1] = told.interest[at - 1]
          interest[#interest + 1] = told.interest[at]
          found[category] = interest
        end
      end
      ids = {}
    end
  end
  return found
end
local function add_up(state, field, landmark, trend, interest, most)
  local ahead = (told.landmark - tonumber(landmark)) / told.half_life
  if ahead > 0 then
    redis.call('ZUNIONSTORE', trend, 1, trend, 'WEIGHTS', 2 ^ -ahead)
    redis.call('HSET', state, field, told.landmark)
    ahead = 0
  end
  local is_longer = false
  for n = 1, #interest, 2 do
    local added = interest[n] * 2 ^ ahead
    if tonumber(redis.call('ZINCRBY', trend, added, interest[n + 1])) == added then is_longer = true end
  end
  if is_longer and redis.call('ZCARD', trend) > 2 * most then
    redis.call('ZREMRANGEBYRANK', trend, 0, -most - 1)
  end
end
local function landmarks_of(state, categories)
  local fields, found = {}, {}
  for category in pairs(categories) do fields[#fields + 1] = told.category_prefix .. category end
  for from = 1, #fields, 1000 do
    local to = math.min(from + 999, #fields)
    for n, landmark in ipairs(redis.call('HMGET', state, unpack(fields, from, to))) do
      local field = fields[from + n - 1]
      if not landmark and redis.call('HLEN', state) < told.categories then
        redis.call('HSET', state, field, told.landmark)
        landmark = told.landmark
      end
      found[field] = landmark
    end
  end
  return found
end
local function raise(suffix, categories)
  local state, trend = prefix .. 'trending' .. suffix, prefix .. 'trend' .. suffix
  local landmark, since = unpack(redis.call('HMGET', state, 'landmark', 'since'))
  if not landmark and suffix ~= '' then return end
  if told.received < tonumber(since or 0) then
    redis.call('HSET', state, 'late', 1)
    return
  end
  if not landmark then
    redis.call('HSET', state, 'landmark', told.landmark)
    landmark = told.landmark
  end
  add_up(state, 'landmark', landmark, trend, told.interest, told.trend)
  local landmarks = landmarks_of(state, categories)
  for category, interest in pairs(categories) do
    local field = told.category_prefix .. category
    local its_trend = trend .. ':' .. field
    if landmarks[field] then
      add_up(state, field, landmarks[field], its_trend, interest, told.category)
      if suffix ~= '' then redis.call('PEXPIREAT', its_trend, redis.call('PEXPIRETIME', state)) end
    end
  end
end
if #told.interest > 0 then
  local categories = by_category()
  raise('', categories)
  raise(':next', categories)
end
if told.events > 0 then
  redis.call('HINCRBY', KEYS[1], told.minute, told.events)
  redis.call('EXPIRE', KEYS[1], told.counts_kept)
end
"""


class Person(NamedTuple):
    """What a visitor did, logged in as a user or ("") not: entries of the history, and items bought, with their times.

    The times are Unix microseconds; each is followed by what it belongs to.
    """

    visitor: str
    user: str
    history: Pairs
    bought: Pairs


class Shown(NamedTuple):
    """What a visitor went for, and then how often what was shown (number, item, number, item, …)."""

    visitor: str
    taken: list[str]
    added: Pairs


def command(  # noqa: PLR0917 - what is moved, one thing each
    tenant: TenantRef,
    people: Sequence[Person],
    received_at: datetime,
    interest: Sequence[float | str] = (),
    events: int = 0,
    shown: Sequence[Shown] = (),
) -> Command:
    """The Redis command that moves people and adds up interest (weight, item, weight, item, …), events, what was shown.

    Weights are measured from the landmark of `received_at`.
    """
    told = {
        "people": people,
        "history": HISTORY_LENGTH,
        "bought": BOUGHT_LENGTH,
        "kept": int(HISTORY_KEPT.total_seconds()),
        "owner_kept": tenant.retention_days * 86_400,
        "interest": interest,
        "shown": shown,
        "shown_most": SHOWN_LENGTH,
        "shown_kept": int(SHOWN_KEPT.total_seconds()),
        "landmark": int(landmark_of(received_at).timestamp()),
        "half_life": int(HALF_LIFE.total_seconds()),
        "received": microseconds(received_at),
        "trend": TREND_LENGTH,
        "categories": CATEGORIES,
        "category": CATEGORY_LENGTH,
        "category_prefix": f"{CATEGORY}:",
        "events": events,
        "minute": minute_of(received_at),
        "counts_kept": int(COUNTS_KEPT.total_seconds()),
    }
    counts = moved_key(tenant.slug, received_at.date())
    return ("EVAL", SCRIPT, 1, counts, naming.key(tenant.slug, ""), msgspec.msgpack.encode(told))


def moved_key(slug: str, day: date) -> str:
    """The hash that counts the events received in each minute of a UTC day, as far as they were moved."""
    return naming.key(slug, "moved", f"{day:%Y-%m-%d}")


def minute_of(moment: datetime) -> int:
    """The minute, as Unix seconds of its beginning."""
    return int(moment.timestamp()) // 60 * 60


def microseconds(moment: datetime) -> int:
    """Unix microseconds."""
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond
