"""What slates ask Redis in Lua, so that looking something up and reading what belongs to it is one trip."""

from typing import Final

from events.types import HISTORY_KEPT, HISTORY_LENGTH
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

# Answers the ids of the items bought since an instant.
BOUGHT: Final = _PERSON + "return newest('bought', tonumber(ARGV[4]))"

# KEYS: the hash of internal ids, the trend, how it is measured. Answers ids with scores, internal ids, the landmark.
TREND: Final = """
local found, ids = redis.call('ZREVRANGE', KEYS[2], 0, ARGV[1] - 1, 'WITHSCORES'), {}
for n = 1, #found, 2 do ids[#ids + 1] = found[n] end
if #ids == 0 then return {{}, {}, '0'} end
return {found, redis.call('HMGET', KEYS[1], unpack(ids)), redis.call('HGET', KEYS[3], 'landmark') or '0'}
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


def trend(ids: str, trend_key: str, trending_key: str, count: int) -> Command:
    """Reply: ([id, score, …], [internal id, …], landmark in Unix seconds) of the `count` best."""
    return ("EVAL", TREND, 3, ids, trend_key, trending_key, count)
