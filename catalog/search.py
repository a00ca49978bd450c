"""Searching the catalogue: a text, a filter, an order, and counts to narrow the search by.

Of a broad search the `RANKED` most popular items are put in order of relevance, and no more than `COUNTED` counted: of
more than that nobody reads the end, and the answer says that it is not exact.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import msgspec
from django.db import connection

from catalog import cards, conditions, facets, queries
from catalog.conditions import Sql
from catalog.facets import Facet
from catalog.filters import Filter, every
from catalog.finding import ItemSummary
from catalog.models import Item
from catalog.queries import Query
from recomengine.lib import clock
from tenants import tenancy
from tenants.types import TenantRef

RANKED: Final = 1_000
COUNTED: Final = 2_000
PAGED: Final = 10_000


class Sort(StrEnum):
    RELEVANCE = "relevance"
    POPULARITY = "popularity"
    NEWEST = "newest"
    PRICE = "price"
    PRICE_DESCENDING = "-price"


@dataclass(frozen=True, slots=True)
class Search:
    """What is asked for. Without a text the most popular items come first, whatever `sort` says of relevance.

    `facets` are `brand`, `category`, `availability`, `price` and attributes as `attributes.color`; of more than
    `counted` items no more are counted.
    """

    text: str = ""
    filter: Filter | None = None
    sort: Sort = Sort.RELEVANCE
    limit: int = 24
    offset: int = 0
    facets: tuple[str, ...] = ()
    counted: int = COUNTED


@dataclass(frozen=True, slots=True)
class Found:
    """A page of what was found; `products` are as the API shows them, `items` as lists of the dashboard do.

    If not `exact`, there are at least `total`. `corrections` are the words that stood for a mistyped one. `every_word`
    is false if no item has all the words and these have one of them. `more` says whether another page can be asked for.
    """

    products: list[dict[str, Any]] = field(default_factory=list)
    total: int = 0
    exact: bool = True
    more: bool = False
    facets: Mapping[str, Facet] = field(default_factory=dict)
    corrections: Mapping[str, list[str]] = field(default_factory=dict)
    every_word: bool = True

    @property
    def items(self) -> list[ItemSummary]:
        return [msgspec.convert(product, ItemSummary) for product in self.products]


def search(tenant: TenantRef, asked: Search) -> Found:
    """Find items; those of the very id first, then by `asked.sort`."""
    with tenancy.use(tenant):
        if not asked.text.strip():
            return _found(asked, None)
        query = queries.understand(asked.text, tenant.locale)
        if query is None:
            return Found(facets={name: [] for name in asked.facets})
        found = _found(asked, query)
        if found.total or query.some == query.every:
            return found
        return replace(_found(asked, replace(query, every=query.some)), every_word=False)


def _found(asked: Search, query: Query | None) -> Found:
    at, wanted = clock.now(), every(asked.filter)
    text = Sql("document @@ %s::tsquery", [query.every]) if query else conditions.ALWAYS
    counted = facets.count(asked.facets, text, wanted, at, asked.counted)
    last = min(asked.offset + asked.limit, RANKED if query and asked.sort == Sort.RELEVANCE else PAGED)
    where = conditions.both(text, conditions.where(wanted, at))
    first = _first(asked, query, where, counted.ids, at)[asked.offset : last + 1] if counted.total else []
    page = first[: last - asked.offset]
    return Found(
        products=_products(page),
        total=min(counted.total, asked.counted),
        exact=counted.total <= asked.counted,
        more=len(first) > len(page) and last < PAGED,
        facets=counted.facets,
        corrections=query.corrections if query else {},
    )


def _first(asked: Search, query: Query | None, where: Sql, known: list[int] | None, at: datetime) -> list[int]:
    """The ids of the first items in their order; `known` are those of all of them, the most popular first."""
    if query and asked.sort == Sort.RELEVANCE:
        return _ids(*_ranked(query, asked.text.strip().replace("\x00", ""), where, known))
    if known is not None and asked.sort not in (Sort.PRICE, Sort.PRICE_DESCENDING):
        return sorted(known, reverse=True) if asked.sort == Sort.NEWEST else known
    where = where if known is None else _among(known)
    order = _order(asked.sort, at)
    sql = f"SELECT id FROM catalog_item WHERE {where.text} ORDER BY {order.text}, id DESC LIMIT %s"  # noqa: S608 - ours
    return _ids(sql, [*where.params, *order.params, asked.offset + asked.limit + 1])


def _ids(sql: str, params: list[Any]) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return [row[0] for row in cursor.fetchall()]


def _among(ids: list[int]) -> Sql:
    return Sql("id = ANY(%s)", [ids])


def _order(sort: Sort, at: datetime) -> Sql:
    if sort in (Sort.PRICE, Sort.PRICE_DESCENDING):
        price = conditions.current_price(at)
        return Sql(f"{price.text} {'ASC' if sort == Sort.PRICE else 'DESC'} NULLS LAST", price.params)
    return Sql("popularity DESC" if sort != Sort.NEWEST else "id DESC", [])


# The item of the very id is looked for beside the most popular ones. Steps of relevance are wide enough for popularity
# to decide between items that fit about equally well.
_RANKED: Final = """
    WITH popular AS MATERIALIZED (
        SELECT id, item_id, title, document, popularity FROM catalog_item WHERE {where}
        ORDER BY popularity DESC, id DESC LIMIT %s
    ), ranked AS (
        SELECT * FROM popular UNION ALL
        SELECT id, item_id, title, document, popularity FROM catalog_item
        WHERE item_id = %s AND {anyhow} AND NOT EXISTS (SELECT FROM popular WHERE popular.item_id = %s)
    )
    SELECT id FROM ranked ORDER BY
        lower(item_id) = %s DESC, starts_with(lower(item_id), %s) DESC,
        floor(20 * (ts_rank(document, %s::tsquery) + CASE WHEN starts_with(lower(title), %s) THEN 0.2 ELSE 0 END)) DESC,
        popularity DESC, id DESC
"""


def _ranked(query: Query, text: str, where: Sql, known: list[int] | None) -> tuple[str, list[Any]]:
    popular, typed = where if known is None else _among(known[:RANKED]), query.typed
    sql = _RANKED.format(where=popular.text, anyhow=where.text)
    return sql, [*popular.params, RANKED, text, *where.params, text, typed, typed, query.ranking, typed]


def _products(ids: Sequence[int]) -> list[dict[str, Any]]:
    items = Item.objects.in_bulk(ids)
    return [cards.product(items[pk]) for pk in ids if pk in items]
