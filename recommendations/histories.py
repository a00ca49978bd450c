"""What a visitor and its user did lately, as slates start from it: a few sorted sets, read in plain commands.

Scripts in Redis would save a trip and cost it four times the processor time (docs/adr/0028). A browser that belongs to
one user has that user's history as well, which takes a second trip (see `events.history`).
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from events.types import (
    HISTORY_KEPT,
    bought_by_user_key,
    bought_by_visitor_key,
    owner_key,
    user_key,
    visitor_key,
)
from recommendations.scripts import Command, Reply
from recommendations.types import Query

TAKEN_OUT: Final = "r"  # of the cart: it speaks for no item


class History(NamedTuple):
    """Newest first: `entries`, a letter of what was done (`events.history.LETTERS`) followed by an item's id each;
    `interest`, those that speak for their items; `items`, the ids of these, each once; and what was bought,
    `purchases`, with the times in Unix microseconds.
    """

    entries: Sequence[str] = ()
    interest: Sequence[str] = ()
    items: Sequence[str] = ()
    purchases: Sequence[tuple[str, int]] = ()

    @property
    def cart(self) -> Iterator[str]:
        """What lies in the cart, as far as the history reaches back."""
        met = set()
        for entry in self.entries:
            if entry[0] in "arp" and entry[1:] not in met:
                met.add(entry[1:])
                if entry[0] == "a":
                    yield entry[1:]


NOTHING: Final = History()


Found = tuple[Sequence[bytes], Sequence[bytes]]  # of one person: what was done and what was bought, with the times


class Reading(NamedTuple):
    """What is read of `people`, by their keys, and perhaps whose the `browser` is; `entries` only where wanted."""

    slug: str
    people: tuple[tuple[str, str], ...]
    browser: str | None
    entries: bool
    since: int

    @classmethod
    def of(cls, slug: str, query: Query, now: float, *, entries: bool) -> "Reading":
        """What is read for a query first; `now` is in Unix seconds."""
        visitor, user = query.visitor_id, query.user_id
        people = []
        if visitor:
            people.append((visitor_key(slug, visitor), bought_by_visitor_key(slug, visitor)))
        if user:
            people.append((user_key(slug, user), bought_by_user_key(slug, user)))
        since = int((now - HISTORY_KEPT.total_seconds()) * 1_000_000)
        return cls(slug, tuple(people), None if user else visitor, entries, since)

    def of_owner(self, user_id: str) -> "Reading":
        """What is read of the user whose the browser turned out to be."""
        keys = (user_key(self.slug, user_id), bought_by_user_key(self.slug, user_id))
        return self._replace(people=(keys,), browser=None)

    @property
    def commands(self) -> list[Command]:
        """None for a visitor who is not known by an id."""
        commands: list[Command] = []
        for history, bought in self.people:
            if self.entries:
                commands.append(("ZRANGE", history, 0, -1, "REV", "WITHSCORES"))
            commands.append(("ZRANGE", bought, "+inf", self.since, "BYSCORE", "REV", "WITHSCORES"))
        if self.browser:
            commands.append(("GET", owner_key(self.slug, self.browser)))
        return commands

    def found(self, replies: Sequence[Reply]) -> list[Found]:
        """What was read of each person, from the replies to `commands`."""
        if self.entries:
            return [(replies[2 * n], replies[2 * n + 1]) for n in range(len(self.people))]
        return [((), replies[n]) for n in range(len(self.people))]

    def owner(self, replies: Sequence[Reply]) -> str | None:
        """Whose the browser is, from the same replies; None for nobody's."""
        return replies[-1].decode() if self.browser and replies[-1] else None


def joined(people: Sequence[Found]) -> History:
    """The history of a visitor who is all these people."""
    done, bought = [done for done, _ in people], [bought for _, bought in people]
    if len(done) == 1:
        entries = [entry.decode() for entry in done[0][::2]]
    else:
        entries = [entry for entry, _ in _newest_first(done)]
    interest = [entry for entry in entries if entry[0] != TAKEN_OUT]
    items = list(dict.fromkeys([entry[1:] for entry in interest]))
    return History(entries, interest, items, _newest_first(bought))


def _newest_first(found: Sequence[Sequence[bytes]]) -> list[tuple[str, int]]:
    """Members with their scores, the greatest first; of one that several have, the greatest score."""
    pairs = [
        (member.decode(), int(float(score)))
        for flat in found
        for member, score in zip(flat[::2], flat[1::2], strict=True)
    ]
    if len(found) == 1:
        return pairs
    best: dict[str, int] = {}
    for member, score in pairs:
        best[member] = max(best.get(member, score), score)
    return sorted(best.items(), key=lambda pair: (pair[1], pair[0]), reverse=True)
