"""Frequently bought together, beside a product and in the cart."""

from typing import Final

from recommendations.strategies.neighbours import NeighbourLists

BOUGHT_TOGETHER: Final = NeighbourLists(
    "bought_together",
    "Bought together",
    "Items that share orders with this item or basket.",
    "bought_together",
    "{count} orders with {because_of} also hold this",
    table="baskets",
    basket_table="carts",
    max_anchors=20,
)
