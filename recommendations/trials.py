"""Training and evaluating the pipeline on a log from anywhere, without a tenant."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import ibis
import pyarrow as pa

from recomengine.lib.errors import DomainError
from recommendations import choosing, logs
from recommendations.algorithms import baskets, coview, popularity
from recommendations.algorithms.engine import open_engine
from recommendations.choosing import Choice, Run
from recommendations.evaluation import metrics
from recommendations.evaluation.cases import novel_only
from recommendations.evaluation.runner import Results, evaluate
from recommendations.logs import Log
from recommendations.offline import packed_neighbours, packed_ranking, recommender
from recommendations.packed_tables import MemoryTables
from recommendations.types import LISTS

STRATEGIES: Final = ("session", "also_viewed", "for_you", "bought_together", "recently_viewed", "popular")
_COVIEWS: Final = frozenset({"session", "also_viewed", "for_you"})


def evaluate_log(train: Path, test: Path, strategy: str, k: int, *, novel: bool) -> list[dict[str, Any]]:
    """What the strategy and the `popular` baseline come to on a test set, after training on a log.

    `novel`: only targets that the prefix does not hold count, and slates leave out what it holds.
    """
    if strategy not in STRATEGIES:
        raise DomainError("unknown_strategy", f"A log alone can be judged by {', '.join(STRATEGIES)}.")
    if k < 1:
        raise DomainError("invalid", f"A slate shows at least 1 item, not {k}.")
    log = logs.read(train)
    cases = log.cases(test)
    cases = novel_only(cases) if novel else cases
    if not cases:
        raise DomainError("invalid", f"{test} holds no case whose target is new to its prefix.")
    known = metrics.catalogue(items := log.interactions["item"].to_numpy(), items)
    found = []
    for name in dict.fromkeys((strategy, "popular")):
        began = time.perf_counter()
        tables = trained(log, name)
        seconds = time.perf_counter() - began
        result = evaluate(name, recommender(name, tables, k, novel=novel), cases, k, known)
        found.append(_told(result, seconds))
    return found


def _told(result: Results, train_seconds: float) -> dict[str, Any]:
    quality = result.quality.to_json()
    first = ("strategy", "n", "hit_rate", "mrr", "ndcg", "coverage")
    speed = {
        "train_seconds": round(train_seconds, 3),
        "milliseconds_per_slate": round(quality.pop("milliseconds_per_slate"), 4),
    }
    return {**{name: quality.pop(name) for name in first}, **speed, **quality}


def trained(log: Log, strategy: str) -> MemoryTables:
    """The tables that a strategy or `popular` reads, of all the log, with the settings chosen on it."""
    with _run(log.as_orders() if strategy == "bought_together" else log.interactions) as (run, interactions):
        if strategy == "popular":
            ranking = run("popular", popularity.popular(interactions))
            return MemoryTables({LISTS: {"popular": packed_ranking(ranking)}})
        if strategy == "recently_viewed":
            return MemoryTables({})
        choice = choosing.choose(run, interactions)
        return _coviews(run, interactions, choice) if strategy in _COVIEWS else _baskets(run, interactions, choice)


def _coviews(run: Run, interactions: ibis.Table, choice: Choice) -> MemoryTables:
    viewed = run("coview", coview.coview(interactions, choice.coview))
    return MemoryTables({"coview": packed_neighbours(viewed)}, choice.serving)


def _baskets(run: Run, interactions: ibis.Table, choice: Choice) -> MemoryTables:
    combined = run("combinations", baskets.combinations(interactions, choice.single))
    ranked = {"baskets": choice.single, "carts": choice.cart}
    return MemoryTables(
        {
            name: packed_neighbours(run(name, baskets.rank_combinations(combined, params)))
            for name, params in ranked.items()
        }
    )


@contextmanager
def _run(interactions: pa.Table) -> Iterator[tuple[Run, ibis.Table]]:
    """An engine that holds the interactions, and what executes expressions on it and keeps them under a name."""
    with open_engine() as engine:
        engine.con.register("interactions", interactions)

        def run(name: str, expression: ibis.Table) -> ibis.Table:
            table: ibis.Table = engine.create_table(name, expression)
            return table

        yield run, engine.table("interactions")
