"""Buy again: what the visitor bought, by how likely it is bought again just now."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from msgspec.structs import replace

from recommendations.packing import SCALE, Repurchase, unpack_repurchase
from recommendations.scripts import Command, Reply
from recommendations.strategies.base import Anchors, Asked, Strategy
from recommendations.types import Candidate, Query, table_key

REPURCHASES: Final = "repurchases"
HORIZON: Final = 7.0  # days in which it would be bought
EARLIEST: Final = 0.5  # of the usual interval; before that nobody is told to buy again
SECONDS_PER_DAY: Final = 86_400
LEAST_CHANCE: Final = 1e-6


@dataclass(frozen=True, slots=True)
class BuyAgain(Strategy):
    """Its score is the probability that the shopper buys within a week; the evidence is how many bought it again."""

    anchors: ClassVar[Anchors] = Anchors.HISTORY
    empty: ClassVar[str] = "nothing_due"

    def looks_back(self, query: Query) -> bool:
        return True

    def reads(self, asked: Asked) -> tuple[Command, ...]:
        bought = asked.history.purchases
        if asked.model is None or not bought:
            return ()
        return (("HMGET", table_key(asked.slug, asked.model.version, REPURCHASES), *(item for item, _ in bought)),)

    def propose(self, asked: Asked, replies: Sequence[Reply]) -> Iterator[Candidate]:
        found = [
            self._due(unpack_repurchase(record), (asked.now - at / 1e6) / SECONDS_PER_DAY)
            for (_, at), record in zip(asked.history.purchases, replies[0], strict=True)
            if record is not None
        ]
        due = [candidate for candidate in found if candidate is not None]
        return iter(sorted(due, key=lambda each: (-each.score, each.item)))

    def _due(self, known: Repurchase, days: float) -> Candidate | None:
        if days < EARLIEST * known.days:
            return None
        chance = chance_of(known, days)
        if chance < LEAST_CHANCE:
            return None
        candidate = self.candidate(known.item, chance * SCALE, known.shoppers)
        usual = f"after about {_days(round(known.days))}"
        return replace(
            candidate, sentence=f"Bought {_days(int(days))} ago; {{count}} shoppers bought it again, {usual}"
        )


def chance_of(known: Repurchase, days: float, horizon: float = HORIZON) -> float:
    """The probability of buying within the horizon what was bought so many days ago and not since.

    q · (F(t + h) − F(t)) / (1 − q · F(t)): q the probability of ever buying again, F the log-normal distribution of the
    intervals.
    """
    before, after = (_share_until(known, moment) for moment in (days, days + horizon))
    return known.probability * (after - before) / (1 - known.probability * before)


def _share_until(known: Repurchase, days: float) -> float:
    if days <= 0:
        return 0.0
    return (1 + math.erf(math.log(days / known.days) / (known.spread * math.sqrt(2)))) / 2


def _days(count: int) -> str:
    return f"{count} day" if count == 1 else f"{count} days"


BUY_AGAIN: Final = BuyAgain(
    "buy_again",
    "Buy again",
    "What the visitor bought and shoppers buy again, what is due first.",
    "bought_before",
    "Bought before; {count} shoppers bought it again",
    repeats=True,
)
