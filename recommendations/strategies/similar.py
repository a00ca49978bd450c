"""Similar in content, for items without a history by way of their neighbours that have one."""

from typing import Final

from recommendations.strategies.neighbours import NeighbourLists

SIMILAR: Final = NeighbourLists(
    "similar",
    "Similar",
    "Items alike in title, category, brand and attributes, and what goes with those.",
    "similar_content",
    "Resembles {because_of}",
    table="similar",
)
