"""Popular and trending items."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import ibis

from recommendations.algorithms.ranking import rank_items
from recommendations.algorithms.types import EVENT_WEIGHTS


@dataclass(frozen=True, slots=True)
class PopularParams:
    """`visitor_cap`: the most that one visitor can add to one item's score. `k`: items kept."""

    visitor_cap: float = 10.0
    k: int = 200


@dataclass(frozen=True, slots=True)
class TrendingParams:
    """`half_life`: age at which an event counts half. `k`: items kept."""

    half_life: timedelta = timedelta(days=3)
    k: int = 200


POPULAR: Final = PopularParams()
TRENDING: Final = TrendingParams()


def popular(
    interactions: ibis.Table, params: PopularParams = POPULAR, weights: Mapping[str, float] = EVENT_WEIGHTS
) -> ibis.Table:
    """Rank items (RANKING) by interactions (INTERACTIONS) weighted by event type.

    score = Σ_visitors min(cap, Σ weight), so that no single visitor makes an item popular. `count`: distinct visitors.
    The caller limits the period by filtering the interactions.
    """
    weighted = _weighted(interactions, weights)
    per_visitor = weighted.group_by("item", "visitor").agg(score=weighted.weight.sum())
    capped = ibis.least(per_visitor.score, params.visitor_cap)
    return rank_items(per_visitor.group_by("item").agg(score=capped.sum(), count=per_visitor.count()), params.k)


def trending(
    interactions: ibis.Table, params: TrendingParams = TRENDING, weights: Mapping[str, float] = EVENT_WEIGHTS
) -> ibis.Table:
    """Rank items (RANKING) by forward-decayed interactions (INTERACTIONS).

    score = Σ weight · 2^((t - L)/half-life) with the landmark L at the newest event, so scores lie in (0, Σ weight].
    Another landmark multiplies every score by the same factor (`forward_weight(1, L, ...)`): the order is exact at any
    moment. `count`: distinct visitors. Source: Cormode, Shkapenyuk, Srivastava, Xu, "Forward Decay", ICDE 2009.
    """
    weighted = _weighted(interactions, weights)
    age = weighted.occurred_at.max().as_scalar().epoch_seconds() - weighted.occurred_at.epoch_seconds()
    decay = ibis.literal(2.0) ** (-age / params.half_life.total_seconds())
    decayed = weighted.select("item", "visitor", weight=weighted.weight * decay)
    scores = decayed.group_by("item").agg(score=decayed.weight.sum(), count=decayed.visitor.nunique())
    return rank_items(scores, params.k)


def forward_weight(weight: float, at: datetime, landmark: datetime, half_life: timedelta) -> float:
    """What one event adds to its item's running score: weight · 2^((at - landmark)/half-life).

    Move the landmark before `at` is 1,000 half-lives past it: OverflowError beyond 1,023.
    """
    return float(weight * 2.0 ** ((at - landmark) / half_life))


def _weighted(interactions: ibis.Table, weights: Mapping[str, float]) -> ibis.Table:
    known = interactions.filter(interactions.type.isin(tuple(weights)), interactions.visitor.notnull())
    return known.select("item", "visitor", "occurred_at", weight=known.type.cases(*weights.items(), else_=0.0))
