"""New: what came into the catalogue last, from the moment it may be shown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from catalog.types import newest_key
from recommendations.packing import SCALE
from recommendations.scripts import Command, Reply
from recommendations.strategies.base import Asked, Strategy
from recommendations.types import Candidate

LOOKED_AT: Final = 200  # items of the newest
HALVED: Final = 30.0  # days after which the score is half
SECONDS_PER_DAY: Final = 86_400
TODAY: Final = "New in the shop today"
YESTERDAY: Final = "In the shop since yesterday"


@dataclass(frozen=True, slots=True)
class New(Strategy):
    """Needs neither model nor events; the evidence is the days in the shop."""

    @property
    def needs_model(self) -> bool:
        return False

    def reads(self, asked: Asked) -> tuple[Command, ...]:
        newest = ("ZRANGE", newest_key(asked.slug), int(asked.now), "-inf", "BYSCORE", "REV")
        return ((*newest, "LIMIT", 0, LOOKED_AT, "WITHSCORES"),)

    def propose(self, asked: Asked, replies: Sequence[Reply]) -> Iterator[Candidate]:
        found = zip(map(int, replies[0][::2]), map(float, replies[0][1::2]), strict=True)
        for number, since in sorted(found, key=lambda each: (-each[1], each[0])):
            age = max(0.0, asked.now - since) / SECONDS_PER_DAY
            candidate = self.candidate(number, SCALE / (1 + age / HALVED), int(age))
            yield replace(candidate, sentence=self._words(int(age)))

    def _words(self, days: int) -> str:
        return TODAY if days == 0 else YESTERDAY if days == 1 else self.sentence


NEW: Final = New(
    "new",
    "New",
    "What came into the catalogue last, newest first.",
    "new",
    "In the shop for {count} days",
)
