"""Ids for events that came without one: the same content again within seconds is the same event.

A client that repeats a request, or a page that sends twice, sends the same bytes. The id is a UUID of version 8
(RFC 9562): the number of the window of time in which the event came, then a hash of its bytes. An event claims its
window's id and the next one's, so that a repetition is found for at least `WINDOW` and at most twice as long, whatever
the process and wherever the windows' border lies. Time comes first, so that new ids are neighbours in the index.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Final
from uuid import UUID

import msgspec

from events.types import EventRow

WINDOW: Final = 5  # seconds
_NEXT_WINDOW: Final = 1 << 80
_ALL: Final = (1 << 128) - 1  # an id that a client made may be the greatest there is
_VERSION: Final = 8


class Contents:
    """Gives ids to the events of one request; what it repeats itself is meant, and each has an id of its own."""

    def __init__(self, now: datetime) -> None:
        self._window = int(now.timestamp()) // WINDOW
        self._seen: Counter[bytes] = Counter()

    def id_of(self, raw: msgspec.Raw | bytes) -> UUID:
        """The id of an event by the bytes it came as."""
        content = bytes(raw)
        repetition = self._seen[content]
        self._seen[content] += 1
        digest = int.from_bytes(blake2b(content, digest_size=10, salt=repetition.to_bytes(2)).digest())
        high, low = digest >> 62 & 0xFFF, digest & 0x3FFF_FFFF_FFFF_FFFF
        return UUID(int=self._window << 80 | _VERSION << 76 | high << 64 | 0b10 << 62 | low)


def is_content_id(event_id: UUID) -> bool:
    """Whether an id was made from an event's content."""
    return event_id.version == _VERSION


def claims(event_id: UUID) -> tuple[UUID, ...]:
    """The ids under which an event is not to be stored again."""
    return (event_id, UUID(int=event_id.int + _NEXT_WINDOW & _ALL)) if is_content_id(event_id) else (event_id,)


def count(events: Sequence[Sequence[EventRow]]) -> int:
    """How many of the events have such an id."""
    return sum(is_content_id(event[0].event_id) for event in events)
