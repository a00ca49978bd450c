"""A slate, from the question to the answer: plan (pure) → one read → candidates (pure) → one read → assemble (pure).

`slate()` is written without I/O: it yields the Redis commands it wants answered together and is sent the replies, so
that the hot path (multiplexed, asynchronous) and the dashboard (blocking) run the same code. A second read of items is
made only when too many of the first candidates may not be shown.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

import msgspec

from catalog.types import Card, cards_key, groups_key, ids_key
from recomengine.lib.errors import DomainError
from recommendations import scripts
from recommendations.packing import SCALE
from recommendations.scripts import Command
from recommendations.strategies import STRATEGIES, Asked, Strategy
from recommendations.strategies.base import Reply
from recommendations.types import Candidate, LiveModel, PlacementConfig, Query, Slate

Strategies = Mapping[str, Strategy]
Reads = Generator[Sequence[Command], Sequence[Reply], Slate]

SPARE: Final = 20  # candidates read beyond the limit, for those that may not be shown
_decode_card = msgspec.msgpack.Decoder(Card).decode


class Step(NamedTuple):
    """One strategy of the cascade and the reads it needs, which are none if it has nothing to start from."""

    strategy: Strategy
    reads: tuple[Command, ...]


class Answered(NamedTuple):
    """A step with the replies to its reads."""

    strategy: Strategy
    replies: Sequence[Reply]


def slate(
    slug: str,
    query: Query,
    placement: PlacementConfig,
    model: LiveModel | None,
    now: float,
    *,
    strategies: Strategies = STRATEGIES,
) -> Reads:
    """The items to show. Yields commands, takes replies, returns the slate; `now` is in Unix seconds.

    Without a model the strategies that need none still answer. `strategies` are the built-in ones and the shop's own.
    """
    asked = Asked(slug, query, model, now)
    cascade = cascade_of(query, placement, strategies)
    answer = Slate(placement.key, cascade[0].name, model.version if model else None, empty_reason=cascade[0].empty)
    limit = query.limit or placement.limit
    steps = plan(asked, cascade)
    if model is None:
        answer.empty_reason = "no_model"
    if not steps:
        answer.empty_reason = "no_context" if model else "no_model"
        return answer
    at_hand = (*query.items, *query.session_items)
    about = bought_command(slug, query, now) + groups_command(slug, placement, at_hand)
    replies = iter((yield [command for step in steps for command in step.reads] + about))
    answered = [Answered(step.strategy, list(islice(replies, len(step.reads)))) for step in steps]
    bought = next(replies) if query.is_known else ()
    groups = groups_of(query, next(replies) if at_hand else ()) if placement.one_per_group else None
    known = {*query.session_items, *histories(asked, answered), *(item.decode() for item in bought)}
    gate = Gate({*query.exclude, *query.items}, known, groups, now)
    proposed = candidates(asked, answered)
    while len(answer.items) < limit and (chunk := list(islice(proposed, limit - len(answer.items) + SPARE))):
        (cards,) = yield [("HMGET", cards_key(slug), *(candidate.item for candidate in chunk))]
        answer.items += islice(showable(chunk, cards, gate), limit - len(answer.items))
        answer.empty_reason = "nothing_available"
    answer.cold = not any(candidate.anchored for candidate, _, _ in answer.items)
    if answer.items:
        answer.empty_reason = None
    return answer


def bought_command(slug: str, query: Query, now: float) -> list[Command]:
    """The read of what the visitor or user bought lately; it is not recommended again."""
    if not query.is_known:
        return []
    return [scripts.bought(slug, ids_key(slug), query.visitor_id or "", query.user_id or "", now)]


def groups_command(slug: str, placement: PlacementConfig, at_hand: Sequence[str]) -> list[Command]:
    """The read of the variants' groups of the items at hand."""
    return [("HMGET", groups_key(slug), *at_hand)] if placement.one_per_group and at_hand else []


def cascade_of(query: Query, placement: PlacementConfig, strategies: Strategies = STRATEGIES) -> list[Strategy]:
    """The strategies to ask, in order: the requested one first, then the placement's if the query wants filling."""
    names = [*([query.strategy] if query.strategy else []), *placement.cascade]
    if query.strategy is not None and query.strategy not in strategies:
        raise DomainError(
            "unknown_strategy", f"There is no strategy {query.strategy!r}; there are {', '.join(strategies)}."
        )
    ordered = list(dict.fromkeys(names))
    return [strategies[name] for name in (ordered if query.fill else ordered[:1])]


