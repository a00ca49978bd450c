"""Measures of slates, vectorised over cases.

A slate is a row of item numbers, best first, filled up with EMPTY. `hits` is a matrix of the same shape that says which
of them are targets.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recommendations.evaluation.types import Case

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

EMPTY: Final = -1
ITEM_BITS: Final = 32  # item numbers are below 2^32, here as in packed lists


class Catalogue(NamedTuple):
    """What may be recommended: distinct item numbers, ascending, and how often training met each of them."""

    items: Integers
    counts: Integers


class Exposures(NamedTuple):
    """How often each item was shown, over all slates."""

    items: Integers
    counts: Integers


def catalogue(items: Sequence[int] | Integers, interactions: Sequence[int] | Integers) -> Catalogue:
    """Count how often the training's `interactions` (one item number each) name each of the recommendable `items`.

    Interactions with other items are left out, repeated items count once.
    """
    known = np.unique(np.asarray(items, np.int64))
    met = np.asarray(interactions, np.int64)
    places = np.searchsorted(known, met)
    inside = places < len(known)
    inside[inside] = known[places[inside]] == met[inside]
    return Catalogue(known, np.bincount(places[inside], minlength=len(known)).astype(np.int64))


def hits_of(slates: Integers, cases: Sequence[Case]) -> Flags:
    """Which entries of the slates (cases × k) are among their case's targets.

    Raises ValueError if a target is no item number (0 to 2^32 - 1).
    """
    sizes = [len(case.targets) for case in cases]
    targets = np.array([item for case in cases for item in case.targets], np.int64)
    if (targets >> ITEM_BITS != 0).any():
        raise ValueError("A target is no item number.")
    wanted = (np.repeat(np.arange(len(cases)), sizes) << ITEM_BITS) + targets
    shown = (np.arange(len(cases))[:, np.newaxis] << ITEM_BITS) + slates
    # EMPTY would be the last number of the case before.
    found: Flags = np.isin(shown, wanted) & (slates != EMPTY)
    return found


def first_ranks(hits: Flags) -> Integers:
    """Rank of the first hit of each case, from 1; 0 where there is none."""
    ranks: Integers = np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, 0).astype(np.int64)
    return ranks


def hit(ranks: Integers) -> Floats:
    """1 where any target was shown, else 0; its mean is the hit rate."""
    return (ranks > 0).astype(np.float64)


def reciprocal_rank(ranks: Integers) -> Floats:
    """1/rank of the first hit, 0 without one; its mean is the MRR."""
    return np.divide(1.0, ranks, out=np.zeros(len(ranks)), where=ranks > 0)


def ndcg(hits: Flags, targets: Integers) -> Floats:
    """Σ over hits of 1/log2(rank + 1), over what the best possible slate of k would have; 0 to 1.

    `targets`: number of targets of each case. Järvelin, Kekäläinen: Cumulated gain-based evaluation of IR techniques,
    TOIS 2002, with a gain of 1 for a target.
    """
    discounts = 1 / np.log2(np.arange(2, hits.shape[1] + 2))
    ideal = np.cumsum(discounts)[np.minimum(targets, hits.shape[1]) - 1]
    gained: Floats = hits @ discounts / ideal
    return gained


def recall(hits: Flags, targets: Integers) -> Floats:
    """Share of a case's targets that were shown; with one target the same as `hit`."""
    share: Floats = hits.sum(axis=1) / targets
    return share


def exposures(slates: Integers) -> Exposures:
    """How often each item is in the slates."""
    items, counts = np.unique(slates[slates != EMPTY], return_counts=True)
    return Exposures(items, counts.astype(np.int64))


def coverage(shown: Exposures, known: Catalogue) -> float:
    """Share of the catalogue that is in at least one slate; 0 of an empty one. More cases can only raise it."""
    return float(np.isin(known.items, shown.items).mean()) if len(known.items) else 0.0


def novelty(shown: Exposures, known: Catalogue) -> float | None:
    """Mean of -log2 p(item) over everything shown, in bits: how surprising the slates are.

    p is an item's share of the training's interactions, with one added to each count, so that an item nobody has met
    has a finite surprise. Vargas, Castells: Rank and Relevance in Novelty and Diversity Metrics for Recommender
    Systems, RecSys 2011. None if nothing was shown.
    """
    if not len(shown.items):
        return None
    share = (popularity(shown.items, known) + 1) / (known.counts.sum() + max(1, len(known.items)))
    return float(np.average(-np.log2(share), weights=shown.counts))


def popularity_bias(shown: Exposures, chosen: Exposures, known: Catalogue) -> float | None:
    """How popular what is shown is against what was chosen: the ratio of their mean training counts.

    1: as popular as what people turn to by themselves; 3: three times. The measure is the group average popularity of
    Abdollahpouri et al.: The Unfairness of Popularity Bias in Recommendation, RMSE 2019, as a ratio. None if nothing
    was shown, or training met nothing of what was chosen.
    """
    if not len(shown.items) or not len(chosen.items):
        return None
    normal = float(np.average(popularity(chosen.items, known), weights=chosen.counts))
    return float(np.average(popularity(shown.items, known), weights=shown.counts)) / normal if normal else None


def popularity(items: Integers, known: Catalogue) -> NDArray[Any]:
    """How often training met each of the items; 0 for those outside the catalogue."""
    if not len(known.items):
        return np.zeros(len(items), np.int64)
    places = np.minimum(np.searchsorted(known.items, items), len(known.items) - 1)
    return np.where(known.items[places] == items, known.counts[places], 0)
