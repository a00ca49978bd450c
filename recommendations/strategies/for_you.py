"""For you: collaborative filtering on everything recent of the visitor and the user."""

from typing import Final

from recommendations.strategies.neighbours import HistoryLists

FOR_YOU: Final = HistoryLists(
    "for_you",
    "For you",
    "Collaborative filtering on the visitor's recent history.",
    "because_of_history",
    "{count} shoppers with {because_of} in their history chose this too",
    table="coview",
    decay=5.0,
    max_anchors=20,
)
