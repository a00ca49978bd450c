"""Whether a candidate may be shown, and if not why (pure)."""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec

from catalog.matching import Facts, facts_of
from catalog.types import Card
from recommendations.rules.applying import Restriction
from recommendations.types import Candidate

MOST_NOTED: Final = 200  # refusals that an explanation lists
decode_card: Final = msgspec.msgpack.Decoder(Card).decode


class Refusal(NamedTuple):
    """Why an item is not shown: a code, and the rule or filter behind it if there is one."""

    code: str
    by: str | None = None


class Refused(NamedTuple):
    """A candidate that was not shown."""

    item_id: str
    source: str
    refusal: Refusal


class Admitted(msgspec.Struct, frozen=True, gc=False):
    """A candidate that may be shown; `facts` where something asked for them."""

    candidate: Candidate
    card: Card
    facts: Facts | None


class Groups:
    """Which variants' groups a slate has met: those of the items at hand, then those of what it shows.

    What was `seen` in the visit counts as met, but for what repeats it.
    """

    def __init__(self, at_hand: Iterable[bytes | None], seen: Iterable[bytes | None]) -> None:
        self._met = {group.decode() for group in at_hand if group}
        self._seen = {group.decode() for group in seen if group}

    def has_met(self, group: str, repeats: bool) -> bool:
        """Whether an item of the group was met before."""
        return bool(group) and (group in self._met or (group in self._seen and not repeats))

    def meet(self, group: str) -> None:
        self._met.add(group)


class Past(NamedTuple):
    """The items a visitor knows, which are shown only by who repeats them, and those that a rule hides whatever."""

    known: Collection[str] = frozenset()
    hidden: Sequence[tuple[str, Collection[str]]] = ()


class Gate:
    """What may be shown in a slate: each item once, and only what is available, wanted and not known already.

    `excluded` ids and `taken` internal ids are never shown. `noted` collects the refusals of items that stay refused,
    by item, if somebody asks for them.
    """

    def __init__(  # noqa: PLR0917 - what decides, one thing each
        self,
        excluded: Collection[str],
        taken: Collection[int],
        past: Past,
        groups: Groups | None,
        restrictions: Sequence[Restriction],
        now: float,
        noted: dict[str, Refused] | None = None,
    ) -> None:
        self._excluded, self._taken, self._past, self._groups = excluded, taken, past, groups
        self._restrictions, self._now, self._at = restrictions, now, datetime.fromtimestamp(now, UTC)
        self._noted = noted
        self._admitted: set[str] = set()
        # Whatever is in none of these, and in no group, needs no second look; most items are in none.
        self._special = {*excluded, *past.known}.union(*(items for _, items in past.hidden))

    def admit(self, candidate: Candidate, packed: bytes | None, *, with_facts: bool = False) -> Admitted | None:
        """The candidate with its card if it is shown; its item and its group are not shown again then."""
        if packed is None:  # deleted since the model was built
            return None
        card = decode_card(packed)
        item_id, group = card.item_id, card.group_id
        if item_id in self._admitted:
            return None
        refusal = facts = None
        if group or item_id in self._special or candidate.item in self._taken or not card.is_showable(self._now):
            refusal = self._plain_refusal(candidate, card)
        if refusal is None and (with_facts or self._restrictions):
            facts = facts_of(card.product)
            refusal = self._by_rules(facts)
        if refusal is not None:
            self._note(candidate, card, refusal)
            return None
        self._admitted.add(item_id)
        if self._noted is not None:
            self._noted.pop(item_id, None)
        if self._groups is not None and group:
            self._groups.meet(group)
        return Admitted(candidate, card, facts)

    def refusal(self, candidate: Candidate, card: Card, facts: Facts) -> Refusal | None:
        """Why the candidate is not shown; None if it is."""
        return self._plain_refusal(candidate, card) or self._by_rules(facts)

    def _plain_refusal(self, candidate: Candidate, card: Card) -> Refusal | None:
        item_id = card.item_id
        if not card.is_showable(self._now):
            return Refusal(_unavailable(card, self._now))
        if item_id in self._excluded:
            return Refusal("excluded")
        if candidate.item in self._taken:
            return Refusal("shown_elsewhere")
        if item_id in self._past.known and not candidate.repeats:
            return Refusal("known")
        for by, items in self._past.hidden:
            if item_id in items:
                return Refusal("hidden", by)
        if card.group_id and self._groups is not None and self._groups.has_met(card.group_id, candidate.repeats):
            return Refusal("same_group")
        return None

    def _by_rules(self, facts: Facts) -> Refusal | None:
        for restriction in self._restrictions:
            if not restriction.test(facts, self._at):
                return Refusal("filtered", restriction.by)
        return None

    def _note(self, candidate: Candidate, card: Card, refusal: Refusal) -> None:
        if self._noted is not None and len(self._noted) < MOST_NOTED:
            self._noted.setdefault(card.item_id, Refused(card.item_id, candidate.source, refusal))


def _unavailable(card: Card, now: float) -> str:
    if not card.available:
        return "out_of_stock"
    return "not_published_yet" if card.published_at > now else "expired"
