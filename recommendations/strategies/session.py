"""This visit: what it is about, its newest interest first, and if wanted what it comes back to."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from msgspec.structs import replace

from catalog.types import ids_key
from recommendations.algorithms.returning import with_returns
from recommendations.algorithms.scoring import Scored
from recommendations.packing import SCALE
from recommendations.scripts import Command, Reply
from recommendations.strategies.base import Anchors, Asked, Setting, Tables
from recommendations.strategies.neighbours import RESEMBLES, HistoryLists, NeighbourLists
from recommendations.types import Candidate, Query, ServingParameters

COMES_BACK: Final = "comes_back"
COMES_BACK_SENTENCE: Final = "Seen {count} times lately; visits often come back to it"
COMES_BACK_ONCE: Final = "Seen lately; visits often come back to it"


@dataclass(frozen=True, slots=True)
class Session(HistoryLists):
    """Starts from the items of the request and of the visit; the decay is the model's, chosen for the shop.

    With `repeats` it also shows what the visit has seen, where the shop's visits come back to it
    (`algorithms.returning`); scores are probabilities of the next step then.
    """

    anchors: ClassVar[Anchors] = Anchors.SESSION
    settings: ClassVar[Mapping[str, Setting]] = {
        **HistoryLists.settings,
        "repeats": Setting(bool, "whether it may show what the visit has seen"),
    }

    @property
    def reasons(self) -> tuple[str, ...]:
        return (self.reason, RESEMBLES, COMES_BACK)

    def reads(self, asked: Asked) -> tuple[Command, ...]:
        lists = HistoryLists.reads(self, asked)
        if not lists or not self.repeats:
            return lists
        return (*lists, ("HMGET", ids_key(asked.slug), *dict.fromkeys(self._visit(asked))))

    def propose(self, asked: Asked, replies: Sequence[Reply]) -> Iterator[Candidate]:
        named = HistoryLists.propose(self, asked, replies)
        return self._with_returns(asked, list(named), replies[1]) if self.repeats else named

    def at_hand(self, query: Query) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*query.items, *query.session_items)))[: self.max_anchors]

    def weights(self, count: int, parameters: ServingParameters) -> list[float]:
        if math.isfinite(self.decay):
            return NeighbourLists.weights(self, count, parameters)
        return parameters.recency_weights[:count]

    def scores(self, tables: Tables, past: Sequence[int]) -> Iterable[tuple[int, float]]:
        if self.repeats:
            served = tables.parameters
            return with_returns(self.scored(tables, past), past, served.returns, served.found, served.again)
        return NeighbourLists.scores(self, tables, past)

    @property
    def shows_known(self) -> bool:
        return False  # what it repeats comes from the visit, not from the lists

    def _visit(self, asked: Asked) -> Sequence[str]:
        """What was looked at, newest first, repeats included."""
        named = (*asked.query.items, *asked.query.session_items)
        return named or [entry[1:] for entry in asked.history.interest]

    def _with_returns(self, asked: Asked, named: Sequence[Candidate], reply: Reply) -> Iterator[Candidate]:
        assert asked.model is not None
        served = asked.model.parameters
        past = self._past(asked, reply)
        proposed, times = {each.item: each for each in named}, Counter(past)
        scored = [Scored(each.item, each.score, 0, 0) for each in named]
        for item, chance in with_returns(scored, past, served.returns, served.found, served.again):
            found = self._seen(item, times[item]) if item in times else proposed[item]
            yield replace(found, score=chance * SCALE)

    def _past(self, asked: Asked, reply: Reply) -> list[int]:
        """The numbers of what the visit has seen, oldest first, repeats included."""
        visit = self._visit(asked)
        numbers = dict(zip(dict.fromkeys(visit), reply, strict=True))
        newest = [numbers[item_id] for item_id in visit]
        return [int(number) for number in reversed(newest) if number is not None]

    def _seen(self, item: int, times: int) -> Candidate:
        sentence = COMES_BACK_SENTENCE if times > 1 else COMES_BACK_ONCE
        return Candidate(item, 0.0, self.name, COMES_BACK, None, times, sentence, repeats=True)


SESSION: Final = Session(
    "session",
    "This visit",
    "What this visit is about, newest interest first.",
    "viewed_together",
    "{count} shoppers interested in {because_of} were also interested in this",
    table="coview",
)
