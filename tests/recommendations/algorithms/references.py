"""The algorithms once more, slowly and in plain Python, to compare with."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby, pairwise, permutations
from math import log

from events.interest import EVENT_WEIGHTS
from recommendations.algorithms.baskets import BasketParams
from recommendations.algorithms.coview import CoviewParams
from recommendations.algorithms.scoring import Scored
from recommendations.algorithms.sessions import DEFAULT, SessionParams
from tests.recommendations.algorithms.tables import START, Row


@dataclass(frozen=True, order=True)
class Step:
    """An item at a moment; `position` is the rank of the moment within its session."""

    moment: datetime
    item: int
    units: int
    position: int = 0


Session = Sequence[Step]
NeighbourList = Sequence[tuple[int, float, int]]
"""(item, score, count), best first."""
Scores = dict[tuple[int, int], tuple[float, int]]
"""(item, neighbour) → score, count."""


def sessions(rows: Sequence[Row], params: SessionParams = DEFAULT) -> list[Session]:
    """Every session's steps by position and then by item, in no particular order."""
    visits: dict[tuple[str, str | None], Counter[tuple[datetime, int]]] = defaultdict(Counter)
    for row in rows:
        if row["type"] in EVENT_WEIGHTS:
            lines = _lines(rows, row)
            named = [line["session"] for line in lines if line["session"]]
            session = min(named) if named else row["session"]
            step = min(line["occurred_at"] for line in lines), row["item"]
            visits[row["visitor"], session][step] += 1 if row["quantity"] is None else row["quantity"]
    found = []
    for (_, name), units in visits.items():
        steps = sorted(Step(moment, item, count) for (moment, item), count in units.items())
        found += [_ranked(_collapsed(part)) for part in _parts(steps, name is None)]
    return [_capped(steps, params) for steps in found if len(steps) > 1]


def _collapsed(steps: Session) -> Session:
    """Without the steps whose item was there at the moment before."""
    ranked = _ranked(steps)
    places = {(step.position, step.item) for step in ranked}
    return [step for step in ranked if (step.position - 1, step.item) not in places]


def _ranked(steps: Session) -> Session:
    moments = sorted({step.moment for step in steps})
    return [replace(step, position=moments.index(step.moment)) for step in steps]


def _capped(steps: Session, params: SessionParams) -> Session:
    kept: list[Step] = []
    for _, together in groupby(reversed(steps), key=lambda step: step.position):
        kept += sorted(together, key=_most_units_first)[: params.max_at_once]
    return sorted(kept[: params.max_events])


def _most_units_first(step: Step) -> tuple[int, int, int]:
    prime, factor = 2_147_483_647, 1_327_217_885
    return -step.units, (step.item + int(step.moment.timestamp())) * factor % prime, step.item


def coview(rows: Sequence[Row], params: CoviewParams) -> Scores:
    found = sessions(rows)
    newest = max((steps[-1].moment for steps in found), default=START)
    weights: defaultdict[tuple[int, int], float] = defaultdict(float)
    counts: Counter[tuple[int, int]] = Counter()
    sizes: defaultdict[int, float] = defaultdict(float)
    total = 0.0
    for steps in found:
        decay = 2 ** (-((newest - steps[-1].moment) / timedelta(days=params.half_life_days)))
        total += decay
        met = set()
        for step in steps:
            sizes[step.item] += decay
            for other in steps:
                gap = other.position - step.position
                if step.item != other.item and abs(gap) <= params.window:
                    weights[step.item, other.item] += decay * _share(gap, params)
                    met.add((step.item, other.item))
        counts.update(met)
    return {
        (i, j): (sizes[i] ** -0.5 * log(1 + total / sizes[i]) * weight / sizes[j] ** 0.15, counts[i, j])
        for (i, j), weight in weights.items()
    }


def _share(gap: int, params: CoviewParams) -> float:
    if gap == 0:
        return (params.forward + params.backward) / 2
    return (params.forward if gap > 0 else params.backward) / (abs(gap) if params.gap_decay else 1)


