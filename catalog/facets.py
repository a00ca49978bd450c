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
    return name in _COLUMNS or (name.startswith(ATTRIBUTE) and len(ATTRIBUTE) < len(name) <= 300 and "\x00" not in name)


class Passed(NamedTuple):
    """What passed text and filter at a moment; `known` are the ids of all of it, if the caller has them."""

    text: Sql
    filter: All
    at: datetime
    known: Sequence[int] | None


def count(names: Sequence[str], passed: Passed, at_most: int) -> tuple[int, Mapping[str, Facet]]:
    """How many items passed, counted up to `at_most` and one, and the facets of as many."""
    wanted, at, known = passed.filter, passed.at, passed.known
    by_filter: dict[Filter, list[str]] = defaultdict(list, {wanted: []})
    for name in names:
        by_filter[without(wanted, field_of(name))].append(name)
    total, found = len(known or ()), dict[str, Facet]()
    for remaining, group in by_filter.items():
        if remaining == wanted and known is not None:
            rows = _counted(group, Sql("id = ANY(%s)", [list(known)]), at, at_most) if group else {}
        else:
            rows = _counted(group, conditions.both(passed.text, conditions.where(remaining, at)), at, at_most)
            total = rows[""][0][1] if remaining == wanted else total
        found |= {name: _facet(name, rows[name]) for name in group}
    return total, {name: found[name] for name in names}


def _counted(names: Sequence[str], where: Sql, at: datetime, at_most: int) -> Mapping[str, Rows]:
    """The values of each facet with their counts, and under no name that of all."""
    columns = [_column(name, at) for name in names]
    selected = ", ".join(f"{column.text} AS f{index}" for index, column in enumerate(columns)) or "1"
    sql = f"WITH found AS MATERIALIZED (SELECT {selected} FROM catalog_item WHERE {where.text} LIMIT %s)"  # noqa: S608 - ours
    sql += " SELECT -1, NULL, count(*) FROM found"
    for index, name in enumerate(names):
        sql += f" UNION ALL (SELECT {index}, {_GROUPED.get(name, _EACH).format(f=f'f{index}')})"
    params = [param for column in columns for param in column.params]
    rows: dict[str, Rows] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(sql, [*params, *where.params, at_most + 1])
        for index, value, number in cursor.fetchall():
            rows[names[index] if index >= 0 else ""].append((value, number))
    return rows


_EACH: Final = "to_jsonb({f}), count(*) FROM found GROUP BY {f} ORDER BY count(*) DESC LIMIT 1000"
# Far fewer items differ in their categories than there are items.
_PATHS: Final = """to_jsonb(path), sum(number)::bigint FROM (
    SELECT {f}, count(*) AS number FROM found GROUP BY {f}) AS found, unnest({f}) AS path
    GROUP BY path ORDER BY sum(number) DESC LIMIT 1000"""
_PRICES: Final = "to_jsonb({f}), count(*) FROM found WHERE {f} IS NOT NULL GROUP BY {f}"
_GROUPED: Final = {"category": _PATHS, "price": _PRICES}
_COLUMNS: Final = {"brand": "brand", "category": "category_paths", "availability": "availability", "price": ""}


def _column(name: str, at: datetime) -> Sql:
    if name == "price":
        price = conditions.current_price(at)
        bounds = ", ".join(map(str, _BOUNDS))
        return Sql(f"width_bucket({price.text}, ARRAY[{bounds}])", price.params)
    if name in _COLUMNS:
        return Sql(_COLUMNS[name], [])
    return Sql("attributes -> %s::text", [name.removeprefix(ATTRIBUTE)])


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
