"""Popular items; what is trending is added up as events come in (`events.trending`)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import ibis

from events.interest import EVENT_WEIGHTS
from recommendations.algorithms.hashing import hashed
from recommendations.algorithms.ranking import rank_items


@dataclass(frozen=True, slots=True)
class PopularParams:
    """`visitor_cap`: the most that one visitor can add to one item's score. `k`: items kept."""

    visitor_cap: float = 10.0
    k: int = 200


POPULAR: Final = PopularParams()


def popular(
    interactions: ibis.Table, params: PopularParams = POPULAR, weights: Mapping[str, float] = EVENT_WEIGHTS
) -> ibis.Table:
    """Rank items (RANKING) by interactions (INTERACTIONS) weighted by event type.

    score = Σ_visitors min(cap, Σ weight), so that no single visitor makes an item popular. `count`: distinct visitors.
    The caller limits the period by filtering the interactions.
    """
    return rank_items(visitors(interactions, params, weights), params.k)


def visitors(
    interactions: ibis.Table, params: PopularParams = POPULAR, weights: Mapping[str, float] = EVENT_WEIGHTS
) -> ibis.Table:
    """Score and distinct visitors (`count`) of every item, unordered."""
    weighted = _weighted(interactions, weights)
    per_visitor = weighted.group_by("item", "who").agg(score=weighted.weight.sum())
    capped = ibis.least(per_visitor.score, params.visitor_cap)
    return per_visitor.group_by("item").agg(score=capped.sum(), count=per_visitor.count())


def _weighted(interactions: ibis.Table, weights: Mapping[str, float]) -> ibis.Table:
    known = interactions.filter(interactions.type.isin(tuple(weights)), interactions.visitor.notnull())
    return known.select("item", who=hashed(known.visitor), weight=known.type.cases(*weights.items(), else_=0.0))
