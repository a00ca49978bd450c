"""The slates of a placement and of every strategy for one context, side by side, as a person reads them."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from msgspec.structs import replace

from catalog import finding
from catalog.finding import ItemSummary
from events import visitors
from recommendations import preview
from recommendations.packing import SCALE
from recommendations.serving import answers
from recommendations.serving.slates import CATALOGUE, PINNED, Slate
from recommendations.strategies import STRATEGIES, Anchors, Strategy
from recommendations.types import Candidate, PlacementConfig, Query
from tenants.types import TenantRef

CARDS: Final = 8
HISTORY: Final = 5
_DONE: Final = {
    "view": "viewed", "click": "clicked", "impression": "was shown", "add_to_cart": "put in the cart",
    "remove_from_cart": "took out of the cart", "purchase": "bought", "refund": "returned",
}  # fmt: skip
_OF_BOTH: Final = {
    "viewed_together": "{count} shopper{s} interested in both",
    "bought_together": "{count} order{s} with both",
    "similar_content": "Resembles it",
}
"""Shorter sentences for where the other item is the product previewed, and stands above."""
_OTHER_SOURCES: Final = {PINNED: "Pinned by a rule", CATALOGUE: "Found by the filter"}
"""What else than a strategy can supply an item."""


@dataclass(frozen=True, slots=True)
class Card:
    """A recommended item with its evidence.

    `source` is the title of the strategy; `score` is on the API's scale, `share` in percent of the best one of the same
    strategy in the slate.
    """

    item: ItemSummary
    score: float
    share: float
    source: str
    is_fallback: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A slate with a name; `empty` says in words why there is no card."""

    title: str
    description: str
    cards: list[Card]
    empty: str | None


@dataclass(frozen=True, slots=True)
class Context:
    """What is previewed: a product, a visitor, or a visitor who looks at a product.

    `history` is what the visitor did last, in a word, and to which item.
    """

    item: ItemSummary | None
    visitor_id: str | None
    history: list[tuple[str, ItemSummary]]

    @property
    def items(self) -> tuple[str, ...]:
        return (self.item.item_id,) if self.item else ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """The placement's own slate and, beside it, what each strategy would show alone."""

    placement: PlacementConfig
    cascade: list[str]
    served: Shown
    strategies: list[Shown]
    model_version: str | None
    api_query: str


def context(tenant: TenantRef, item_id: str | None, visitor_id: str | None, since: datetime) -> Context:
    """What is known of the product and of the visitor's time since an instant; `item` is None for an unknown id."""
    item = finding.find(tenant, item_id) if item_id else None
    past = visitors.history(tenant, visitor_id, since, HISTORY) if visitor_id else []
    known = {found.item_id: found for found in finding.find_all(tenant, [each.item_id for each in past])}
    done = [(_DONE.get(each.type, each.type), known[each.item_id]) for each in past if each.item_id in known]
    return Context(item, visitor_id, done)


def compare(tenant: TenantRef, asked: Context, placement: PlacementConfig) -> Comparison:
    """The placement's slate as the serving path answers it, and each strategy's that the context can feed, alone."""
    served = preview.slate(tenant, Query(placement.key, items=asked.items, visitor_id=asked.visitor_id))
    slates = _alone(tenant, asked, strategies_for(asked))
    titles, strategies = _titles_of_reasons(tenant, [served, *slates]), preview.strategies(tenant)
    shown = [_shown_alone(slate, asked, titles) for slate in slates]
    whole = _shown(placement.key, "", served, asked, titles, strategies=strategies)
    cascade = [strategies[name].title for name in placement.cascade if name in strategies]
    return Comparison(placement, cascade, whole, shown, served.model_version, api_query(asked, placement))


def side_by_side(tenant: TenantRef, asked: Context, slates: Mapping[str, Slate]) -> list[Shown]:
    """Slates of one placement under titles of their own."""
    titles, strategies = _titles_of_reasons(tenant, list(slates.values())), preview.strategies(tenant)
    return [_shown(name, "", slate, asked, titles, strategies=strategies) for name, slate in slates.items()]


