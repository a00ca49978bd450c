"""What is shown while Redis is away: each placement's slate for nobody in particular, kept in memory.

It holds nothing of any visitor: it is what the placement shows to somebody unknown on a page without a product.
"""

import time
from collections import OrderedDict
from collections.abc import Sequence
from itertools import islice
from typing import Final, NamedTuple

from catalog.matching import facts_of
from recommendations.serving.gate import Admitted, Gate, Past
from recommendations.serving.prepared import Prepared
from recommendations.serving.reranking import Ranked
from recommendations.serving.slates import Slate, restrictions
from recommendations.types import Query

EVERY: Final = 30.0  # seconds after which a placement's is made anew
MOST: Final = 1_000  # placements, of all tenants
ITEMS: Final = 30


class Kept(NamedTuple):
    """Items of a placement, and when they were looked up."""

    at: float
    items: Sequence[Ranked]
    model_version: str | None


class Fallbacks:
    """This process's fallbacks, of the placements that were asked for last."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], Kept] = OrderedDict()

    def is_due(self, slug: str, placement: str) -> bool:
        """Whether it is time to look it up; who is told so has to, and `keep` it: others are told no meanwhile."""
        kept, now = self._kept.get((slug, placement)), time.monotonic()
        if kept is not None and now - kept.at < EVERY:
            return False
        self._put(slug, placement, Kept(now, kept.items if kept else (), kept.model_version if kept else None))
        return True

    def keep(self, slug: str, placement: str, slate: Slate) -> None:
        if slate.items:
            self._put(slug, placement, Kept(time.monotonic(), slate.items, slate.model_version))

    def slate(self, slug: str, query: Query, placement: Prepared, now: float) -> Slate | None:
        """What can be shown without asking anybody, of what may be shown; None if nothing is known."""
        kept = self._kept.get((slug, placement.config.key))
        if kept is None or not kept.items:
            return None
        shown, assignment = placement.assigned(slug, query.visitor_id)
        named = {*query.items, *query.session_items, *query.exclude}
        gate = Gate(named, (), Past(), None, list(restrictions(query, shown)), now)
        answer = Slate(
            shown.config.key, shown.config.cascade[0], kept.model_version, assignment=assignment, degraded=True
        )
        free = (each for each in kept.items if _is_free(gate, each.admitted))
        answer.items = list(islice(free, query.limit or shown.config.limit))
        answer.empty_reason = None if answer.items else "nothing_available"
        return answer

    def _put(self, slug: str, placement: str, kept: Kept) -> None:
        self._kept[slug, placement] = kept
        self._kept.move_to_end((slug, placement))
        if len(self._kept) > MOST:
            self._kept.popitem(last=False)


def _is_free(gate: Gate, admitted: Admitted) -> bool:
    card = admitted.card
    return gate.refusal(admitted.candidate, card, facts_of(card.product)) is None


def question(placement: str) -> Query:
    """What is asked for a placement's fallback."""
    return Query(placement, limit=ITEMS)
