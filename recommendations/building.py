"""From catalogue and interactions to the tables that are served: runs the pure algorithms, lays out their results."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final

import ibis
import pyarrow as pa
import pyarrow.compute as pc
from django.conf import settings

from catalog.reading import ItemContent
from recommendations.algorithms import baskets, content, coview, popularity, repurchases
from recommendations.algorithms.engine import open_engine
from recommendations.algorithms.types import INTERACTIONS, POSITIVE_TYPES, CatalogItem
from recommendations.modelstore import REPURCHASES, SCHEMA

POPULAR_OVER: Final = timedelta(days=90)
Report = dict[str, Any]
Progress = Callable[[str], None]
Run = Callable[[str, ibis.Table], ibis.Table]


def build(
    items: Sequence[ItemContent], events: pa.Table, progress: Progress = lambda _: None
) -> tuple[dict[str, pa.Table], Report]:
    """Every table of a model (in the model store's schema), and what is worth knowing about them.

    `events` has the columns of `events.reading.INTERACTIONS`; lines of items that are not in the catalogue are left out
    and counted. `progress` is told the name of each table as its turn comes.
    """
    known = numbered(items, events)
    with open_engine(memory_limit=settings.TRAINING_MEMORY, threads=settings.TRAINING_THREADS) as engine:
        engine.con.register("interactions", known)
        interactions = engine.table("interactions")
        params = coview.choose_params(float(engine.execute(coview.purchase_share(interactions))))
        run = _runner(engine, progress)
        neighbours = _neighbours(run, interactions, [_content(item) for item in items], params)
        built = {name: engine.to_pyarrow(table) for name, table in neighbours.items()}
        lists = engine.to_pyarrow(run("lists", _lists(interactions)))
        again = engine.to_pyarrow(run("repurchases", repurchases.repurchases(interactions)))
    tables = {**{name: _keyed(table, items) for name, table in built.items()}, "lists": _in_order(lists)}
    tables["repurchases"] = _with_keys(again, items).select(REPURCHASES.names).cast(REPURCHASES).sort_by("key")
    return tables, report(tables, events, known, "purchasing" if params is coview.PURCHASING else "browsing")


def _neighbours(
    run: Run, interactions: ibis.Table, texts: list[CatalogItem], params: coview.CoviewParams
) -> dict[str, ibis.Table]:
    """The tables of neighbour lists; what several of them share is computed once."""
    viewed = run("coview", coview.coview(interactions, params))
    combined = run("combinations", baskets.combinations(interactions))
    together = run("baskets", baskets.rank_combinations(combined, baskets.PRODUCT_PAGE))
    carts = run("carts", baskets.rank_combinations(combined, baskets.CART))
    alike = run("content", content.similar(texts))
    cold = run("cold items", _cold(texts, together if together.count().execute() else viewed))
    similar = run("similar", alike.anti_join(cold, "item").union(cold))
    return {"coview": viewed, "baskets": together, "carts": carts, "similar": similar}


def numbered(items: Sequence[ItemContent], events: pa.Table) -> pa.Table:
    """The events with the catalogue's numbers for item ids, as the algorithms' INTERACTIONS."""
    ids = pa.array([item.item_id for item in items], pa.string())
    numbers = pa.array([item.id for item in items], pa.int64())
    item = numbers.take(pc.index_in(events["item_id"].combine_chunks(), value_set=ids))
    table = events.drop_columns("item_id").append_column("item", item)
    return table.filter(pc.is_valid(item)).select(INTERACTIONS.names).cast(INTERACTIONS.to_pyarrow())


def visitors_of_items(items: Sequence[ItemContent], events: pa.Table) -> dict[int, int]:
    """How many visitors wanted each item in the period of what is popular, by the catalogue's numbers."""
    known = numbered(items, events)
    known = known.filter(pc.is_in(known["type"], pa.array(POSITIVE_TYPES)))
    if not known.num_rows:
        return {}
    since = pc.subtract(pc.max(known["occurred_at"]), pa.scalar(POPULAR_OVER))
    recent = known.filter(pc.greater_equal(known["occurred_at"], since))
    counted = recent.group_by("item").aggregate([("visitor", "count_distinct")])
    return dict(zip(counted["item"].to_pylist(), counted["visitor_count_distinct"].to_pylist(), strict=True))


def report(tables: dict[str, pa.Table], events: pa.Table, known: pa.Table, setting: str) -> Report:
    """Sizes and settings, as `GET models` and the dashboard show them."""
    return {
        "tables": {
            name: {"lists": pc.count_distinct(table["key"]).as_py(), "entries": table.num_rows}
            for name, table in tables.items()
        },
        "coview_setting": setting,
        "events_of_unknown_items": events.num_rows - known.num_rows,
    }


def _runner(engine: Any, progress: Progress) -> Run:
    """Execute an expression once and keep its result under a name, for the expressions that build on it."""

    def run(name: str, expression: ibis.Table) -> ibis.Table:
        progress(name)
        table: ibis.Table = engine.create_table(name, expression)
        return table

    return run


def _cold(texts: list[CatalogItem], lists: ibis.Table) -> ibis.Table:
    """Lists for the items that have none of their own, by way of their nearest neighbours that have."""
    warm = lists.select("item").distinct().to_pyarrow()["item"].to_pylist()
    return content.two_hop(content.similar(texts, among=warm), lists)


def _lists(interactions: ibis.Table) -> ibis.Table:
    """The whole-shop lists, each under its strategy's name."""
    popular = popularity.popular(_last(interactions, POPULAR_OVER))
    return _named("popular", popular)


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
