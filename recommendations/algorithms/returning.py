"""How often a visit comes back to what it has seen, learned from the shop's own visits.

Most recommendations leave out what was seen. Where repeats may be shown (a rail to go on with the visit), the next step
is one of the seen items with a probability that falls with how long ago it was seen and rises with how often.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from recommendations.algorithms.scoring import Scored

PLACES: Final = 20
TIMES: Final = 4
PRIOR: Final = 20.0  # steps, so that a rate of few observations stays near that of its place
LEAST_NEW: Final = 0.05  # of all next steps are kept for new items, however much the rates add up to

Rates = tuple[tuple[float, ...], ...]
"""`rates[place][times - 1]`: the probability that the next step is the place-th newest item, seen so many times."""


def learn_returns(visits: Iterable[Sequence[int]]) -> Rates:
    """The rates of a shop from its visits (item numbers, oldest first, repeats included).

    A rate is (returns + PRIOR · rate of the place) / (chances + PRIOR), so that no visits give rates of 0.
    """
    returned = [[0] * TIMES for _ in range(PLACES)]
    chances = [[0] * TIMES for _ in range(PLACES)]
    for visit in visits:
        _count(visit, returned, chances)
    return tuple(_rates(*counts) for counts in zip(returned, chances, strict=True))


def with_returns(new: Sequence[Scored], past: Sequence[int], rates: Rates) -> Iterator[tuple[int, float]]:
    """Items with the probability that they are next, best first: `new` ones (scored, best first) and seen ones.

    `past` are the item numbers of the visit, oldest first, repeats included. What the seen ones leave of the
    probability is shared among the new ones by score. Ties go to the new.
    """
    seen = dict(_chances_of(past, rates))
    total = sum(seen.values())
    shrink = min(1.0, (1 - LEAST_NEW) / total) if total else 1.0
    unseen = [(scored.item, scored.score) for scored in new if scored.item not in seen]
    unit = (1 - total * shrink) / sum(score for _, score in unseen) if unseen else 0.0
    chances = [(item, score * unit) for item, score in unseen]
    chances += [(item, chance * shrink) for item, chance in seen.items()]
    return iter(sorted(chances, key=lambda each: -each[1]))


def _chances_of(past: Sequence[int], rates: Rates) -> Iterator[tuple[int, float]]:
    times = Counter(past)
    for place, item in zip(range(len(rates)), dict.fromkeys(reversed(past)), strict=False):
        yield item, rates[place][min(times[item], TIMES) - 1]


def _count(visit: Sequence[int], returned: list[list[int]], chances: list[list[int]]) -> None:
    seen: list[int] = []  # newest first
    times: Counter[int] = Counter()
    for item in visit:
        for place, known in enumerate(seen[:PLACES]):
            chances[place][min(times[known], TIMES) - 1] += 1
        if times[item]:
            place = seen.index(item)
            if place < PLACES:
                returned[place][min(times[item], TIMES) - 1] += 1
            del seen[place]
        seen.insert(0, item)
        times[item] += 1


def _rates(returned: Sequence[int], chances: Sequence[int]) -> tuple[float, ...]:
    of_place = sum(returned) / (sum(chances) + PRIOR)
    return tuple((r + PRIOR * of_place) / (n + PRIOR) for r, n in zip(returned, chances, strict=True))
