"""Trending: what gains most interest these days, added up by Redis as events come in."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from catalog.types import ids_key
from events.interest import HALF_LIFE
from events.types import trend_key, trending_key
from recommendations import scripts
from recommendations.packing import SCALE
from recommendations.scripts import Command
from recommendations.strategies.base import Asked, Reply, Strategy
from recommendations.types import Candidate

LOOKED_AT: Final = 200  # items of the trend


@dataclass(frozen=True, slots=True)
class Trending(Strategy):
    """Needs no model; the evidence is the interest as it has faded until now."""

    def reads(self, asked: Asked) -> tuple[Command, ...]:
        slug = asked.slug
        return (scripts.trend(ids_key(slug), trend_key(slug), trending_key(slug), LOOKED_AT),)

    def propose(self, asked: Asked, replies: Sequence[Reply]) -> Iterator[Candidate]:
        found, numbers, landmark = replies[0]
        scores = [float(score) for score in found[1::2]]
        fresh = 2.0 ** ((float(landmark) - asked.now) / HALF_LIFE.total_seconds())
        for number, score in zip(numbers, scores, strict=True):
            if number is not None:
                yield self.candidate(int(number), score / scores[0] * SCALE, round(score * fresh))


TRENDING: Final = Trending(
    "trending",
    "Trending",
    "What gains most interest in the shop these days.",
    "trending",
    "Lately as much interest as {count} views of this moment",
)
