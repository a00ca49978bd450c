"""Cases out of what was held out.

All drawing is seeded and starts from sorted names, so the order of rows and the number of threads change nothing.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, NamedTuple

import ibis
import numpy as np
import pyarrow as pa

from recommendations.algorithms.types import POSITIVE_TYPES
from recommendations.evaluation.types import Case

LONGEST: Final = 1000  # of what a crawler or a wholesaler leaves, the newest so many rows are looked at
Row = tuple[str, Any, int]  # name, when (anything that sorts), item


@dataclass(frozen=True, slots=True)
class Draw:
    """How many cases to draw, so that judging costs the same in every shop.

    `cases`: at most, in total; `per_session`: at most of one session. `novel`: only targets that the prefix does not
    hold, for strategies that leave out what the visitor knows. `seed`: another one draws others.
    """

    cases: int = 10_000
    per_session: int = 20
    novel: bool = False
    seed: int = 1


DRAW: Final = Draw()


class BasketCases(NamedTuple):
    """Two questions about each order: `single` as on a product page, `cart` as in the cart.

    `single`: from one item to all others, any of which is a hit. `cart`: from all items but one to that one.
    """

    single: list[Case]
    cart: list[Case]


def next_item_cases(held_out: ibis.Table, draw: Draw = DRAW) -> list[Case]:
    """Cases (prefix → what came next) at every step of held-out sessions (SESSION_EVENTS).

    Steps of one moment are one target set, and enter the prefix by item number, since they have no order. Targets that
    training does not know stay in and are missed (`known_only` takes them out). The expression is executed.
    """
    generator = np.random.default_rng(draw.seed)
    rows = _drawn_rows(held_out, "session", "position", draw, generator)
    found: list[Case] = []
    for session, steps in _by_name(rows):
        found += _some(_walk(session, steps, draw.novel), draw.per_session, generator)
    return _some(found, draw.cases, generator)


def basket_cases(orders: ibis.Table, draw: Draw = DRAW) -> BasketCases:
    """Ask for the rest of each order from one random item, and for one random item from the rest; a case each.

    `orders` has order_id and item (`baskets.order_lines`); orders of one item are passed over. An order has no
    sequence, so the prefix of a cart is shuffled. The expression is executed.
    """
    generator = np.random.default_rng(draw.seed)
    sizes = orders.group_by("order_id").agg(size=orders.item.nunique())
    several = orders.semi_join(sizes.filter(sizes.size > 1), "order_id")
    single, cart = [], []
    for order, lines in _by_name(_drawn_rows(several, "order_id", "item", draw, generator)):
        items = generator.permutation(sorted({item for _, _, item in lines})).tolist()
        single.append(Case(tuple(items[:1]), frozenset(items[1:]), order))
        cart.append(Case(tuple(items[1:]), frozenset(items[:1]), order))
    return BasketCases(single, cart)


def history_cases(training: ibis.Table, held_out: ibis.Table, draw: Draw = DRAW) -> list[Case]:
    """What visitors who came back turned to, out of all they did before; one case a visitor, for `for_you`.

    Both are INTERACTIONS, as `holdout.divide` gives them. Prefix: the items of the training part, each at its newest
    moment. Targets: all items of the held-out part. The expressions are executed.
    """
    generator = np.random.default_rng(draw.seed)
    back = _positive(held_out).semi_join(_positive(training), "visitor")
    later = {visitor: {row[2] for row in rows} for visitor, rows in _by_name(_newest(back, draw, generator))}
    earlier = _positive(training).semi_join(_names(list(later), "visitor"), "visitor")
    found = []
    for visitor, rows in _by_name(_newest(earlier, draw, generator)):
        prefix = tuple(item for _, _, item in rows)
        targets = later[visitor] - set(prefix) if draw.novel else later[visitor]
        found += [Case(prefix, frozenset(targets), visitor)] if targets else []
    return found


def novel_only(cases: Iterable[Case]) -> list[Case]:
    """The cases without the targets that their prefix holds already; those that have no other fall out."""
    rest = ((case, case.targets.difference(case.prefix)) for case in cases)
    return [Case(case.prefix, targets, case.unit) for case, targets in rest if targets]


def known_only(cases: Iterable[Case], known: Collection[int]) -> list[Case]:
    """The cases without the targets that training does not know; those that have no other fall out.

    Say so where figures of such cases are shown: what nobody could find is not counted as missed.
    """
    known = frozenset(known)
    rest = ((case, case.targets & known) for case in cases)
    return [Case(case.prefix, targets, case.unit) for case, targets in rest if targets]


def _walk(session: str, steps: Sequence[Row], novel: bool) -> Iterator[Case]:
    prefix: list[int] = []
    for _, moment in groupby(steps, key=itemgetter(1)):
        items = [item for _, _, item in moment]
        targets = frozenset(items).difference(prefix) if novel else frozenset(items)
        if prefix and targets:
            yield Case(tuple(prefix), targets, session)
        prefix += items


def _some(cases: Iterable[Case], limit: int, generator: np.random.Generator) -> list[Case]:
    """At most so many of the cases, in their order."""
    cases = list(cases)
    if len(cases) <= limit:
        return cases
    return [cases[place] for place in np.sort(generator.choice(len(cases), limit, replace=False))]


def _positive(interactions: ibis.Table) -> ibis.Table:
    return interactions.filter(interactions.type.isin(POSITIVE_TYPES), interactions.visitor.notnull())


def _newest(interactions: ibis.Table, draw: Draw, generator: np.random.Generator) -> list[Row]:
    last = interactions.group_by("visitor", "item").agg(moment=interactions.occurred_at.max())
    return _drawn_rows(last, "visitor", "moment", draw, generator)


def _drawn_rows(table: ibis.Table, name: str, when: str, draw: Draw, generator: np.random.Generator) -> list[Row]:
    """The rows of as many random names as could give all the cases, sorted: only these leave the engine."""
    names = table.select(name).distinct().order_by(name).to_pyarrow()[name].drop_null()
    if len(names) > draw.cases:
        names = names.take(np.sort(generator.choice(len(names), draw.cases, replace=False)))
    rows = table.semi_join(_names(names.to_pylist(), name), name).select("item", name=name, moment=when)
    newest_first = ibis.window(group_by="name", order_by=[ibis.desc("moment"), "item"])
    kept = rows.mutate(place=ibis.row_number().over(newest_first)).filter(ibis._.place < LONGEST)
    columns = kept.select("name", "moment", "item").to_pyarrow().to_pydict()
    return sorted(zip(columns["name"], columns["moment"], columns["item"], strict=True))


def _names(names: list[str], column: str) -> ibis.Table:
    return ibis.memtable(pa.table({column: pa.array(names, pa.string())}))


def _by_name(rows: list[Row]) -> Iterator[tuple[str, list[Row]]]:
    return ((name, list(of_name)) for name, of_name in groupby(rows, key=itemgetter(0)))
