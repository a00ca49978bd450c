"""How many of the true neighbours of an item without a history its list of similar items holds.

From the example shop's orders a sample of items is hidden, with all their order lines, and a model is built as a
training builds it (`training.building.build`) of the whole catalogue and the orders that are left. An item's
true neighbours are the first `TRUE` of its bought-together list from all orders, hidden ones among them too, though
nobody can find these; an item with a shorter list is not asked for. Recall is the share of them that are among the
first 20 of `similar`, in the mean over hidden items. Folds hide a twentieth of the items at a time, so that the rest
of the shop is as it was.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.figures import Figure
from catalog.reading import ItemContent
from events.reading import INTERACTIONS
from recomengine.demo import gift_shop
from recommendations.algorithms import content
from recommendations.algorithms.types import CatalogItem
from recommendations.evaluation import bootstrap
from recommendations.training import building

TRUE: Final = 10
SHOWN: Final = 20
BAR: Final = 0.45
FOLDS: Final = 6
SHARE: Final = 0.05  # of the items are hidden at a time
Lists = Mapping[str, Sequence[str]]
"""Item id to the ids of its neighbours, best first."""


def figures() -> Iterator[Figure]:
    """Recall by the two hops against the bar, and by the text alone."""
    items, events = catalogue(), order_lines()
    true = lists(_built(items, events)["baskets"], items)
    texts = _by_text(items)
    found: list[float] = []
    text_alone: list[float] = []
    for hidden in samples(true):
        similar = lists(_built(items, without(events, hidden))["similar"], items)
        found += recalls(similar, true, hidden)
        text_alone += recalls(_among_shown(texts, hidden), true, hidden)
    note = f"{len(found)} items in {FOLDS} folds"
    yield _figure("gift shop, items without a history, recall@20 of true neighbours", found, BAR, note)
    yield _figure("gift shop, items without a history, by text alone", text_alone, None, note)


def catalogue() -> list[ItemContent]:
    """The example shop's items, numbered from 1."""
    entries = gift_shop.items()
    return [ItemContent(n, entry["item_id"], entry["title"], "", (), "") for n, entry in enumerate(entries, start=1)]


def order_lines() -> pa.Table:
    """The example shop's order lines, as trainings read events (`events.reading.INTERACTIONS`)."""
    lines = gift_shop.lines()
    columns = {
        "visitor": lines["invoice"],
        "session": pa.nulls(lines.num_rows),
        "type": pa.repeat("purchase", lines.num_rows),
        "item_id": lines["item_id"],
        "occurred_at": lines["invoice_date"].cast(pa.timestamp("us", "UTC")),
        "order_id": lines["invoice"],
        "quantity": lines["quantity"],
    }
    return pa.table([columns[name].cast(INTERACTIONS.field(name).type) for name in INTERACTIONS.names], INTERACTIONS)


def samples(true: Lists, folds: int = FOLDS, share: float = SHARE, seed: int = 1) -> list[list[str]]:
    """So many disjoint samples of the items that have `TRUE` true neighbours, each such a share of the shop's items."""
    known = sorted(item for item, near in true.items() if len(near) >= TRUE)
    size = int(len(true) * share)
    drawn = np.random.default_rng(seed).permutation(len(known))[: folds * size]
    return [[known[place] for place in drawn[n * size : (n + 1) * size]] for n in range(folds)]


def without(events: pa.Table, hidden: Sequence[str]) -> pa.Table:
    """The events without those of the hidden items."""
    return events.filter(pc.invert(pc.is_in(events["item_id"], pa.array(hidden))))


def recalls(similar: Lists, true: Lists, hidden: Sequence[str]) -> list[float]:
    """Of each hidden item, which share of its true neighbours is among the first `SHOWN` similar ones."""
    wanted = {item: set(true[item][:TRUE]) for item in hidden}
    return [len(near.intersection(similar.get(item, ())[:SHOWN])) / len(near) for item, near in wanted.items()]


def lists(table: pa.Table, items: Sequence[ItemContent]) -> Lists:
    """A model's table of neighbours by item ids."""
    ids = {item.id: item.item_id for item in items}
    found: dict[str, list[str]] = {}
    for key, item in zip(table["key"].to_pylist(), table["item"].to_pylist(), strict=True):
        found.setdefault(key, []).append(ids[item])
    return found


def _built(items: Sequence[ItemContent], events: pa.Table) -> Mapping[str, pa.Table]:
    return building.build(items, events)[0]


def _by_text(items: Sequence[ItemContent]) -> Lists:
    """The nearest items by text, of all items."""
    ids = {item.id: item.item_id for item in items}
    table = content.similar(CatalogItem(item.id, item.title) for item in items).to_pyarrow().sort_by("rank")
    found: dict[str, list[str]] = {}
    for item, near in zip(table["item"].to_pylist(), table["neighbour"].to_pylist(), strict=True):
        found.setdefault(ids[item], []).append(ids[near])
    return found


def _among_shown(near: Lists, hidden: Sequence[str]) -> Lists:
    """The lists of hidden items without the other hidden ones, which nothing could find by its history."""
    away = set(hidden)
    return {item: [other for other in near.get(item, ()) if other not in away] for item in hidden}


def _figure(name: str, found: Sequence[float], bar: float | None, note: str) -> Figure:
    (estimate,) = bootstrap.intervals(np.array(found)[:, np.newaxis], np.arange(len(found)))
    return Figure(name, estimate.value, bar, (estimate.low, estimate.high), note=note)