def bought_together(rows: Sequence[Row], params: BasketParams) -> Scores:
    orders: defaultdict[str, Counter[int]] = defaultdict(Counter)
    moments: defaultdict[str, dict[int, datetime]] = defaultdict(dict)
    for row in rows:
        if row["type"] == "purchase" and row["order_id"]:
            order, item = row["order_id"], row["item"]
            orders[order][item] += 1 if row["quantity"] is None else row["quantity"]
            moments[order][item] = min(row["occurred_at"], moments[order].get(item, row["occurred_at"]))
    baskets = {order: {item for item, count in units.items() if count > 0} for order, units in orders.items()}
    ordered_at = {order: min(moments[order][item] for item in basket) for order, basket in baskets.items() if basket}
    newest = max((moments[order][item] for order, basket in baskets.items() for item in basket), default=START)
    sizes: defaultdict[int, float] = defaultdict(float)
    weights: defaultdict[tuple[int, int], float] = defaultdict(float)
    counts: Counter[tuple[int, int]] = Counter()
    for order, moment in ordered_at.items():
        decay = 2 ** (-((newest - moment) / timedelta(days=params.half_life_days)))
        for item in baskets[order]:
            sizes[item] += decay
        for pair in permutations(baskets[order], 2):
            weights[pair] += decay * (len(baskets[order]) - 1) ** -0.5
            counts[pair] += 1
    return {
        (i, j): (weights[i, j] / ((sizes[i] + params.shrinkage) * sizes[j] ** params.popularity_penalty), count)
        for (i, j), count in counts.items()
        if count >= params.min_count
    }


def _lines(rows: Sequence[Row], row: Row) -> list[Row]:
    """The lines of the row's order; the row alone if it has none."""
    if row["order_id"] is None:
        return [row]
    order = (row["visitor"], row["order_id"])
    return [line for line in rows if line["type"] in EVENT_WEIGHTS and (line["visitor"], line["order_id"]) == order]


def _parts(steps: Session, by_gap: bool) -> list[list[Step]]:
    parts = [[steps[0]]]
    for before, step in pairwise(steps):
        if by_gap and step.moment - before.moment > timedelta(minutes=30):
            parts.append([])
        parts[-1].append(step)
    return parts


def score_history(
    neighbour_lists: Sequence[NeighbourList], weights: Sequence[float], exclude: Iterable[int] = (), limit: int = 100
) -> list[Scored]:
    """Merge the lists of a history's anchors: score(j) = Σ_p weight_p · score_pj, the best `limit` first.

    One list and one weight (> 0) per anchor, newest first; an anchor without neighbours gives an empty list. `exclude`:
    items not to propose, usually those already seen. Ties go to the smaller item; `because_of` is the index of the
    anchor with the largest part, the newer one if equal. Raises ValueError if the lengths differ.
    """
    totals: dict[int, float] = {}
    known = totals.get
    for neighbours, weight in zip(neighbour_lists, weights, strict=True):
        for item, score, _ in neighbours:
            totals[item] = known(item, 0.0) + weight * score
    for item in exclude:
        totals.pop(item, None)
    # Two stable sorts keyed in C are several times faster than one on (-score, item) tuples.
    best = sorted(totals)
    best.sort(key=totals.__getitem__, reverse=True)
    return _explained(best[:limit], totals, neighbour_lists, weights)


def _explained(
    best: list[int], totals: dict[int, float], neighbour_lists: Sequence[NeighbourList], weights: Sequence[float]
) -> list[Scored]:
    # Only the few that survive are explained: remembering the best anchor of every candidate costs more than this.
    largest = dict.fromkeys(best, -1.0)
    reasons = dict.fromkeys(best, (0, 0))
    for index, (neighbours, weight) in enumerate(zip(neighbour_lists, weights, strict=True)):
        for item, score, count in neighbours:
            if item in largest and weight * score > largest[item]:
                largest[item] = weight * score
                reasons[item] = (index, count)
    return [Scored(item, totals[item], *reasons[item]) for item in best]
