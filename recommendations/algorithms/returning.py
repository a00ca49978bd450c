"""How often a visit comes back to what it has seen, learned from the shop's own visits.

Most recommendations leave out what was seen. Where repeats may be shown (a rail to go on with the visit), the next step
is one of the seen items with a probability that falls with how long ago it was seen and rises with how often.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from recommendations.algorithms.scoring import Scored

PLACES: Final = 20
TIMES: Final = 4
LENGTHS: Final = (1, 2, 3, 5, 9)  # numbers of different items seen, up to which a visit counts as one length; or more
PRIOR: Final = 20.0  # steps, so that a rate of few observations stays near the less specific one
LEAST_NEW: Final = 0.05  # of all next steps are kept for new items, however much the rates add up to

Rates = tuple[tuple[tuple[float, ...], ...], ...]
"""`rates[length][place][times - 1]`: the probability that a visit of that length comes next to its place-th newest
item, which it has seen so many times."""


def learn_returns(visits: Iterable[Sequence[int]]) -> Rates:
    """The rates of a shop from its visits (item numbers, oldest first, repeats included).

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
    new: Sequence[Scored], past: Sequence[int], rates: Rates, found: float = 1.0
) -> list[tuple[int, float]]:
    """Items with the probability that they are next, best first: `new` ones (scored, best first) and seen ones.

    `past` are the item numbers of the visit, oldest first, repeats included. What the seen ones leave of the
    probability is for new ones; the share `found` of it, which is how often the next new item is among `new`, is
    divided among those by score. Ties go to the new.
    """
    seen = dict(_chances_of(past, rates)) if rates else {}
    total = sum(seen.values())
    shrink = min(1.0, (1 - LEAST_NEW) / total) if total else 1.0
    known = frozenset(past)
    unseen = [(scored.item, scored.score) for scored in new if scored.item not in known]
    unit = (1 - total * shrink) * found / sum(score for _, score in unseen) if unseen else 0.0
    chances = [(item, score * unit) for item, score in unseen]
    chances += [(item, chance * shrink) for item, chance in seen.items()]
    return sorted(chances, key=lambda each: -each[1])


def _chances_of(past: Sequence[int], rates: Rates) -> Iterator[tuple[int, float]]:
    times = Counter(past)
    of_length = rates[bisect_left(LENGTHS, len(times))]
    for item, of_place in zip(dict.fromkeys(reversed(past)), of_length, strict=False):
        yield item, of_place[min(times[item], TIMES) - 1]


def _count(visit: Sequence[int], counts: NDArray[np.float64]) -> None:
    """Add a visit's returns (`counts[0]`) and chances to return (`counts[1]`)."""
    seen: list[int] = []  # the newest first, as many as are told apart
    times: Counter[int] = Counter()
    for item in visit:
        length = bisect_left(LENGTHS, len(times))
        for place, known in enumerate(seen):
            counts[1, length, place, min(times[known], TIMES) - 1] += 1
        if item in seen:
            place = seen.index(item)
            counts[0, length, place, min(times[item], TIMES) - 1] += 1
            del seen[place]
        seen.insert(0, item)
        del seen[PLACES:]
        times[item] += 1
