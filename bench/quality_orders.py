"""`bought_together` on the example shop's real orders, of which a tenth is held out: the newest, and at random.

Three questions of each held-out order of two items or more, drawn by a seed: one of its items, any of the others is a
hit among five; all of its items but one, that one is a hit among ten. What is trained is what `manage.py evaluate`
trains, settings chosen on the older part included.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from bench.figures import Figure
from recomengine.demo import gift_shop
from recommendations.evaluation.runner import Results, evaluate
from recommendations.evaluation.types import Case
from recommendations.logs import reading, trials
from recommendations.training.offline import recommender

Numbers = NDArray[Any]
HELD_OUT: Final = 0.1
DRAWS: Final = 3


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of an order, how many items are shown, and the bar."""

    name: str
    k: int
    bar: float


ONE: Final = Question("one item, any of the others", 5, 0.57)
CART: Final = Question("a cart, the one left out", 10, 0.24)


def figures() -> Iterator[Figure]:
    """Hit rates and coverage, of the newest tenth against the bars; of a random tenth for comparison."""
    lines = gift_shop.lines()
    for name, held in (("newest tenth", newest_tenth(lines)), ("random tenth", random_tenth(lines))):
        for question, results in _results(lines, held).items():
            bar = question.bar if name == "newest tenth" else None
            yield _figure(f"gift shop, {name}, {question.name}, HR@{question.k}", results, bar)


def order_times(lines: pa.Table) -> tuple[Numbers, Numbers]:
    """The number of each line's order, and when each order was made."""
    codes = lines["invoice"].combine_chunks().dictionary_encode().indices.to_numpy()
    made = np.full(codes.max() + 1, np.iinfo(np.int64).max)
    np.minimum.at(made, codes, lines["invoice_date"].cast(pa.int64()).to_numpy())
    return codes, made


def newest_tenth(lines: pa.Table) -> NDArray[np.bool_]:
    """Which lines are of the newest tenth of the orders."""
    codes, made = order_times(lines)
    newest = np.argsort(made, kind="stable")[int(len(made) * (1 - HELD_OUT)) :]
    return np.isin(codes, newest)


def random_tenth(lines: pa.Table, seed: int = 1) -> NDArray[np.bool_]:
    """Which lines are of a tenth of the orders, drawn by a seed."""
    codes, made = order_times(lines)
    drawn = np.random.default_rng(seed).choice(len(made), int(len(made) * HELD_OUT), replace=False)
    return np.isin(codes, drawn)


def cases(lines: pa.Table, numbers: dict[str, int], seed: int = 1) -> tuple[list[Case], list[Case]]:
    """Both questions of each order of two items or more, `DRAWS` times; a cart is in no order."""
    orders: dict[str, set[str]] = {}
    for invoice, item in zip(lines["invoice"].to_pylist(), lines["item_id"].to_pylist(), strict=True):
        orders.setdefault(invoice, set()).add(item)
    generator = np.random.default_rng(seed)
    single, cart = [], []
    for invoice in sorted(orders):
        items = sorted(orders[invoice])
        for _ in range(DRAWS if len(items) > 1 else 0):
            one, *others = (numbers[items[place]] for place in generator.permutation(len(items)))
            single.append(Case((one,), frozenset(others), invoice))
            cart.append(Case(tuple(others), frozenset([one]), invoice))
    return single, cart


def training_log(lines: pa.Table, path: Path) -> reading.Log:
    """Order lines as a log that `manage.py evaluate` reads."""
    columns = {
        "visitor_id": lines["invoice"],
        "occurred_at": lines["invoice_date"],
        "item_id": lines["item_id"],
        "type": pa.repeat("purchase", lines.num_rows),
        "order_id": lines["invoice"],
        "quantity": lines["quantity"],
    }
    parquet.write_table(pa.table(columns), path)
    return reading.read(path, path.parent)


def _results(lines: pa.Table, held: NDArray[np.bool_]) -> dict[Question, Results]:
    with TemporaryDirectory() as directory:
        log = training_log(lines.filter(pa.array(~held)), Path(directory) / "train.parquet")
        tables = trials.trained(log, "bought_together")
    names: list[str] = log.items.to_pylist()
    unknown = sorted(set(lines["item_id"].to_pylist()) - set(names))
    numbers = {name: number for number, name in enumerate([*names, *unknown])}
    known = log.catalogue()
    asked = zip((ONE, CART), cases(lines.filter(pa.array(held)), numbers), strict=True)
    return {
        question: evaluate(
            "bought_together", recommender("bought_together", tables, question.k, novel=True), each, question.k, known
        )
        for question, each in asked
    }


def _figure(name: str, results: Results, bar: float | None) -> Figure:
    estimate = results.quality.hit_rate
    assert estimate
    note = f"{len(results.cases):,} cases, coverage {results.quality.coverage:.1%}"
    return Figure(name, estimate.value, bar, (estimate.low, estimate.high), note=note)