def neighbours(tenant: TenantRef, item: ItemSummary) -> list[Shown]:
    """What each strategy that starts from a product would show beside this one, alone."""
    asked = Context(item, None, [])
    slates = _alone(tenant, asked, [each.name for each in STRATEGIES.values() if each.anchors == Anchors.ITEMS])
    titles = _titles_of_reasons(tenant, slates)
    return [_shown_alone(slate, asked, titles) for slate in slates]


def strategies_for(asked: Context) -> list[str]:
    """The strategies that have something to start from: a product, a visitor, or nothing needed."""
    usable = {Anchors.NONE}
    usable |= {Anchors.ITEMS} if asked.item else set()
    usable |= {Anchors.SESSION, Anchors.HISTORY} if asked.visitor_id else set()
    return [strategy.name for strategy in STRATEGIES.values() if strategy.anchors in usable]


def api_query(asked: Context, placement: PlacementConfig) -> str:
    """The query string that asks the API for the placement's slate."""
    pairs = [("placement", placement.key), *(("item_id", item_id) for item_id in asked.items)]
    return urlencode([*pairs, ("visitor_id", asked.visitor_id)] if asked.visitor_id else pairs)


def best_known(tenant: TenantRef, limit: int) -> list[ItemSummary]:
    """A few items to begin with: the popular ones, or the newest of the catalogue while there is no model."""
    popular = preview.slate(tenant, Query(strategy="popular", limit=limit, fill=False))
    return [finding.summary_of_product(each.admitted.card.product) for each in popular.items] or finding.newest(
        tenant, limit
    )


def _alone(tenant: TenantRef, asked: Context, strategies: Sequence[str]) -> list[Slate]:
    """What each of the strategies would show with no other to fill it up."""
    context = Query(items=asked.items, visitor_id=asked.visitor_id, limit=CARDS, fill=False)
    return [preview.slate(tenant, dataclasses.replace(context, strategy=name)) for name in strategies]


def _shown_alone(slate: Slate, asked: Context, titles: Mapping[str, str]) -> Shown:
    recipe = STRATEGIES[slate.strategy]
    return _shown(recipe.title, recipe.description, slate, asked, titles, strategies=STRATEGIES)


def _shown(
    title: str,
    description: str,
    slate: Slate,
    asked: Context,
    titles: Mapping[str, str],
    *,
    strategies: Mapping[str, Strategy],
) -> Shown:
    best = best_scores(each.admitted.candidate for each in slate.items)
    cards = [
        Card(
            finding.summary_of_product(each.admitted.card.product),
            candidate.score / SCALE,
            max(0.0, round(100 * candidate.score / best[candidate.source], 1)) if best[candidate.source] > 0 else 0.0,
            strategies[candidate.source].title if candidate.source in strategies else _OTHER_SOURCES[candidate.source],
            candidate.source != slate.strategy,
            reason(candidate, asked, titles),
        )
        for each in slate.items
        for candidate in [each.admitted.candidate]
    ]
    return Shown(title, description, cards, answers.EMPTY[slate.empty_reason] if slate.empty_reason else None)


def best_scores(candidates: Iterable[Candidate]) -> dict[str, float]:
    """The highest score of each source; scores of different strategies have no common scale."""
    best: dict[str, float] = {}
    for candidate in candidates:
        best[candidate.source] = max(candidate.score, best.get(candidate.source, 0.0))
    return best


def reason(candidate: Candidate, asked: Context, titles: Mapping[str, str]) -> str:
    """The evidence in words, with the other item's title in place of its id where it is known."""
    if candidate.because_of is None:
        return answers.sentence(candidate)
    if candidate.because_of in asked.items and candidate.reason in _OF_BOTH:
        return _OF_BOTH[candidate.reason].format(count=candidate.evidence, s="s" * (candidate.evidence != 1))
    return answers.sentence(replace(candidate, because_of=titles.get(candidate.because_of, candidate.because_of)))


def _titles_of_reasons(tenant: TenantRef, slates: Sequence[Slate]) -> dict[str, str]:
    shown = (each.admitted.candidate for slate in slates for each in slate.items)
    ids = {candidate.because_of for candidate in shown if candidate.because_of}
    return {item.item_id: f"“{item.title}”" for item in finding.find_all(tenant, sorted(ids))}
