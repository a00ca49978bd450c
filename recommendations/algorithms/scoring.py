"""Serving-time merge of neighbour lists: plain Python, because a request has no time for anything else."""

import math
from collections.abc import Collection, Iterable, Sequence

from recommendations.algorithms.types import Candidate

NeighbourList = Sequence[tuple[int, float, int]]
"""(item, score, count), best first, as stored for one anchor."""


def recency_weights(anchors: int, recency: float) -> list[float]:
    """The weights e^(-p/τ) of a history's items, newest first (p = 0); `recency` is τ > 0, in steps."""
    return [math.exp(-step / recency) for step in range(anchors)]


def score_history(
    neighbour_lists: Sequence[NeighbourList], weights: Sequence[float], exclude: Iterable[int] = (), limit: int = 100
) -> list[Candidate]:
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


def score_cart(neighbour_lists: Sequence[NeighbourList], cart: Collection[int], limit: int = 100) -> list[Candidate]:
    """Merge the lists of a cart's items, which all count the same, without the cart itself; else as `score_history`."""
    return score_history(neighbour_lists, [1.0] * len(neighbour_lists), cart, limit)


def _explained(
    best: list[int], totals: dict[int, float], neighbour_lists: Sequence[NeighbourList], weights: Sequence[float]
) -> list[Candidate]:
    # Only the few that survive are explained: remembering the best anchor of every candidate costs more than this.
    largest = dict.fromkeys(best, -1.0)
    reasons = dict.fromkeys(best, (0, 0))
    for index, (neighbours, weight) in enumerate(zip(neighbour_lists, weights, strict=True)):
        for item, score, count in neighbours:
            if item in largest and weight * score > largest[item]:
                largest[item] = weight * score
                reasons[item] = (index, count)
    return [Candidate(item, totals[item], *reasons[item]) for item in best]
