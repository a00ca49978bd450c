"""Also viewed: what shoppers of this item turn to in the same visit."""

from typing import Final

from recommendations.strategies.neighbours import NeighbourLists

ALSO_VIEWED: Final = NeighbourLists(
    "also_viewed",
    "Also viewed",
    "Items that shoppers of this item turn to in the same visit.",
    "viewed_together",
    "{count} shoppers interested in {because_of} were also interested in this",
    table="coview",
    decay=1.5,
)
