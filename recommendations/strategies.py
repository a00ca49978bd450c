"""The strategies a placement can name: which table each reads, from which anchors, and how it explains itself."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

LISTS: Final = "lists"  # the table whose fields are whole-shop lists, one per strategy
TREND: Final = "trend"  # no table of a model: what Redis adds up as events come in
RECENT: Final = "recent"  # nor this: the histories themselves


class Anchors(StrEnum):
    """What a strategy starts from."""

    ITEMS = "items"  # the product or basket at hand
    SESSION = "session"  # this visit, newest first
    HISTORY = "history"  # everything recent of the visitor and the user
    NONE = "none"  # the shop as a whole


@dataclass(frozen=True, slots=True)
class Strategy:
    """A recipe. `decay` is the τ of `e^(-p/τ)`, the weight of the p-th newest anchor (infinite: all alike).

    `reason` is the stable code of its evidence; `sentence` says it to a merchant, with `count` and `because_of`.
    `repeats`: it shows what the visitor knows, which the others leave out.
    """

    name: str
    title: str
    description: str
    table: str
    anchors: Anchors
    reason: str
    sentence: str
    decay: float = math.inf
    max_anchors: int = 10
    basket_table: str = ""  # read instead of `table` when there are several anchors
    repeats: bool = False

    @property
    def needs_model(self) -> bool:
        """Whether it reads a table of a model, which has to be trained first."""
        return self.table not in {TREND, RECENT}

    def table_for(self, anchors: int) -> str:
        return self.basket_table if self.basket_table and anchors > 1 else self.table

    def weight(self, position: int) -> float:
        return math.exp(-position / self.decay)


STRATEGIES: Final[Mapping[str, Strategy]] = {
    strategy.name: strategy
    for strategy in (
        Strategy(
            "also_viewed", "Also viewed", "Items that shoppers of this item turn to in the same visit.",
            "coview", Anchors.ITEMS, "viewed_together",
            "{count} shoppers interested in {because_of} were also interested in this", decay=1.5,
        ),
        Strategy(
            "bought_together", "Bought together", "Items that share orders with this item or basket.",
            "baskets", Anchors.ITEMS, "bought_together", "{count} orders with {because_of} also hold this",
            max_anchors=20, basket_table="carts",
        ),
        Strategy(
            "similar", "Similar", "Items alike in title, category, brand and attributes, and what goes with those.",
            "similar", Anchors.ITEMS, "similar_content", "Resembles {because_of}",
        ),
        Strategy(
            "session", "This visit", "What this visit is about, newest interest first.",
            "coview", Anchors.SESSION, "viewed_together",
            "{count} shoppers interested in {because_of} were also interested in this", decay=1.5,
        ),
        Strategy(
            "for_you", "For you", "Collaborative filtering on the visitor's recent history.",
            "coview", Anchors.HISTORY, "because_of_history",
            "{count} shoppers with {because_of} in their history chose this too", decay=5.0, max_anchors=20,
        ),
        Strategy(
            "trending", "Trending", "What gains most interest in the shop these days.",
            TREND, Anchors.NONE, "trending", "Lately as much interest as {count} views of this moment",
        ),
        Strategy(
            "popular", "Popular", "What most shoppers choose.",
            LISTS, Anchors.NONE, "popular", "{count} shoppers chose this in the last three months",
        ),
        Strategy(
            "recently_viewed", "Recently viewed", "What the visitor looked at last, newest first.",
            RECENT, Anchors.HISTORY, "recently_viewed", "Looked at lately", max_anchors=20, repeats=True,
        ),
    )
}  # fmt: skip
