"""What slates ask Redis in Lua, so that looking something up and reading what belongs to it is one trip."""

from collections.abc import Sequence
from typing import Any, Final

from events.types import CATEGORY

Command = tuple[str | bytes | int, ...]
Reply = Any  # what a command knows of its own

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


def cards(ids: str, cards_key: str, items: Sequence[str]) -> Command:
    """Reply: ([internal id or nil, …], [card or nil, …]) of items by their ids."""
    return ("EVAL", CARDS, 2, ids, cards_key, *items)


def trend(ids: str, trend_key: str, trending_key: str, count: int) -> Command:
    """Reply: ([id, score, …], [internal id, …], landmark in Unix seconds) of the `count` best."""
    return ("EVAL", TREND, 3, ids, trend_key, trending_key, count)


def trend_of_category(ids: str, categories: str, trends: tuple[str, str], item_id: str, count: int) -> Command:
    """Reply: as `trend` for the category of an item, and the category; "" and nothing for an item without one."""
    return ("EVAL", TREND_OF_CATEGORY, 4, ids, categories, *trends, count, item_id)
