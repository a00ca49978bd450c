"""What slates ask Redis in Lua, so that looking something up and reading what belongs to it is one trip."""

from collections.abc import Sequence
from typing import Final

from events.types import CATEGORY, HISTORY_KEPT, HISTORY_LENGTH
from recomengine.lib import naming

Command = tuple[str | bytes | int, ...]

# ARGV: the prefix of the tenant's keys, visitor and user ("": not known), how many. A visitor may be a user's browser.
_PERSON: Final = """
local function newest(kind, since)
  local prefix, visitor, user, keys = ARGV[1], ARGV[2], ARGV[3], {}
  if visitor ~= '' then
    keys[1] = prefix .. kind .. ':v:' .. visitor
    if user == '' then user = redis.call('GET', prefix .. 'owner:' .. visitor) or '' end
  end
  if user ~= '' then keys[#keys + 1] = prefix .. kind .. ':u:' .. user end
  if #keys == 1 then return redis.call('ZRANGE', keys[1], '+inf', since, 'BYSCORE', 'REV') end
  local found, turned = redis.call('ZUNION', 2, keys[1], keys[2], 'AGGREGATE', 'MAX', 'WITHSCORES'), {}
  for n = #found - 1, 1, -2 do
    if tonumber(found[n + 1]) >= since then turned[#turned + 1] = found[n] end
  end
  return turned
end
"""

# KEYS: the table. Answers the newest entries, an item each, and the neighbour lists of their items.
NEIGHBOURS: Final = (
    _PERSON
    + """
local entries, ids, seen = {}, {}, {}
for _, entry in ipairs(newest('history', 0)) do
  local id = string.sub(entry, 2)
  if not seen[id] and #ids < tonumber(ARGV[4]) then
    seen[id] = true
    entries[#entries + 1] = entry
    ids[#ids + 1] = id
  end
end
if #ids == 0 then return {{}, {}} end
return {entries, redis.call('HMGET', KEYS[1], unpack(ids))}
"""
)

# KEYS: the hash of internal ids. Answers all entries, newest first, and the internal ids of their items.
RECENT: Final = (
    _PERSON
    + """
local entries, ids = newest('history', 0), {}
for n, entry in ipairs(entries) do ids[n] = string.sub(entry, 2) end
if #ids == 0 then return {{}, {}} end
return {entries, redis.call('HMGET', KEYS[1], unpack(ids))}
"""
)

# Answers the ids of the items put in the cart, and neither taken out nor bought since.
CART: Final = (
    _PERSON
    + """
local last, ids = {}, {}
for _, entry in ipairs(newest('history', 0)) do
  local letter, id = string.sub(entry, 1, 1), string.sub(entry, 2)
  if not last[id] and (letter == 'a' or letter == 'r' or letter == 'p') then
    last[id] = letter
    if letter == 'a' then ids[#ids + 1] = id end
  end
end
return ids
"""
)

# KEYS: the hash of internal ids, that of cards. Answers the internal ids and the cards of the items ARGV.
CARDS: Final = """
local numbers, known, cards = redis.call('HMGET', KEYS[1], unpack(ARGV)), {}, {}
for n, number in ipairs(numbers) do if number then known[#known + 1] = number end end
if #known == 0 then return {numbers, numbers} end
local found, place = redis.call('HMGET', KEYS[2], unpack(known)), 0
for n, number in ipairs(numbers) do
  cards[n] = false
  if number then
    place = place + 1
    cards[n] = found[place]
  end
end
return {numbers, cards}
"""

# Answers the ids of the items bought since an instant.
BOUGHT: Final = _PERSON + "return newest('bought', tonumber(ARGV[4]))"

# KEYS: a table. Answers the times of the items bought since an instant, and what the table has of them.
BOUGHT_WITH: Final = (
    _PERSON
    + """
local ids, times = newest('bought', tonumber(ARGV[4])), {}
if #ids == 0 then return {{}, {}} end
local prefix, visitor, user = ARGV[1], ARGV[2], ARGV[3]
if visitor ~= '' and user == '' then user = redis.call('GET', prefix .. 'owner:' .. visitor) or '' end
for _, who in ipairs({'v:' .. visitor, 'u:' .. user}) do
  for n, at in ipairs(redis.call('ZMSCORE', prefix .. 'bought:' .. who, unpack(ids))) do
    times[n] = math.max(times[n] or 0, tonumber(at or 0))
  end
end
for n, at in ipairs(times) do times[n] = string.format('%.0f', at) end
return {times, redis.call('HMGET', KEYS[1], unpack(ids))}
"""
)

