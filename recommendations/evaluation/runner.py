"""Ask a strategy for its slates of all cases, and measure them."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from recommendations.evaluation import bootstrap, metrics
from recommendations.evaluation.metrics import EMPTY, ITEM_BITS, Catalogue, Exposures, Floats, Integers
from recommendations.evaluation.types import MEASURES, Case, Quality

BATCH: Final = 1000

Prefix = tuple[int, ...]
Recommend = Callable[[Sequence[Prefix]], Iterable[Sequence[int] | Integers]]
"""For each prefix, in order, its ranked item numbers, best first. More than k are cut; an empty one is an answer."""


@dataclass(frozen=True)
class Results:
    """What a strategy did on each case; `quality` sums it up, `judging.judge` compares.

    `ranks`: of the first hit, 0 for none. `measures`: cases × MEASURES. `shown`, `chosen`: how often each item was in a
    slate, or a target. `answered`: cases with a slate that is not empty.
    """

    strategy: str
    k: int
    cases: tuple[Case, ...]
    ranks: Integers
    measures: Floats
    shown: Exposures
    chosen: Exposures
    known: Catalogue
    answered: int
    seconds: float

    @property
    def units(self) -> list[str]:
        return [case.unit for case in self.cases]

    @cached_property
    def quality(self) -> Quality:
        """All cases summed up, with intervals that resample units; computed once."""
        n = len(self.cases)
        found = bootstrap.intervals(self.measures, self.units) if n else []
        estimates = dict(zip(MEASURES, found, strict=False))
        return Quality(
            strategy=self.strategy,
            k=self.k,
            n=n,
            units=len(set(self.units)),
            hit_rate=estimates.get("hit_rate"),
            mrr=estimates.get("mrr"),
            ndcg=estimates.get("ndcg"),
            recall=estimates.get("recall"),
            share_answered=self.answered / n if n else None,
            coverage=metrics.coverage(self.shown, self.known),
            novelty=metrics.novelty(self.shown, self.known),
            popularity_bias=metrics.popularity_bias(self.shown, self.chosen, self.known),
            milliseconds_per_slate=self.seconds * 1000 / n if n else None,
        )


def evaluate(strategy: str, recommend: Recommend, cases: Sequence[Case], k: int, known: Catalogue) -> Results:
    """Ask for the slates of all cases, in batches, and measure them against the targets; k ≥ 1.

    `known`: the recommendable items with their counts in the training (`metrics.catalogue`), the same for all
    strategies that are compared. The time of asking is measured. Raises ValueError if `recommend` gives another number
    of lists than asked for, an item twice in a list, or what is no item number (0 to 2^32 - 1).
    """
    batches, seconds = [np.empty((0, k), np.int64)], 0.0
    for start in range(0, len(cases), BATCH):
        prefixes = [case.prefix for case in cases[start : start + BATCH]]
        began = time.perf_counter()
        ranked = list(recommend(prefixes))
        seconds += time.perf_counter() - began
        batches.append(_slates(strategy, ranked, len(prefixes), k))
    return _measured(strategy, np.concatenate(batches), tuple(cases), known, seconds)


def _measured(strategy: str, slates: Integers, cases: tuple[Case, ...], known: Catalogue, seconds: float) -> Results:
    hits = metrics.hits_of(slates, cases)
    targets = np.array([len(case.targets) for case in cases], np.int64)
    ranks = metrics.first_ranks(hits)
    # In the order of MEASURES.
    columns = (
        metrics.hit(ranks),
        metrics.reciprocal_rank(ranks),
        metrics.ndcg(hits, targets),
        metrics.recall(hits, targets),
    )
    chosen = np.array([item for case in cases for item in case.targets], np.int64)
    return Results(
        strategy=strategy,
        k=slates.shape[1],
        cases=cases,
        ranks=ranks,
        measures=np.stack(columns, axis=1),
        shown=metrics.exposures(slates),
        chosen=metrics.exposures(chosen),
        known=known,
        answered=int((slates != EMPTY).any(axis=1).sum()),
        seconds=seconds,
    )


def _slates(strategy: str, ranked: Sequence[Sequence[int] | Integers], asked: int, k: int) -> Integers:
    """The lists as a matrix (asked × k), filled up with EMPTY."""
    if len(ranked) != asked:
        raise ValueError(f"{strategy} gave {len(ranked)} lists for {asked} cases.")
    slates = np.full((asked, k), EMPTY, np.int64)
    for row, items in zip(slates, ranked, strict=True):
        row[: len(items)] = items[:k]
    shown = sum(min(len(items), k) for items in ranked)
    if (slates >> ITEM_BITS == 0).sum() != shown:
        raise ValueError(f"{strategy} gave something that is no item number.")
    ordered = np.sort(slates, axis=1)
    if ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] != EMPTY)).any():
        raise ValueError(f"{strategy} gave an item twice in one list.")
    return slates
