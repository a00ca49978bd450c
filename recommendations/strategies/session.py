"""This visit: what it is about, its newest interest first, and if wanted what it comes back to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from recommendations.algorithms.returning import with_returns
from recommendations.strategies.base import Anchors, Asked, Tables
from recommendations.strategies.neighbours import HistoryLists
from recommendations.types import ServingParameters


@dataclass(frozen=True, slots=True)
class Session(HistoryLists):
    """Starts from the items of the request and of the visit; the decay is the model's, chosen for the shop."""

    anchors: ClassVar[Anchors] = Anchors.SESSION

    def at_hand(self, asked: Asked) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*asked.query.items, *asked.query.session_items)))[: self.max_anchors]

    def weights(self, count: int, parameters: ServingParameters) -> list[float]:
        return parameters.recency_weights[:count]

    def rank_with_returns(self, tables: Tables, past: Sequence[int]) -> Iterator[int]:
        """The same with what the visit has seen already, where it would come back to it."""
        ranked = with_returns(self.scored(tables, past), past, tables.parameters.returns)
        return (item for item, _ in ranked)


SESSION: Final = Session(
    "session",
    "This visit",
    "What this visit is about, newest interest first.",
    "viewed_together",
    "{count} shoppers interested in {because_of} were also interested in this",
    table="coview",
)
