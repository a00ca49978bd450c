"""Recently viewed: the visitor's own history, newest first."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from catalog.types import ids_key
from recommendations import scripts
from recommendations.packing import SCALE
from recommendations.scripts import Command
from recommendations.strategies.base import Anchors, Asked, Reply, Strategy, Tables, newest_first
from recommendations.types import Candidate

KEPT: Final = 20


@dataclass(frozen=True, slots=True)
class RecentlyViewed(Strategy):
    """Shows what the visitor knows; looked at before what was only put in the cart or bought. Needs no model."""

    anchors: ClassVar[Anchors] = Anchors.HISTORY

    @property
    def needs_model(self) -> bool:
        return False

    def reads(self, asked: Asked) -> tuple[Command, ...]:
        query = asked.query
        if not query.is_known:
            return ()
        return (scripts.recent(asked.slug, ids_key(asked.slug), query.visitor_id or "", query.user_id or ""),)

    def propose(self, asked: Asked, replies: Sequence[Reply]) -> Iterator[Candidate]:
        entries, numbers = replies[0]
        looked_at = [number for entry, number in zip(entries, numbers, strict=True) if entry[:1] in b"vc"]
        newest = [number for number in dict.fromkeys((*looked_at, *numbers)) if number is not None]
        for place, number in enumerate(newest):
            yield self.candidate(int(number), SCALE * (len(newest) - place) / len(newest), 1)

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
