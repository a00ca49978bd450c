"""How items are bought again: which share of their buyers does, and after how long.

Repeat customer probability times the distribution of the intervals, log-normal, as in Bhagat, Muralidharan,
Lobzhanidze, Vishwanath, "Buy It Again: Modeling Repeat Purchase Recommendations", KDD 2018. What few shoppers did is
drawn towards what the shop's items have in common.
"""

from dataclasses import dataclass
from typing import Final

import ibis

from recommendations.algorithms.types import REPURCHASES

PURCHASE: Final = "purchase"


@dataclass(frozen=True, slots=True)
class RepurchaseParams:
    """How much the shop as a whole counts for an item.

    `buyers`: as many buyers of the shop's usual item are added to each. `intervals`: as many of the shop's usual
    intervals. `min_count`: fewest shoppers that must have bought the item again. `least_spread`: the logarithms of an
    item's intervals are taken to differ by that much at least.
    """

    buyers: float = 10.0
    intervals: float = 5.0
    min_count: int = 2
    least_spread: float = 0.25


USUAL: Final = RepurchaseParams()


def repurchases(interactions: ibis.Table, params: RepurchaseParams = USUAL) -> ibis.Table:
    """What is bought again (REPURCHASES), from interactions (INTERACTIONS).

    Purchases of one shopper on one day (UTC) are one. probability = (n + 10 · q) / (b + 10): n of b buyers bought the
    item on two days or more, q that share of all the shop's pairs of item and buyer. The mean and the variance of the
    logarithms of the intervals in days, likewise with five intervals of the shop; `days` = e^mean, the median.
    """
    intervals = _intervals(interactions)
    items = _items(intervals)
    shop = _shop(items)
    drawn = items.filter(items["count"] >= params.min_count).cross_join(shop)
    probability = (drawn["count"] + params.buyers * drawn.shop_share) / (drawn.buyers + params.buyers)
    weight = drawn.intervals + params.intervals
    mean = (drawn.logs + params.intervals * drawn.shop_mean) / weight
    squares = (drawn.squares + params.intervals * drawn.shop_square) / weight
    spread = ibis.greatest(squares - mean**2, params.least_spread**2).sqrt()
    return drawn.select("item", "count", probability=probability, days=mean.exp(), spread=spread).cast(REPURCHASES)


def _intervals(interactions: ibis.Table) -> ibis.Table:
    """A row for each day on which a shopper bought an item, with the logarithm of the days since the time before."""
    bought = interactions.filter(interactions.type == PURCHASE, interactions.visitor.notnull())
    days = bought.select("visitor", "item", day=bought.occurred_at.epoch_seconds() // 86_400).distinct()
    before = days.day.lag().over(ibis.window(group_by=["visitor", "item"], order_by="day"))
    return days.mutate(log=(days.day - before).cast("float64").ln())


def _items(intervals: ibis.Table) -> ibis.Table:
    per_shopper = intervals.group_by("item", "visitor").agg(
        intervals=intervals.log.count(),
        logs=intervals.log.sum().fill_null(0.0),
        squares=(intervals.log**2).sum().fill_null(0.0),
    )
    return per_shopper.group_by("item").agg(
        buyers=per_shopper.count(),
        count=(per_shopper.intervals > 0).sum(),
        intervals=per_shopper.intervals.sum(),
        logs=per_shopper.logs.sum(),
        squares=per_shopper.squares.sum(),
    )


def _shop(items: ibis.Table) -> ibis.Table:
    """One row: the share of buyers who buy again, and the mean and mean square of the logarithms."""
    known = ibis.greatest(items.intervals.sum(), 1)
    return items.agg(
        shop_share=items["count"].sum() / ibis.greatest(items.buyers.sum(), 1),
        shop_mean=items.logs.sum() / known,
        shop_square=items.squares.sum() / known,
    )
