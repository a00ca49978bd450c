"""How often a visit comes back to what it has seen, learned from the shop's own visits.

Most recommendations leave out what was seen. Where repeats may be shown (a rail to go on with the visit), the next step
is one of the seen items with a probability that falls with how long ago it was seen and rises with how often. In long
histories it also depends on what the newest steps lead to, as that of a new item does.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recommendations.algorithms.scoring import Scored

PLACES: Final = 20  # the last one stands for all that was seen before
OLDEST: Final = 100  # places up to which returns are counted
TIMES: Final = 4
LENGTHS: Final = (1, 2, 3, 5, 9)  # numbers of different items seen, up to which a visit counts as one length; or more
PRIOR: Final = 20.0  # steps, so that a rate of few observations stays near the less specific one
LEAST_NEW: Final = 0.05  # of all next steps are kept for new items, however much the rates add up to

Rates = tuple[tuple[tuple[float, ...], ...], ...]
"""`rates[length][place][times - 1]`: the probability that a visit of that length comes next to its place-th newest
item, which it has seen so many times."""
Visit = Sequence[Sequence[int]]
"""The item numbers of each moment, oldest first: one, or the lines of an order."""


def learn_returns(visits: Iterable[Visit]) -> Rates:
    """The rates of a shop from its visits, repeats included.

    A rate is (returns + PRIOR · rate of place and times) / (chances + PRIOR), that one in turn with the rate of the
    place as its prior; no visits give rates of 0.
    """
    counts = np.zeros((2, len(LENGTHS) + 1, PLACES, TIMES))
    for visit in visits:
        _count(visit, counts)
    returned, chances = counts
    of_place = returned.sum(axis=(0, 2)) / (chances.sum(axis=(0, 2)) + PRIOR)
    of_times = (returned.sum(axis=0) + PRIOR * of_place[:, np.newaxis]) / (chances.sum(axis=0) + PRIOR)
    rates: list[list[list[float]]] = ((returned + PRIOR * of_times) / (chances + PRIOR)).round(5).tolist()
    return tuple(tuple(tuple(times) for times in places) for places in rates)


def with_returns(
    named: Sequence[Scored], past: Sequence[int], rates: Rates, found: float = 1.0, again: float = 0.0
) -> list[tuple[int, float]]:
    """Items with the probability that they are next, best first: `named` ones (scored, best first) and seen ones.

    `past` are the item numbers of the visit, oldest first, repeats included. What the rates of seen ones leave of the
    probability is for those that are named; the share `found` of it, which is how often the next new item is among
    them, is divided among them by score, of which a seen one's counts `again` times. Ties go to the named.
    """
    seen = dict(_chances_of(past, rates)) if rates else {}
    total = sum(seen.values())
    shrink = min(1.0, (1 - LEAST_NEW) / total) if total else 1.0
    known = frozenset(past)
    counted = {scored.item: scored.score * again if scored.item in known else scored.score for scored in named}
    score_sum = sum(counted.values())
    unit = (1 - total * shrink) * found / score_sum if score_sum else 0.0
    chances = {item: score * unit for item, score in counted.items() if score}
    for item, chance in seen.items():
        chances[item] = chances.get(item, 0.0) + chance * shrink
    return sorted(chances.items(), key=lambda each: -each[1])


def _chances_of(past: Sequence[int], rates: Rates) -> Iterator[tuple[int, float]]:
    times = Counter(past)
    of_length = rates[bisect_left(LENGTHS, len(times))]
    for place, item in enumerate(dict.fromkeys(reversed(past))):
        yield item, of_length[min(place, PLACES - 1)][min(times[item], TIMES) - 1]


def _count(visit: Visit, counts: NDArray[np.float64]) -> None:
    """Add a visit's returns (`counts[0]`) and chances to return (`counts[1]`)."""
    seen: list[int] = []  # the newest first, as many as are told apart
    times: Counter[int] = Counter()
    for moment in visit:
        length = bisect_left(LENGTHS, len(times))
        for place, known in enumerate(seen):
            cell = length, min(place, PLACES - 1), min(times[known], TIMES) - 1
            counts[(1, *cell)] += 1
            if known in moment:
                counts[(0, *cell)] += 1
        newest = dict.fromkeys(reversed(moment))
        seen = [*newest, *(item for item in seen if item not in newest)][:OLDEST]
        times.update(newest.keys())
