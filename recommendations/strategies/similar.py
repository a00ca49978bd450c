"""Similar in content, for items without a history by way of their neighbours that have one."""

from typing import Final

from recommendations.strategies.neighbours import RESEMBLES, RESEMBLES_SENTENCE, NeighbourLists

SIMILAR: Final = NeighbourLists(
    "similar",
    "Similar",
    "Items alike in title, category, brand and attributes, and what goes with those.",
    RESEMBLES,
    RESEMBLES_SENTENCE,
    table="similar",
)