# KEYS: the hash of internal ids, the trend, how it is measured. Answers ids with scores, internal ids, the landmark.
TREND: Final = """
local found, ids = redis.call('ZREVRANGE', KEYS[2], 0, ARGV[1] - 1, 'WITHSCORES'), {}
for n = 1, #found, 2 do ids[#ids + 1] = found[n] end
if #ids == 0 then return {{}, {}, '0'} end
return {found, redis.call('HMGET', KEYS[1], unpack(ids)), redis.call('HGET', KEYS[3], 'landmark') or '0'}
"""

# KEYS: the hash of internal ids, that of categories, the trend, how it is measured. Answers the same of the category of
# the item ARGV[2], and the category.
TREND_OF_CATEGORY: Final = f"""
local category, ids = redis.call('HGET', KEYS[2], ARGV[2]) or '', {{}}
local found = redis.call('ZREVRANGE', KEYS[3] .. ':{CATEGORY}:' .. category, 0, ARGV[1] - 1, 'WITHSCORES')
for n = 1, #found, 2 do ids[#ids + 1] = found[n] end
if #ids == 0 then return {{{{}}, {{}}, '0', category}} end
local landmark = redis.call('HGET', KEYS[4], '{CATEGORY}:' .. category) or '0'
return {{found, redis.call('HMGET', KEYS[1], unpack(ids)), landmark, category}}
"""

# KEYS: the newest items. Answers internal ids with the seconds from which they are new, in a flat list to every client.
NEWEST: Final = """
return redis.call('ZRANGE', KEYS[1], ARGV[1], '-inf', 'BYSCORE', 'REV',
  'LIMIT', 0, ARGV[2], 'WITHSCORES')
"""


def neighbours_of_history(slug: str, table: str, visitor: str, user: str, count: int) -> Command:
    """Reply: ([entry, …], [list, …]) of the `count` items a visitor or user had to do with last."""
    return ("EVAL", NEIGHBOURS, 1, table, naming.key(slug, ""), visitor, user, min(count, HISTORY_LENGTH))


def recent(slug: str, ids: str, visitor: str, user: str) -> Command:
    """Reply: ([entry, …], [internal id, …]) of the whole history."""
    return ("EVAL", RECENT, 1, ids, naming.key(slug, ""), visitor, user)


def bought(slug: str, anchor: str, visitor: str, user: str, now: float) -> Command:
    """Reply: the ids of items bought lately; `anchor` is any key of the tenant."""
    since = int((now - HISTORY_KEPT.total_seconds()) * 1_000_000)
    return ("EVAL", BOUGHT, 1, anchor, naming.key(slug, ""), visitor, user, since)


def cart(slug: str, anchor: str, visitor: str, user: str) -> Command:
    """Reply: the ids of what lies in the cart, as far as the history reaches back."""
    return ("EVAL", CART, 1, anchor, naming.key(slug, ""), visitor, user)


def cards(ids: str, cards_key: str, items: Sequence[str]) -> Command:
    """Reply: ([internal id or nil, …], [card or nil, …]) of items by their ids."""
    return ("EVAL", CARDS, 2, ids, cards_key, *items)


def bought_with(slug: str, table: str, visitor: str, user: str, now: float) -> Command:
    """Reply: ([Unix microseconds, …], [record or nil, …]) of the items bought lately."""
    since = int((now - HISTORY_KEPT.total_seconds()) * 1_000_000)
    return ("EVAL", BOUGHT_WITH, 1, table, naming.key(slug, ""), visitor, user, since)


def newest(newest_key: str, now: float, count: int) -> Command:
    """Reply: [internal id, Unix seconds, …] of the items that are new last, up to now."""
    return ("EVAL", NEWEST, 1, newest_key, int(now), count)


def trend(ids: str, trend_key: str, trending_key: str, count: int) -> Command:
    """Reply: ([id, score, …], [internal id, …], landmark in Unix seconds) of the `count` best."""
    return ("EVAL", TREND, 3, ids, trend_key, trending_key, count)


def trend_of_category(ids: str, categories: str, trends: tuple[str, str], item_id: str, count: int) -> Command:
    """Reply: as `trend` for the category of an item, and the category; "" and nothing for an item without one."""
    return ("EVAL", TREND_OF_CATEGORY, 4, ids, categories, *trends, count, item_id)
