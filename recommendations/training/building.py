"""From catalogue and interactions to the tables that are served: runs the pure algorithms, lays out their results."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeAlias

import ibis
import pyarrow as pa
import pyarrow.compute as pc
from django.conf import settings

from catalog.reading import ItemContent
from recommendations.algorithms import backing, baskets, content, coview, popularity, repurchases, sessions
from recommendations.algorithms.engine import open_engine
from recommendations.algorithms.parts import Derive, in_parts_of
from recommendations.algorithms.types import INTERACTIONS, CatalogItem
from recommendations.releases.modelstore import REPURCHASES, SCHEMA
from recommendations.training.choosing import Choice

POPULAR_OVER: Final = timedelta(days=90)
Report = dict[str, Any]
Events: TypeAlias = pa.Table | Path
"""In memory, or a Parquet file, or a directory of such files (at least one, though it may hold no rows)."""
Progress = Callable[[str], None]
USUAL: Final = Choice()


class Runner:
    """Executes an expression once and keeps its result under a name, for the expressions that build on it."""

    def __init__(self, engine: Any, progress: Progress = lambda _: None) -> None:
        self._engine, self._progress, self._in_parts = engine, progress, in_parts_of(engine)

    def __call__(self, name: str, expression: ibis.Table) -> ibis.Table:
        self._progress(name)
        table: ibis.Table = self._engine.create_table(name, expression)
        return table

    def in_parts(self, name: str, rows: ibis.Table, by: str, derive: Derive) -> ibis.Table:
        """The same part by part (an `InParts`)."""
        self._progress(name)
        return self._in_parts(name, rows, by, derive)


def build(
    items: Sequence[ItemContent],
    events: Events,
    choice: Choice = USUAL,
    progress: Progress = lambda _: None,
    until: datetime | None = None,
) -> tuple[dict[str, pa.Table], Report]:
    """Every table of a model (in the model store's schema), and what is worth knowing about them.

    `events` has the columns of `events.reading.INTERACTIONS`; lines of items that are not in the catalogue are left out
    and counted, and those after `until`. `progress` is told the name of each table as its turn comes.
    """
    with engine_of(events, until) as (engine, raw):
        interactions = numbered(items, raw)
        run = Runner(engine, progress)
        neighbours = _neighbours(run, interactions, [_content(item) for item in items], choice)
        built = {name: engine.to_pyarrow(table) for name, table in neighbours.items()}
        lists = engine.to_pyarrow(run("lists", _lists(interactions)))
        again = engine.to_pyarrow(run("repurchases", repurchases.repurchases(interactions)))
        unknown = int(engine.execute(raw.count())) - int(engine.execute(interactions.count()))
    tables = {**{name: _keyed(table, items) for name, table in built.items()}, "lists": _in_order(lists)}
    tables["repurchases"] = _with_keys(again, items).select(REPURCHASES.names).cast(REPURCHASES).sort_by("key")
    return tables, report(tables, unknown)


@contextmanager
def engine_of(events: Events, until: datetime | None = None) -> Iterator[tuple[Any, ibis.Table]]:
    """An engine within the limits of the settings, and the events (up to and with a moment) as a table of it."""
    with open_engine(memory_limit=settings.TRAINING_MEMORY, threads=settings.TRAINING_THREADS) as engine:
        raw = opened(engine, events)
        yield engine, raw if until is None else raw.filter(raw.occurred_at <= _moment(until, raw))


def _moment(moment: datetime, raw: ibis.Table) -> ibis.Scalar:
    return ibis.literal(moment, raw.occurred_at.type())


def opened(engine: Any, events: Events) -> ibis.Table:
    """The events as a table of the engine; files are read as they are needed, never as a whole."""
    if isinstance(events, pa.Table):
        return ibis.memtable(events)
    return engine.read_parquet(events / "*.parquet" if events.is_dir() else events)


def _neighbours(
    run: Runner, interactions: ibis.Table, texts: list[CatalogItem], choice: Choice
) -> dict[str, ibis.Table]:
    """The tables of neighbour lists; what several of them share is computed once."""
    steps = sessions.numbered_sessions(interactions, choice.coview.sessions, run.in_parts)
    viewed = run("views", coview.coview_of_sessions(steps, choice.coview, run))
    combined = run("combinations", baskets.combinations(interactions, choice.single))
    together = run("baskets", baskets.rank_combinations(combined, choice.single))
    carts = run("carts", baskets.rank_combinations(combined, choice.cart))
    by_text = run("content", content.similar(texts))
    similar = alike(run, texts, by_text, together, viewed)
    backed = run("coview", backing.backed(viewed, by_text, choice.coview.k))
    return {"coview": backed, "baskets": together, "carts": carts, "similar": similar}


def alike(
    run: Runner, texts: list[CatalogItem], by_text: ibis.Table, together: ibis.Table, viewed: ibis.Table
) -> ibis.Table:
    """The neighbours by text (NEIGHBOURS) as served: items that no order (or else visit) combines borrow theirs."""
    cold = run("cold items", _cold(texts, together if together.count().execute() else viewed))
    return run("similar", by_text.anti_join(cold, "item").union(cold))


def numbered(items: Sequence[ItemContent], events: ibis.Table) -> ibis.Table:
    """The events with the catalogue's numbers for item ids, as the algorithms' INTERACTIONS."""
    ids = pa.array([item.item_id for item in items], pa.string())
    numbers = pa.array([item.id for item in items], pa.int64())
    catalogue = ibis.memtable(pa.table({"item_id": ids, "item": numbers}))
    return events.inner_join(catalogue, "item_id").select(*INTERACTIONS.names).cast(INTERACTIONS)


def visitors_of_items(items: Sequence[ItemContent], events: Events) -> dict[int, int]:
    """How many visitors wanted each item in the period of what is popular, by the catalogue's numbers."""
    with engine_of(events) as (engine, raw):
        recent = _last(numbered(items, raw), POPULAR_OVER)
        counted = engine.to_pyarrow(popularity.visitors(recent).select("item", "count"))
    return dict(zip(counted["item"].to_pylist(), counted["count"].to_pylist(), strict=True))


def report(tables: dict[str, pa.Table], unknown: int) -> Report:
    """Sizes, as `GET models` and the dashboard show them; `unknown`: events of items nobody has."""
    return {
        "tables": {
            name: {"lists": pc.count_distinct(table["key"]).as_py(), "entries": table.num_rows}
            for name, table in tables.items()
        },
        "events_of_unknown_items": unknown,
    }


def _cold(texts: list[CatalogItem], lists: ibis.Table) -> ibis.Table:
    """Lists for the items that have none of their own, by way of their nearest neighbours that have."""
    warm = lists.select("item").distinct().to_pyarrow()["item"].to_pylist()
    return content.two_hop(content.similar(texts, among=warm), lists)


def _lists(interactions: ibis.Table) -> ibis.Table:
    """The whole-shop lists, each under its strategy's name."""
    return _named("popular", popular(interactions))


def popular(interactions: ibis.Table) -> ibis.Table:
    """What is popular (RANKING) in the period up to the newest event that a model's list is about."""
    return popularity.popular(_last(interactions, POPULAR_OVER))


def _named(strategy: str, ranking: ibis.Table) -> ibis.Table:
    """A list under its strategy's name; its best score is 1, as the scores of two lists are of different kinds."""
    return ranking.mutate(key=ibis.literal(strategy), score=ranking.score / ranking.score.max())


def _last(interactions: ibis.Table, period: timedelta) -> ibis.Table:
    since = interactions.occurred_at.max().as_scalar() - ibis.interval(days=period.days)
    return interactions.filter(interactions.occurred_at >= since)


def _content(item: ItemContent) -> CatalogItem:
    return CatalogItem(item.id, item.title, item.brand, item.categories, item.attributes)


def _keyed(neighbours: pa.Table, items: Sequence[ItemContent]) -> pa.Table:
    """Neighbour lists under their items' external ids."""
    return _in_order(_with_keys(neighbours, items).drop_columns("item").rename_columns({"neighbour": "item"}))


def _with_keys(table: pa.Table, items: Sequence[ItemContent]) -> pa.Table:
    """The rows with their items' external ids as `key`."""
    numbers = pa.array([item.id for item in items], pa.int64())
    return table.join(
        pa.table({"item": numbers, "key": pa.array([each.item_id for each in items], pa.string())}), "item"
    )


def _in_order(table: pa.Table) -> pa.Table:
    return table.select(SCHEMA.names).cast(SCHEMA).sort_by([("key", "ascending"), ("rank", "ascending")])
