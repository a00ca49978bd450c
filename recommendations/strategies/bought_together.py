"""Frequently bought together, beside a product and in the cart."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from recommendations.strategies.base import Setting
from recommendations.strategies.neighbours import NeighbourLists


@dataclass(frozen=True, slots=True)
class BoughtTogether(NeighbourLists):
    """Knows whether it stands beside one product or a basket."""

    settings: ClassVar[Mapping[str, Setting]] = {
        **NeighbourLists.settings,
        "basket": Setting(bool, "whether several items at hand are a basket, in which what is popular counts less"),
    }


BOUGHT_TOGETHER: Final = BoughtTogether(
    "bought_together",
    "Bought together",
    "Items that share orders with this item or basket.",
    "bought_together",
    "{count} orders with {because_of} also hold this",
    table="baskets",
    basket_table="carts",
    max_anchors=20,
)
