"""Strategies that merge the neighbour lists of a few anchors."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from recommendations.algorithms.scoring import Scored, best_first
from recommendations.scripts import Command, Reply
from recommendations.strategies.base import (
    CANDIDATES,
    Anchors,
    Asked,
    Setting,
    Strategy,
    Tables,
    newest_first,
)
from recommendations.types import MAX_ANCHORS, Candidate, Query, ServingParameters, table_key

LOOKS_BACK: Final = Setting(int, "how many items it looks back at", 1, MAX_ANCHORS)
RESEMBLES: Final = "similar_content"
RESEMBLES_SENTENCE: Final = "Resembles {because_of}"
DECAY: Final = Setting(float, "after how many items an older one counts 1/e as much", 0.1, 100)


@dataclass(frozen=True, slots=True)
class NeighbourLists(Strategy):
    """Reads `table` for each anchor and merges the lists, the p-th newest anchor with weight e^(-p/decay).

    `decay` is in anchors, infinite: all alike. `basket_table` is read instead of `table` where there are several,
    unless `basket` is false. Entries without evidence are there for their texts.
    """

    table: str
    decay: float = math.inf
    max_anchors: int = 10
    basket_table: str = ""
    basket: bool = True
    anchors: ClassVar[Anchors] = Anchors.ITEMS
    settings: ClassVar[Mapping[str, Setting]] = {"max_anchors": LOOKS_BACK, "decay": DECAY}

    @property
    def reasons(self) -> tuple[str, ...]:
        return (self.reason, RESEMBLES) if self.table == "coview" else (self.reason,)

    @property
    def shows_known(self) -> bool:
        """Whether what its lists name is shown to who knows it."""
        return self.repeats

    def reads(self, asked: Asked) -> tuple[Command, ...]:
        anchors = self.starts(asked)
        if asked.model is None or not anchors:
            return ()
        return (("HMGET", self._key(asked, len(anchors)), *anchors),)

    def propose(self, asked: Asked, replies: Sequence[Reply]) -> Iterator[Candidate]:
        return self._candidates(asked, self.starts(asked), replies[0])

    def scores(self, tables: Tables, past: Sequence[int]) -> Iterable[tuple[int, float]]:
        return ((scored.item, scored.score) for scored in self.scored(tables, past))

    def scored(self, tables: Tables, past: Sequence[int]) -> list[Scored]:
        """What it proposes after a past (item numbers, oldest first), from tables in memory."""
        anchors = newest_first(past, self.max_anchors)
        return list(self.merged(tables.lists(self._table(len(anchors)), anchors), tables.parameters))

    def starts(self, asked: Asked) -> Sequence[str]:
        """The items that it starts from, newest first."""
        return self.at_hand(asked.query)

    def at_hand(self, query: Query) -> tuple[str, ...]:
        """Those of the request."""
        return tuple(dict.fromkeys(query.items))[: self.max_anchors]

    def merged(self, lists: Sequence[bytes | None], parameters: ServingParameters) -> Iterator[Scored]:
        """The anchors' lists merged, best first."""
        return best_first(lists, self.weights(len(lists), parameters), CANDIDATES)

    def weights(self, count: int, parameters: ServingParameters) -> list[float]:
        """The weight of each anchor, newest first."""
        return [math.exp(-place / self.decay) for place in range(count)]

    def _table(self, anchors: int) -> str:
        return self.basket_table if self.basket and self.basket_table and anchors > 1 else self.table

    def _key(self, asked: Asked, anchors: int) -> str:
        assert asked.model is not None
        return table_key(asked.slug, asked.model.version, self._table(anchors))

    def _candidates(self, asked: Asked, anchors: Sequence[str], lists: Sequence[bytes | None]) -> Iterator[Candidate]:
        assert asked.model is not None
        name, repeats = self.name, self.shows_known
        seen, alike = (self.reason, self.sentence), (RESEMBLES, RESEMBLES_SENTENCE)
        # Some dozens in every request, so they are made here and not by one call each.
        for item, score, place, evidence in self.merged(lists, asked.model.parameters):
            reason, sentence = seen if evidence else alike
            yield Candidate(item, score, name, reason, anchors[place], evidence, sentence, repeats)


@dataclass(frozen=True, slots=True)
class HistoryLists(NeighbourLists):
    """The same from a visit, or from the visitor's history where the request names no items."""

    anchors: ClassVar[Anchors] = Anchors.HISTORY

    def looks_back(self, query: Query) -> bool:
        return not self.at_hand(query)

    def starts(self, asked: Asked) -> Sequence[str]:
        return self.at_hand(asked.query) or asked.history.items[: self.max_anchors]

    def known(self, asked: Asked) -> Sequence[str]:
        return self.starts(asked) if asked.model is not None and self.looks_back(asked.query) else ()

    def at_hand(self, query: Query) -> tuple[str, ...]:
        return ()
