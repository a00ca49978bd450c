"""Training and evaluating the pipeline on a log from anywhere, without a tenant."""

import errno
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any, Final

import duckdb
import ibis
import pyarrow as pa
from django.conf import settings

from recomengine.lib.errors import DomainError
from recommendations.algorithms import baskets, content, coview, sessions
from recommendations.algorithms.types import CatalogItem
from recommendations.evaluation.cases import novel_only
from recommendations.evaluation.runner import Results, evaluate
from recommendations.logs import item_texts, reading
from recommendations.logs.columns import shown
from recommendations.logs.reading import Log
from recommendations.releases.packed_tables import MemoryTables
from recommendations.strategies.base import CANDIDATES
from recommendations.training import building, choosing
from recommendations.training.building import Runner
from recommendations.training.choosing import Choice
from recommendations.training.offline import packed_neighbours, packed_ranking, recommender
from recommendations.types import LISTS

STRATEGIES: Final = ("session", "also_viewed", "for_you", "bought_together", "similar", "recently_viewed", "popular")
NOT_BY_LOG: Final[Mapping[str, str]] = {
    "trending": "moves with every event, and a test set does not say when its prefixes were seen.",
    "new": "goes by when items came into the catalogue, which neither a log nor a test set says.",
    "buy_again": "goes by how long ago a shopper bought an item, and a prefix has no times.",
}
"""Why the other strategies cannot be judged so."""


def evaluate_log(
    train: Path,
    test: Path,
    strategy: str,
    k: int,
    *,
    novel: bool = False,
    items: Path | None = None,
    tell: Callable[[Mapping[str, int]], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """What the strategy and the `popular` baseline come to on a test set, after training on a log.

    `novel`: only targets that the prefix does not hold count, and slates leave out what it holds. `items`: a file of
    the shop's items, which belong to what can be shown even if the log does not name them. `tell` learns
    how many rows the training passes over, by their type.
    """
    _check(strategy, k, items)
    with _room_for_tables(), TemporaryDirectory(prefix="recomengine-") as folder:
        log, texts = _with_items(reading.read(train, Path(folder)), items)
        cases = log.cases(test)
        cases = novel_only(cases) if novel else cases
        if not cases:
            raise DomainError("invalid", f"{test} holds no case whose target is new to its prefix.")
        tell(log.ignored())
        found = []
        for name in dict.fromkeys((strategy, "popular")):
            began = time.perf_counter()
            tables = trained(log, name, texts)
            seconds = time.perf_counter() - began
            result = evaluate(name, recommender(name, tables, k, novel=novel), cases, k, log.catalogue())
            found.append(_told(result, seconds))
        return found


@contextmanager
def _room_for_tables() -> Iterator[None]:
    """Refuses with what to do about it where the memory of the settings or the disk is used up."""
    try:
        yield
    except (duckdb.OutOfMemoryException, duckdb.IOException, OSError) as error:
        if not isinstance(error, duckdb.OutOfMemoryException) and os.strerror(errno.ENOSPC) not in str(error):
            raise
        message = (
            f"There is not room enough to train on this log, with {settings.TRAINING_MEMORY} of memory for tables and"
            f" what is free in {gettempdir()} for the rest. Set RECOMENGINE_TRAINING_MEMORY to more, or TMPDIR to a"
            f" directory of a disk with more room. ({shown(error)})"
        )
        raise DomainError("overloaded", message) from error


def _check(strategy: str, k: int, items: Path | None) -> None:
    if why := NOT_BY_LOG.get(strategy):
        raise DomainError("invalid", f"A log alone cannot judge `{strategy}`: it {why}")
    if strategy not in STRATEGIES:
        raise DomainError("unknown_strategy", f"A log can judge {', '.join(STRATEGIES)}.")
    if strategy == "similar" and items is None:
        raise DomainError("invalid", "`similar` compares texts: name a file of items (item_id, title …) with --items.")
    if not 1 <= k <= CANDIDATES:
        raise DomainError("invalid", f"A slate shows 1 to {CANDIDATES} items, as many as strategies propose; not {k}.")


def _with_items(log: Log, path: Path | None) -> tuple[Log, list[CatalogItem]]:
    """The log of a shop that has the items of a file as well, and their texts."""
    if path is None:
        return log, []
    items = item_texts.read(path)
    known = pa.array([item.item_id for item in items], pa.string())
    whole = log.with_items(known)
    return whole, item_texts.as_content(items, whole.numbers(known))


def _told(result: Results, train_seconds: float) -> dict[str, Any]:
    quality = result.quality.to_json()
    first = ("strategy", "n", "hit_rate", "mrr", "ndcg", "coverage")
    speed = {
        "train_seconds": round(train_seconds, 3),
        "milliseconds_per_slate": round(quality.pop("milliseconds_per_slate"), 4),
    }
    return {**{name: quality.pop(name) for name in first}, **speed, **quality}


def trained(log: Log, strategy: str, texts: Sequence[CatalogItem] = ()) -> MemoryTables:
    """The tables that a strategy reads, built as a shop's trainings build them, but no texts back co-views.

    `similar` needs the items' `texts`.
    """
    if strategy == "recently_viewed":
        return MemoryTables({})
    with building.engine_of(log.path) as (engine, interactions):
        run = building.Runner(engine)
        if strategy == "popular":
            return MemoryTables({LISTS: {"popular": packed_ranking(run("popular", building.popular(interactions)))}})
        table = log.as_orders(interactions) if strategy == "bought_together" else interactions
        choice = choosing.choose(run, table)
        found = _TABLES.get(strategy, _coviews)(run, table, choice, list(texts))
        return MemoryTables({name: packed_neighbours(each) for name, each in found.items()}, choice.serving)


def _coviews(run: Runner, table: ibis.Table, choice: Choice, _: list[CatalogItem]) -> dict[str, ibis.Table]:
    steps = sessions.numbered_sessions(table, choice.coview.sessions, run.in_parts)
    return {"coview": run("coview", coview.coview_of_sessions(steps, choice.coview, run))}


def _baskets(run: Runner, table: ibis.Table, choice: Choice, _: list[CatalogItem]) -> dict[str, ibis.Table]:
    combined = run("combinations", baskets.combinations(table, choice.single))
    ranked = {"baskets": choice.single, "carts": choice.cart}
    return {name: run(name, baskets.rank_combinations(combined, params)) for name, params in ranked.items()}


def _similar(run: Runner, table: ibis.Table, choice: Choice, texts: list[CatalogItem]) -> dict[str, ibis.Table]:
    together = _baskets(run, table, choice, texts)["baskets"]
    viewed = _coviews(run, table, choice, texts)["coview"]
    by_text = run("content", content.similar(texts))
    return {"similar": building.alike(run, texts, by_text, together, viewed)}


_TABLES: Final = {"bought_together": _baskets, "similar": _similar}
