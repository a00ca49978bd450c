"""Counts of what was found, to narrow a search by: per brand, category, availability, price range and attribute.

The counts of a facet leave out what the filter asks of that very field, so that the other values of a choice stay in
sight. Reads the tenant in use.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec
from django.db import connection

from catalog import conditions
from catalog.cards import money
from catalog.conditions import Sql
from catalog.filters import ATTRIBUTE, All, Filter, without

MAX_FACETS: Final = 10
MAX_VALUES: Final = 50
TOTAL: Final = "total"  # read like a facet of all that was found, and so is the next
IDS: Final = "ids"
FACETS: Final = ("brand", "category", "availability", "price")
_BOUNDS: Final = [step * Decimal(10) ** power for power in range(-2, 11) for step in (1, 2, 5)]


class Count(msgspec.Struct, frozen=True):
    value: str | bool | int | float
    count: int


class Range(msgspec.Struct, frozen=True, rename={"lowest": "from", "bound": "to"}):
    """Prices from `lowest` up to, but not at, `bound`; plain decimal strings."""

    lowest: str
    bound: str
    count: int


Facet = Sequence[Count | Range]
"""The most frequent values first, at most `MAX_VALUES`; of a price ranges in ascending order."""

Rows = list[tuple[Any, int]]


def field_of(name: str) -> str:
    """The field of filters that narrows by a facet."""
    return "current_price" if name == "price" else name


def exists(name: str) -> bool:
    return name in FACETS or (name.startswith(ATTRIBUTE) and len(ATTRIBUTE) < len(name) <= 300 and "\x00" not in name)


class Counted(NamedTuple):
    """How many items passed and their facets; `ids` are theirs, the most popular first, unless they are too many."""

    total: int
    ids: list[int] | None
    facets: Mapping[str, Facet]


def count(names: Sequence[str], text: Sql, wanted: All, at: datetime, at_most: int) -> Counted:
    """Count what passes text and filter at a moment, up to `at_most` and one; the facets are of as many."""
    by_filter: dict[Filter, list[str]] = defaultdict(list, {wanted: []})
    for name in names:
        by_filter[without(wanted, field_of(name))].append(name)
    rows: dict[str, Rows] = {}
    for remaining, group in by_filter.items():
        where = conditions.both(text, conditions.where(remaining, at))
        also = (TOTAL, IDS) if remaining == wanted else ()
        rows |= _rows((*also, *group), where, at, at_most)
    ids, _ = rows[IDS][0]
    _, total = rows[TOTAL][0]
    return Counted(total, ids and msgspec.json.decode(ids), {name: _facet(name, rows[name]) for name in names})


def _rows(names: Sequence[str], where: Sql, at: datetime, at_most: int) -> dict[str, Rows]:
    """The values of each facet with their counts."""
    columns = [_column(name, at) for name in names]
    selected = "".join(f", {column.text} AS f{index}" for index, column in enumerate(columns))
    parts = (f"(SELECT {index}, {_PARTS.get(name, _EACH)})".format(f=f"f{index}") for index, name in enumerate(names))
    sql = f"""WITH found AS MATERIALIZED (SELECT id, popularity{selected} FROM catalog_item WHERE {where.text} LIMIT %s)
        {" UNION ALL ".join(parts)}"""  # noqa: S608 - ours
    params = [*(param for column in columns for param in column.params), *where.params, at_most + 1]
    rows: dict[str, Rows] = {name: [] for name in names}
    with connection.cursor() as cursor:
        cursor.execute(sql, params + [at_most for name in names if name == IDS])
        for index, value, number in cursor.fetchall():
            rows[names[index]].append((value, number))
    return rows


_EACH: Final = "to_jsonb({f}), count(*) FROM found GROUP BY {f} ORDER BY count(*) DESC LIMIT 1000"
# Far fewer items differ in their categories than there are items.
_PATHS: Final = """to_jsonb(path), sum(number)::bigint FROM (
    SELECT {f}, count(*) AS number FROM found GROUP BY {f}) AS found, unnest({f}) AS path
    GROUP BY path ORDER BY sum(number) DESC LIMIT 1000"""
_PRICES: Final = "to_jsonb({f}), count(*) FROM found WHERE {f} IS NOT NULL GROUP BY {f}"
_TOTAL: Final = "NULL, count(*) FROM found"
_IDS: Final = """to_jsonb(array_agg(id ORDER BY popularity DESC, id DESC)), 0
    FROM found WHERE (SELECT count(*) FROM found) <= %s"""
_PARTS: Final = {"category": _PATHS, "price": _PRICES, TOTAL: _TOTAL, IDS: _IDS}
_COLUMNS: Final = {"brand": "brand", "category": "category_paths", "availability": "availability"}


def _column(name: str, at: datetime) -> Sql:
    if name == "price":
        price = conditions.current_price(at)
        bounds = ", ".join(map(str, _BOUNDS))
        return Sql(f"width_bucket({price.text}, ARRAY[{bounds}])", price.params)
    if name.startswith(ATTRIBUTE):
        return Sql("attributes -> %s::text", [name.removeprefix(ATTRIBUTE)])
    return Sql(_COLUMNS.get(name, "NULL"), [])


def _facet(name: str, rows: Rows) -> Facet:
    if name == "price":
        return [_range(bucket, number) for bucket, number in sorted((int(bucket), number) for bucket, number in rows)]
    counts: dict[str, Count] = {}
    for value, number in rows:
        for each in _each(value):
            key = msgspec.json.encode(each).decode()
            counts[key] = Count(each, number + (counts[key].count if key in counts else 0))
    ordered = sorted(counts.values(), key=lambda found: (-found.count, str(found.value)))
    return ordered[:MAX_VALUES]


def _each(value: Any) -> Sequence[Any]:
    """The values to count: those of a list, each once, none of what is missing."""
    found = None if value is None else msgspec.json.decode(value)
    values = list(dict.fromkeys(found)) if isinstance(found, list) else [found]
    return [each for each in values if each is not None and each != ""]


def _range(bucket: int, number: int) -> Range:
    """Of `width_bucket`: the first is below the first bound."""
    lowest = _BOUNDS[bucket - 1] if bucket else Decimal(0)
    return Range(money(lowest) or "", money(_BOUNDS[bucket]) or "", number)
