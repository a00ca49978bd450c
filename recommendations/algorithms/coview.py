"""The gap-decayed item-item table behind `session`, `for_you` and `also_viewed`."""

from dataclasses import dataclass, field
from typing import Final

import ibis

from recommendations.algorithms.ranking import Keep, both_ways, not_kept, rank_neighbours
from recommendations.algorithms.sessions import SessionParams, numbered_sessions
from recommendations.algorithms.types import POSITIVE_TYPES

SECONDS_PER_DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class CoviewParams:
    """How co-views become scores; the defaults suit shops whose signal is browsing.

    `half_life_days`: age at which a session counts half. `window`: pairs further apart than this many positions are
    ignored. `gap_decay`: divide a pair's weight by its distance. `forward`, `backward`: weight of a neighbour seen
    after, before; at the same moment, their mean. `popularity_penalty`: exponent of n_j. `anchor_penalty`: exponent of
    n_i. `k`: neighbours kept (with 20 the hit rate falls by 2 %). `recency`: τ, in steps, with which serving weighs the
    history (`scoring`).
    """

    half_life_days: float = 30.0
    window: int = 10
    gap_decay: bool = True
    forward: float = 1.0
    backward: float = 0.6
    popularity_penalty: float = 0.15
    anchor_penalty: float = 0.5
    k: int = 50
    recency: float = 1.5
    sessions: SessionParams = field(default_factory=SessionParams)


BROWSING: Final = CoviewParams()

PURCHASING: Final = CoviewParams(window=20, gap_decay=False, backward=1.0, recency=5.0)
"""For logs that are mostly purchases: weeks lie between two orders, so which came first and how many lie between says
little; a flat window and a longer memory do better there."""

PURCHASE_LIKE: Final = 0.5


def purchase_share(interactions: ibis.Table) -> ibis.Scalar:
    """Share of purchases among the positive events, 0 to 1; 0 for an empty table."""
    positive = interactions.filter(interactions.type.isin(POSITIVE_TYPES))
    return (positive.type == "purchase").cast("float64").mean().fill_null(0.0)


def choose_params(share_of_purchases: float) -> CoviewParams:
    """Choose the setting by `purchase_share`: PURCHASING if more than half of the events are purchases, else BROWSING.

    A starting point only: where a shop has enough sessions, compare both on its last tenth and keep the better.
    """
    return PURCHASING if share_of_purchases > PURCHASE_LIKE else BROWSING


def coview(interactions: ibis.Table, params: CoviewParams = BROWSING) -> ibis.Table:
    """Build the co-view table (NEIGHBOURS) from interactions (INTERACTIONS); see `coview_of_sessions`."""
    return coview_of_sessions(numbered_sessions(interactions, params.sessions), params)


def coview_of_sessions(steps: ibis.Table, params: CoviewParams = BROWSING, keep: Keep = not_kept) -> ibis.Table:
    """Build the co-view table (NEIGHBOURS) from sessions (SESSION_EVENTS).

    W_ij = Σ_sessions 2^(-age/half-life) · Σ_{|gap|≤window} (forward or backward)/max(1, |gap|), i ≠ j, where gap is the
    difference of positions and, where it is 0, neither was first: the mean of forward and backward counts;
    score = n_i^-½ · ln(1 + N/n_i) · W_ij / n_j^0.15, with n the decayed number of steps on an item and N of sessions.
    The factor of i is folded in, so serving only computes score(j) = Σ_p e^(-p/τ) · score_ij; it does not change an
    item's own order. Age is counted from the newest session. `count`: distinct sessions with both within the window.
    `keep`: what is read more than once goes through it; without it a large log's pairs are computed or stored twice.
    """
    weighted = _with_weight(steps, params.half_life_days)
    factors = keep("factors", _factors(weighted, params))
    scored = both_ways(keep("pairs", _scored(_pairs(weighted, steps, params), factors)))
    return rank_neighbours(scored.rename(score="weight"), params.k, keep)


def _with_weight(steps: ibis.Table, half_life_days: float) -> ibis.Table:
    """The steps, each with the weight of its session."""
    age = steps.ended_at.max().as_scalar().epoch_seconds() - steps.ended_at.epoch_seconds()
    weight = ibis.literal(2.0) ** (-age / SECONDS_PER_DAY / half_life_days)
    return steps.select("session", "position", "item", "returns", weight=weight)


def _factors(weighted: ibis.Table, params: CoviewParams) -> ibis.Table:
    """What an item's size does to a score, as the anchor and as the neighbour: once an item, as pairs are many more."""
    sized = weighted.group_by("item").agg(size=weighted.weight.sum()).cross_join(_decayed_sessions(weighted))
    return sized.select(
        "item",
        of_anchor=sized.size**-params.anchor_penalty * (1 + sized.total / sized.size).ln(),
        of_neighbour=sized.size**-params.popularity_penalty,
    )


def _scored(pairs: ibis.Table, factors: ibis.Table) -> ibis.Table:
    """The pairs, with scores as weights, which are joined with the factors before there are twice as many of them."""
    low = factors.select(low="item", low_anchor="of_anchor", low_neighbour="of_neighbour")
    high = factors.select(high="item", high_anchor="of_anchor", high_neighbour="of_neighbour")
    joined = pairs.inner_join(low, "low").inner_join(high, "high")
    return joined.select(
        "low",
        "high",
        "count",
        up=(joined.low_anchor * joined.up * joined.high_neighbour).cast("float32"),
        down=(joined.high_anchor * joined.down * joined.low_neighbour).cast("float32"),
    )


def _decayed_sessions(weighted: ibis.Table) -> ibis.Table:
    per_session = weighted.group_by("session").agg(weight=weighted.weight.max())
    return per_session.agg(total=per_session.weight.sum())


def _pairs(weighted: ibis.Table, steps: ibis.Table, params: CoviewParams) -> ibis.Table:
    """Unordered pairs low < high: weight of `high` for `low` (`up`), of `low` for `high` (`down`), and sessions."""
    # Where no item comes back a session meets a pair once: orders, which have most pairs, need not be grouped twice.
    once = _met(weighted, steps, params, returning=False).drop("session")
    met = _met(weighted, steps, params, returning=True)
    again = met.group_by("session", "low", "high").agg(up=met.up.sum(), down=met.down.sum()).drop("session")
    per_session = ibis.union(once, again)
    return per_session.group_by("low", "high").agg(
        up=per_session.up.sum(), down=per_session.down.sum(), count=per_session.count().cast("int32")
    )


def _met(weighted: ibis.Table, steps: ibis.Table, params: CoviewParams, *, returning: bool) -> ibis.Table:
    """Every meeting of two items in the sessions to which an item returns, or in the others."""
    # Only one side's weight is used, so the other is read where it is stored instead of from a copy.
    a, b = weighted, steps.view()
    of_kind = (a.returns, b.returns) if returning else (~a.returns, ~b.returns)
    later = (b.position > a.position) | ((b.position == a.position) & (b.item > a.item))
    near = (a.session == b.session, *of_kind, later, b.position <= a.position + params.window, a.item != b.item)
    gap = b.position - a.position
    share = a.weight / ibis.greatest(gap, 1) if params.gap_decay else a.weight
    either = (params.forward + params.backward) / 2
    after = share * (gap > 0).ifelse(params.forward, either)
    before = share * (gap > 0).ifelse(params.backward, either)
    rising = a.item < b.item
    return a.inner_join(b, near).select(
        "session",
        low=ibis.least(a.item, b.item),
        high=ibis.greatest(a.item, b.item),
        up=rising.ifelse(after, before),
        down=rising.ifelse(before, after),
    )
