"""Planning (pure): which strategies are asked, and what has to be known before the first of them is."""

from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from typing import NamedTuple

from catalog.types import cards_key, groups_key, ids_key
from events.types import shown_key
from recomengine.lib.errors import DomainError
from recommendations import histories, scripts
from recommendations.histories import NOTHING, History, Reading
from recommendations.scripts import Command, Reply
from recommendations.serving.prepared import Prepared
from recommendations.strategies import STRATEGIES, Strategy
from recommendations.types import PlacementConfig, Query

Strategies = Mapping[str, Strategy]


class About(NamedTuple):
    """What is known before strategies are asked: of the visitor, and of the items that were named.

    `shown` is how often items were shown without a click, `groups` the groups of the items at hand and of the visit,
    `cards` the internal ids and cards of named items.
    """

    history: History = NOTHING
    shown: Sequence[bytes] = ()
    groups: Sequence[bytes | None] = ()
    cards: tuple[Sequence[bytes | None], Sequence[bytes | None]] = ((), ())


def cascade_of(query: Query, placement: PlacementConfig, strategies: Strategies = STRATEGIES) -> list[Strategy]:
    """The strategies to ask, in order: the requested one first, then the placement's if the query wants filling."""
    names = [*([query.strategy] if query.strategy else []), *placement.cascade]
    if query.strategy is not None and query.strategy not in strategies:
        raise DomainError(
            "unknown_strategy", f"There is no strategy {query.strategy!r}; there are {', '.join(strategies)}."
        )
    ordered = list(dict.fromkeys(names))
    return [strategies[name] for name in (ordered if query.fill else ordered[:1]) if name in strategies]


def known(  # noqa: PLR0917 - what one request is made of
    slug: str, query: Query, now: float, cascade: Collection[Strategy], placement: Prepared, named: Sequence[str]
) -> Generator[Sequence[Command], Sequence[Reply], About]:
    """What is known before strategies are asked, read in one trip, or in two for a browser that belongs to a user.

    Nothing is read where neither a visitor nor an item is named. `now` is in Unix seconds.
    """
    entries = "in_cart" in placement.hides or any(each.looks_back(query) for each in cascade)
    reading = Reading.of(slug, query, now, entries=entries)
    own, beside = reading.commands, dict(_beside(slug, query, placement, named))
    if not own and not beside:
        return About()
    replies = yield [*own, *beside.values()]
    of_visitor, others = replies[: len(own)], replies[len(own) :]
    people = reading.found(of_visitor)
    if owner := reading.owner(of_visitor):
        further = reading.of_owner(owner)
        people += further.found((yield further.commands))
    return About(histories.joined(people), **dict(zip(beside, others, strict=True)))


def _beside(slug: str, query: Query, placement: Prepared, named: Sequence[str]) -> Iterator[tuple[str, Command]]:
    if query.visitor_id and (placement.config.rotation or "seen" in placement.hides):
        yield "shown", ("ZRANGE", shown_key(slug, query.visitor_id), 0, -1, "WITHSCORES")
    at_hand = (*query.items, *query.session_items)
    if placement.config.one_per_group and at_hand:
        yield "groups", ("HMGET", groups_key(slug), *at_hand)
    if named:
        yield "cards", scripts.cards(ids_key(slug), cards_key(slug), named)


def named_items(query: Query, placement: Prepared) -> tuple[str, ...]:
    """The items whose cards are needed by name: the product at hand for rules that ask about it, and pinned ones."""
    product = (query.product,) if query.product is not None and placement.asks_of_the_product else ()
    asked = (query.why_not,) if query.why_not is not None else ()
    return tuple(dict.fromkeys((*product, *placement.pinned, *asked)))
