"""Strategies without a server: ranking out of tables in memory, as evaluations ask for it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

import ibis
import pyarrow as pa

from recommendations.algorithms.types import NEIGHBOURS
from recommendations.releases.packed_tables import packed_lists
from recommendations.strategies import STRATEGIES, Strategy
from recommendations.strategies.base import Tables

Recommend = Callable[[Sequence[tuple[int, ...]]], Iterator[list[int]]]


def recommender(name: str, tables: Tables, k: int, *, novel: bool) -> Recommend:
    """What ranks items for pasts (item numbers, oldest first) by a strategy's own tables, the best k first.

    `novel`: without what the past holds, as slates are served. Otherwise repeats are allowed: `session` then shows
    what visits come back to as well (`algorithms.returning`). Raises KeyError for an unknown strategy.
    """
    strategy = STRATEGIES[name]
    if not novel and "repeats" in strategy.settings:
        strategy = replace(strategy, repeats=True)

    def recommend(pasts: Sequence[tuple[int, ...]]) -> Iterator[list[int]]:
        for past in pasts:
            ranked = _ranked(strategy, tables, past)
            if novel:
                seen = frozenset(past)
                ranked = (item for item in ranked if item not in seen)
            yield list(islice(ranked, k))

    return recommend


def _ranked(strategy: Strategy, tables: Tables, past: Sequence[int]) -> Iterator[int]:
    ranked = strategy.rank(tables, past)
    if ranked is None:
        raise ValueError(f"{strategy.name} depends on the moment and cannot be ranked from tables.")
    return ranked


def packed_neighbours(neighbours: ibis.Table) -> dict[int, bytes]:
    """The lists of a table of neighbours (NEIGHBOURS) by item number; the expression is executed."""
    table = neighbours.order_by("item", "rank").to_pyarrow().select(NEIGHBOURS.names)
    return dict(packed_lists(table.rename_columns(["key", "item", *NEIGHBOURS.names[2:]])))


def packed_ranking(ranking: ibis.Table) -> bytes:
    """One list (RANKING), packed; empty without rows. The expression is executed."""
    table = ranking.order_by("rank").to_pyarrow()
    key = pa.repeat(0, table.num_rows)
    lists: dict[int, bytes] = dict(packed_lists(table.append_column("key", key)))
    return lists.get(0, b"")
