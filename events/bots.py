"""Events that no shopper caused. They are stored and listed with a flag; no training and no statistic counts them."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Final

from crawleruseragents import is_crawler as is_known_crawler

from events.types import EventIn, EventRow

CRAWLER: Final = "crawler"
TOO_FAST: Final = "too_fast"
ABSURD_VALUE: Final = "absurd_value"
FLAGS: Final = (CRAWLER, TOO_FAST, ABSURD_VALUE)

MAX_QUANTITY: Final = 10_000
MAX_LINE_VALUE: Final = Decimal(10) ** 9  # quantity times price, in any currency
MAX_PACE: Final = 100  # events of one visitor that occur in the same `PACE_SECONDS`
PACE_SECONDS: Final = 10
_REMEMBERED: Final = 100_000
is_crawler = lru_cache(4096)(is_known_crawler)


def flag(
    event: EventIn, visitor: str, occurred_at: datetime, user_agent: str,
    is_too_fast: Callable[[str, datetime], bool] | None,
) -> str | None:  # fmt: skip
    """Why an event is not a shopper's; None if it may be.

    `user_agent` is the one the request came with, which the event's own outranks; empty if it is not a browser's.
    """
    agent = event.user_agent or user_agent
    if agent and is_crawler(agent):
        return CRAWLER
    if is_too_fast is not None and is_too_fast(visitor, occurred_at):
        return TOO_FAST
    return ABSURD_VALUE if is_absurd(event) else None


class Pace:
    """Counts what visitors do, by when it occurred, in one process; forgets everybody when it knows too many."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, int], int] = {}

    def is_too_fast(self, shop: str, visitor: str, occurred_at: datetime) -> bool:
        """Count one event; whether its visitor did more in those seconds than a person can."""
        stretch = shop, visitor, int(occurred_at.timestamp()) // PACE_SECONDS
        count = self._counts[stretch] = self._counts.get(stretch, 0) + 1
        if len(self._counts) > _REMEMBERED:
            self.forget()
        return count > MAX_PACE

    def take_back(self, shop: str, events: Iterable[Sequence[EventRow]]) -> None:
        """Uncount events that were not stored: they are sent again, for minutes while the store is away."""
        for first, *_ in events:
            stretch = shop, first.visitor_id, int(first.occurred_at.timestamp()) // PACE_SECONDS
            if first.flag != CRAWLER and self._counts.get(stretch, 0) > 0:
                self._counts[stretch] -= 1

    def forget(self) -> None:
        """Begin to count anew."""
        self._counts.clear()


def is_absurd(event: EventIn) -> bool:
    """Whether quantities or values are none that a shopper orders."""
    for line in event.items:
        if line.quantity > MAX_QUANTITY:
            return True
        if line.price is not None and line.price * line.quantity > MAX_LINE_VALUE:
            return True
    return False