def plan(asked: Asked, cascade: Sequence[Strategy]) -> list[Step]:
    """The reads that the cascade needs; a strategy without anything to start from is left out."""
    steps = [Step(strategy, strategy.reads(asked)) for strategy in cascade]
    return [step for step in steps if step.reads]


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


class Groups:
    """Which variants' groups a slate has met: those of the items at hand, then those of what it shows.

    What was `seen` in the visit counts as met, but for what repeats it.
    """

    def __init__(self, at_hand: Iterable[bytes | None], seen: Iterable[bytes | None]) -> None:
        self._met = {group.decode() for group in at_hand if group}
        self._seen = {group.decode() for group in seen if group}

    def is_first(self, group: str, repeats: bool) -> bool:
        """Whether no item of the group was met before; from now on one was."""
        if not group:
            return True
        met = group in self._met or (group in self._seen and not repeats)
        self._met.add(group)
        return not met


def groups_of(query: Query, found: Sequence[bytes | None]) -> Groups:
    """The groups among the replies to `groups_command`."""
    return Groups(found[: len(query.items)], found[len(query.items) :])


class Gate:
    """What may be shown in a slate: never what is `hidden` or unavailable, what is `known` only by who repeats it."""

    def __init__(self, hidden: set[str], known: set[str], groups: Groups | None, now: float) -> None:
        self._hidden, self._known, self._groups, self._now = hidden, known, groups, now

    def admits(self, candidate: Candidate, card: Card) -> bool:
        """Whether the candidate is shown, of a group only the first; it is hidden from then on."""
        if not card.is_showable(self._now) or card.item_id in self._hidden:
            return False
        if card.item_id in self._known and not candidate.repeats:
            return False
        if self._groups is not None and not self._groups.is_first(card.group_id, candidate.repeats):
            return False
        self._hidden.add(card.item_id)
        return True


def showable(
    chunk: Sequence[Candidate], cards: Sequence[bytes | None], gate: Gate
) -> Iterator[tuple[Candidate, str, bytes]]:
    """The candidates that may be shown, with item id and product JSON."""
    for candidate, packed in zip(chunk, cards, strict=True):
        if packed is None:  # deleted since the model was built
            continue
        card = _decode_card(packed)
        if gate.admits(candidate, card):
            yield candidate, card.item_id, card.product


def sentence(candidate: Candidate) -> str:
    """The evidence in words."""
    return candidate.sentence.format(count=candidate.evidence, because_of=candidate.because_of)


def body(answer: Slate, recommendation_id: str) -> dict[str, Any]:
    """The answer as the contract shows it; products are joined in as they stand in Redis."""
    shown: dict[str, Any] = {
        "recommendation_id": recommendation_id,
        "placement": answer.placement,
        "strategy": answer.strategy,
        "experiment": None,
        "model_version": answer.model_version,
        "fallback_share": round(answer.fallback_share, 4),
        "context": {"cold": answer.cold},
        "items": [
            {
                "item_id": item_id,
                "position": position,
                "score": round(candidate.score / SCALE, 5),
                "source": candidate.source,
                "reason": reason(candidate),
                "product": msgspec.Raw(product),
            }
            for position, (candidate, item_id, product) in enumerate(answer.items, 1)
        ],
    }
    if answer.empty_reason:
        shown["empty_reason"] = {"code": answer.empty_reason, "message": EMPTY[answer.empty_reason]}
    return shown


def reason(candidate: Candidate) -> dict[str, Any]:
    why: dict[str, Any] = {"code": candidate.reason, "count": candidate.evidence, "text": sentence(candidate)}
    if candidate.because_of is not None:
        why["because_of"] = candidate.because_of
    return why


EMPTY: Final[Mapping[str, str]] = {
    "no_model": "No model has been trained yet. Send events and a catalogue, then POST /api/v1/models/train.",
    "no_context": "The strategy needs an item_id, session_items, or a visitor with a history; the request names none.",
    "no_candidates": "The model knows nothing that goes with this context yet.",
    "nothing_due": "Nothing that this visitor bought is due: shoppers do not buy it again, or it was bought just now.",
    "nothing_available": "Everything the strategies proposed is excluded, out of stock, expired or deleted.",
}
