"""Recently viewed: the visitor's own history, newest first."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from catalog.types import ids_key
from recommendations.packing import SCALE
from recommendations.scripts import Command, Reply
from recommendations.strategies.base import Anchors, Asked, Strategy, Tables, newest_first
from recommendations.types import Candidate, Query

KEPT: Final = 20


@dataclass(frozen=True, slots=True)
class RecentlyViewed(Strategy):
    """Shows what the visitor knows; looked at before what was only put in the cart or bought. Needs no model."""

    anchors: ClassVar[Anchors] = Anchors.HISTORY

    @property
    def needs_model(self) -> bool:
        return False

    def looks_back(self, query: Query) -> bool:
        return True

    def reads(self, asked: Asked) -> tuple[Command, ...]:
        items = self._items(asked)
        return (("HMGET", ids_key(asked.slug), *items),) if items else ()

    def propose(self, asked: Asked, replies: Sequence[Reply]) -> Iterator[Candidate]:
        newest = [number for number in replies[0] if number is not None]
        for place, number in enumerate(newest):
            yield self.candidate(int(number), SCALE * (len(newest) - place) / len(newest), 1)

    def _items(self, asked: Asked) -> tuple[str, ...]:
        interest = asked.history.interest
        looked_at = [entry[1:] for entry in interest if entry[0] in "vc"]
        return tuple(dict.fromkeys((*looked_at, *(entry[1:] for entry in interest))))

    def scores(self, tables: Tables, past: Sequence[int]) -> Iterable[tuple[int, float]]:
        newest = newest_first(past, KEPT)
        return ((item, SCALE * (len(newest) - place) / len(newest)) for place, item in enumerate(newest))


RECENTLY_VIEWED: Final = RecentlyViewed(
    "recently_viewed",
    "Recently viewed",
    "What the visitor looked at last, newest first.",
    "recently_viewed",
    "Looked at lately",
    repeats=True,
)
