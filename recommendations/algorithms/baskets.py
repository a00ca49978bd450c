"""Frequently bought together: which items orders combine."""

from dataclasses import dataclass
from typing import Final

import ibis

from recommendations.algorithms.ranking import both_ways, rank_neighbours

PURCHASE: Final = "purchase"
SECONDS_PER_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class BasketParams:
    """How orders become scores.

    `half_life_days`: age at which an order counts half, because assortments and seasons pass. `popularity_penalty`: α,
    the exponent of n_j. `shrinkage`: orders added to n_i, so that an item bought once does not
    look certain. `min_count`: fewest orders that must hold both. `max_items`: an order's lines beyond this many (fewest
    units first, then largest item number) are ignored, because pairs grow with the square and a wholesaler's list
    says little about what goes together. `k`: neighbours kept.
    """

    half_life_days: float = 120.0
    popularity_penalty: float = 0.1
    shrinkage: float = 2.0
    min_count: int = 2
    max_items: int = 200
    k: int = 50


PRODUCT_PAGE: Final = BasketParams()

CART: Final = BasketParams(popularity_penalty=0.5)
"""A cart has several anchors, and what is popular would follow from all of them: it needs the stronger penalty."""


@dataclass(frozen=True, slots=True)
class PairStatistics:
    """Association of two items over orders, from the four counts that define it.

    `orders` all orders, `with_item` and `with_neighbour` those that hold the one, `together` those that hold both.
    """

    orders: int
    with_item: int
    with_neighbour: int
    together: int

    @property
    def support(self) -> float | None:
        """Share of all orders with both, 0 to 1; None without orders."""
        return self.together / self.orders if self.orders else None

    @property
    def confidence(self) -> float | None:
        """Share of the item's orders that also hold the neighbour, 0 to 1; None if nobody bought the item."""
        return self.together / self.with_item if self.with_item else None

    @property
    def lift(self) -> float | None:
        """Confidence over the neighbour's share of all orders (1: independent); None if nobody bought one of them."""
        expected = self.with_item * self.with_neighbour
        return self.together * self.orders / expected if expected else None


def bought_together(interactions: ibis.Table, params: BasketParams = PRODUCT_PAGE) -> ibis.Table:
    """Build the bought-together table (NEIGHBOURS) from interactions (INTERACTIONS).

    score = c_ij / ((n_i + 2) · n_j^α): c_ij = Σ 2^(-age/half-life) · (len - 1)^-½ over the orders with both, n the
    orders with the item, decayed alike. It keeps the hit rate of confidence at twice its coverage. Age is counted from
    the newest order. `count`: orders with both.
    """
    return rank_combinations(combinations(interactions, params), params)


def combinations(interactions: ibis.Table, params: BasketParams = PRODUCT_PAGE) -> ibis.Table:
    """The costly part of `bought_together`, which settings that differ only in penalty, shrinkage and k share.

    One row per ordered pair of items: item, neighbour, weight (c_ij), count (orders with both), orders_i, orders_j
    (decayed).
    """
    lines = _capped(_with_freshness(order_lines(interactions), params.half_life_days), params.max_items)
    sizes = lines.group_by("item").agg(orders=lines.freshness.sum())
    anchors = sizes.select("item", orders_i="orders")
    others = sizes.select(neighbour="item", orders_j="orders")
    return _pairs(lines, params.min_count).inner_join(anchors, "item").inner_join(others, "neighbour")


def rank_combinations(combined: ibis.Table, params: BasketParams) -> ibis.Table:
    """The cheap part: score and rank (NEIGHBOURS) what `combinations` counted."""
    score = combined.weight / ((combined.orders_i + params.shrinkage) * combined.orders_j**params.popularity_penalty)
    return rank_neighbours(combined.select("item", "neighbour", "count", score=score), params.k)


def order_lines(interactions: ibis.Table) -> ibis.Table:
    """One row per order and item it holds: order_id, item, units (> 0; a missing quantity is one unit), ordered_at."""
    lines = interactions.filter(interactions.type == PURCHASE, interactions.order_id.notnull())
    merged = lines.group_by("order_id", "item").agg(
        units=lines.quantity.fill_null(1).sum(), ordered_at=lines.occurred_at.min()
    )
    return merged.filter(merged.units > 0)


def pair_statistics(interactions: ibis.Table, item: int, neighbour: int) -> PairStatistics:
    """Count two items' orders (INTERACTIONS) now, over whole orders; the expression is executed."""
    lines = order_lines(interactions)
    per_order = lines.group_by("order_id").agg(
        item=(lines.item == item).cast("int64").max(), neighbour=(lines.item == neighbour).cast("int64").max()
    )
    counts = per_order.agg(
        orders=per_order.count(),
        with_item=per_order.item.sum(),
        with_neighbour=per_order.neighbour.sum(),
        together=(per_order.item * per_order.neighbour).sum(),
    )
    row = counts.to_pyarrow().to_pylist()[0]
    return PairStatistics(**{name: count or 0 for name, count in row.items()})


def _with_freshness(lines: ibis.Table, half_life_days: float) -> ibis.Table:
    """What each line counts; all lines of an order are as old as its first."""
    ordered_at = lines.ordered_at.min().over(ibis.window(group_by="order_id")).epoch_seconds()
    age = lines.ordered_at.max().as_scalar().epoch_seconds() - ordered_at
    return lines.mutate(freshness=ibis.literal(2.0) ** (-age / SECONDS_PER_DAY / half_life_days))


def _capped(lines: ibis.Table, max_items: int) -> ibis.Table:
    most_units_first = ibis.window(group_by="order_id", order_by=[ibis.desc("units"), "item"])
    kept = lines.mutate(place=ibis.row_number().over(most_units_first)).filter(ibis._.place < max_items)
    size = kept.count().over(ibis.window(group_by="order_id"))
    return kept.select("order_id", "item", "freshness", size=size)


def _pairs(lines: ibis.Table, min_count: int) -> ibis.Table:
    a, b = lines, lines.view()
    met = a.inner_join(b, (a.order_id == b.order_id, a.item < b.item)).select(
        low=a.item, high=b.item, share=a.freshness / (a.size - 1).sqrt()
    )
    pairs = met.group_by("low", "high").agg(weight=met.share.sum(), count=met.count())
    return both_ways(pairs.filter(pairs["count"] >= min_count).mutate(up=ibis._.weight, down=ibis._.weight))
