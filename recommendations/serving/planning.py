"""Planning (pure): which strategies are asked, and what has to be read for them."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from catalog.types import cards_key, groups_key, ids_key
from events.types import shown_key
from recomengine.lib.errors import DomainError
from recommendations import scripts
from recommendations.scripts import Command
from recommendations.serving.prepared import Prepared
from recommendations.strategies import STRATEGIES, Asked, Strategy
from recommendations.strategies.base import Reply
from recommendations.types import Candidate, PlacementConfig, Query

Strategies = Mapping[str, Strategy]


class Step(NamedTuple):
    """One strategy of the cascade and the reads it needs, which are none if it has nothing to start from."""

    strategy: Strategy
    reads: tuple[Command, ...]


class Answered(NamedTuple):
    """A step with the replies to its reads."""

    strategy: Strategy
    replies: Sequence[Reply]


class About(NamedTuple):
    """What is read beside the strategies' own: of the visitor, and of the items that were named.

    `bought` and `cart` are ids, `shown` is how often items were shown without a click, `groups` the groups of the items
    at hand and of the visit, `cards` the internal ids and cards of `named`.
    """

    bought: Sequence[bytes] = ()
    shown: Sequence[bytes] = ()
    cart: Sequence[bytes] = ()
    groups: Sequence[bytes | None] = ()
    cards: tuple[Sequence[bytes | None], Sequence[bytes | None]] = ((), ())


class Plan(NamedTuple):
    """The steps of the cascade, what else is read (`about`, under `names`), and the items that are `named`."""

    steps: tuple[Step, ...]
    names: tuple[str, ...]
    about: tuple[Command, ...]
    named: tuple[str, ...]

    @property
    def commands(self) -> list[Command]:
        return [*(command for step in self.steps for command in step.reads), *self.about]

    def divided(self, replies: Sequence[Reply]) -> tuple[list[Answered], About]:
        """The replies to `commands`, by what they are for."""
        remaining = iter(replies)
        answered = [Answered(step.strategy, list(islice(remaining, len(step.reads)))) for step in self.steps]
        return answered, About(**dict(zip(self.names, remaining, strict=True)))


def cascade_of(query: Query, placement: PlacementConfig, strategies: Strategies = STRATEGIES) -> list[Strategy]:
    """The strategies to ask, in order: the requested one first, then the placement's if the query wants filling."""
    names = [*([query.strategy] if query.strategy else []), *placement.cascade]
    if query.strategy is not None and query.strategy not in strategies:
        raise DomainError(
            "unknown_strategy", f"There is no strategy {query.strategy!r}; there are {', '.join(strategies)}."
        )
    ordered = list(dict.fromkeys(names))
    return [strategies[name] for name in (ordered if query.fill else ordered[:1]) if name in strategies]


def plan(asked: Asked, cascade: Sequence[Strategy], placement: Prepared) -> Plan:
    """What has to be read; a strategy without anything to start from is left out."""
    steps = tuple(step for each in cascade if (step := Step(each, each.reads(asked))).reads)
    about = dict(_about(asked, placement)) if steps else {}
    named = named_items(asked.query, placement)
    if steps and named:
        about["cards"] = scripts.cards(ids_key(asked.slug), cards_key(asked.slug), named)
    return Plan(steps, tuple(about), tuple(about.values()), named)


def _about(asked: Asked, placement: Prepared) -> Iterator[tuple[str, Command]]:
    query, slug = asked.query, asked.slug
    if query.is_known:
        yield "bought", scripts.bought(slug, ids_key(slug), query.visitor_id or "", query.user_id or "", asked.now)
    if query.visitor_id and (placement.config.rotation or "seen" in placement.hides):
        yield "shown", ("ZRANGE", shown_key(slug, query.visitor_id), 0, -1, "WITHSCORES")
    if query.is_known and "in_cart" in placement.hides:
        yield "cart", scripts.cart(slug, ids_key(slug), query.visitor_id or "", query.user_id or "")
    at_hand = (*query.items, *query.session_items)
    if placement.config.one_per_group and at_hand:
        yield "groups", ("HMGET", groups_key(slug), *at_hand)


def named_items(query: Query, placement: Prepared) -> tuple[str, ...]:
    """The items whose cards are needed by name: the product at hand for rules that ask about it, and pinned ones."""
    product = (query.product,) if query.product is not None and placement.asks_of_the_product else ()
    asked = (query.why_not,) if query.why_not is not None else ()
    return tuple(dict.fromkeys((*product, *placement.pinned, *asked)))


def histories(asked: Asked, answered: Sequence[Answered]) -> Iterator[str]:
    """The items of the histories that were read: what the visitor knows is not recommended."""
    for strategy, replies in answered:
        yield from strategy.known(asked, replies)


def candidates(asked: Asked, answered: Sequence[Answered]) -> Iterator[Candidate]:
    """Every strategy's proposals, best first, each item once; a strategy is only scored when its turn comes.

    What repeats what the visitor knows may have been proposed by an earlier one, which is not shown for that.
    """
    taken: set[int] = set()
    for strategy, replies in answered:
        for candidate in strategy.propose(asked, replies):
            if candidate.item not in taken or candidate.repeats:
                taken.add(candidate.item)
                yield candidate
