"""The last steps of every job: direct the pairs, order, cut and type the rows."""

from collections.abc import Callable
from typing import TypeAlias

import ibis

from recommendations.algorithms.types import NEIGHBOURS, RANKING

Keep: TypeAlias = Callable[[str, ibis.Table], ibis.Table]
"""Executes an expression and keeps its rows under a name, for the expression that reads them more than once."""


def not_kept(_: str, table: ibis.Table) -> ibis.Table:
    """Leave it to the engine whether it computes an expression once or each time (a `Keep`)."""
    return table


def both_ways(pairs: ibis.Table) -> ibis.Table:
    """Turn each unordered pair (low, high, up, down, count) into two rows (item, neighbour, weight, count).

    `up` is the weight of `high` as a neighbour of `low`, `down` that of `low` as a neighbour of `high`.
    """
    up = pairs.select("count", item="low", neighbour="high", weight="up")
    down = pairs.select("count", item="high", neighbour="low", weight="down")
    return ibis.union(up, down)


def rank_neighbours(scored: ibis.Table, k: int, keep: Keep = not_kept) -> ibis.Table:
    """Keep the k best neighbours of each item, as NEIGHBOURS.

    `scored` has item, neighbour, score, count. Scores are rounded to single precision before they are compared, so that
    the order in which a parallel engine happens to add them cannot reorder ties; ties go to the smaller neighbour.
    """
    typed = scored.cast({"score": "float32"}).filter(ibis._.score > 0)
    best_first = ibis.window(group_by="item", order_by=[ibis.desc("score"), "neighbour"])
    least = keep("least scores", _least_scores(typed, k))
    promising = typed.inner_join(least, "item").filter(ibis._.score >= ibis._.least)
    return _cut(promising, best_first, k).select(*NEIGHBOURS.names).cast(NEIGHBOURS)


def rank_items(scored: ibis.Table, k: int) -> ibis.Table:
    """Keep the k best items of one list, as RANKING; rounding and ties as in `rank_neighbours`.

    `scored` has item, score, count.
    """
    typed = scored.cast({"score": "float32"}).filter(ibis._.score > 0)
    best_first = ibis.window(order_by=[ibis.desc("score"), "item"])
    return _cut(typed, best_first, k).select(*RANKING.names).cast(RANKING)


def _least_scores(typed: ibis.Table, k: int) -> ibis.Table:
    """What an item's k best reach at the least, and not many more: of a hundred million events most pairs do not.

    Counting them by classes of scores, a power of two wide, takes little memory; sorting them all takes much.
    """
    sizes = typed.group_by("item", level=typed.score.log2().floor().cast("int16")).agg(
        size=typed.count(), least=typed.score.min()
    )
    from_the_top = ibis.cumulative_window(group_by="item", order_by=ibis.desc("level"))
    counted = sizes.mutate(above=sizes["size"].sum().over(from_the_top) - sizes["size"])
    return counted.filter(counted.above < k).group_by("item").agg(least=ibis._.least.min())


def _cut(scored: ibis.Table, best_first: ibis.expr.builders.WindowBuilder, k: int) -> ibis.Table:
    return scored.mutate(rank=ibis.row_number().over(best_first) + 1).filter(ibis._.rank <= k)
