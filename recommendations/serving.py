"""A slate, from the question to the answer: plan (pure) → one read → candidates (pure) → one read → assemble (pure).

`slate()` is written without I/O: it yields the Redis commands it wants answered together and is sent the replies, so
that the hot path (multiplexed, asynchronous) and the dashboard (blocking) run the same code. A second read of items is
made only when too many of the first candidates may not be shown.
"""

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import msgspec

from catalog.types import Card, cards_key, groups_key, ids_key
from events.interest import HALF_LIFE
from events.types import trend_key, trending_key
from recomengine.lib.errors import DomainError
from recommendations import scripts
from recommendations.algorithms.scoring import merge
from recommendations.packing import SCALE, unpack
from recommendations.scripts import Command
from recommendations.strategies import RECENT, STRATEGIES, TREND, Anchors, Strategy
from recommendations.types import Candidate, PlacementConfig, Query, Slate, table_key

Reply = Any
Reads = Generator[Sequence[Command], Sequence[Reply], Slate]

SPARE: Final = 20  # candidates read beyond the limit, for those that may not be shown
TRENDING: Final = 200  # items of the trend that are looked at
_decode_card = msgspec.msgpack.Decoder(Card).decode


@dataclass(frozen=True, slots=True)
class Step:
    """One strategy of the cascade and the command that reads what it needs; `anchors` are known where it has any."""

    strategy: Strategy
    anchors: tuple[str, ...]
    command: Command

    @property
    def reads_history(self) -> bool:
        """Whether the anchors come with the reply: ([entry, …], [list, …])."""
        return self.strategy.needs_model and self.command[0] == "EVAL"


def slate(slug: str, query: Query, placement: PlacementConfig, version: str | None, now: float) -> Reads:
    """The items to show. Yields commands, takes replies, returns the slate; `now` is in Unix seconds.

    Without a model (`version` None) the strategies that need none still answer.
    """
    cascade = cascade_of(query, placement)
    answer = Slate(placement.key, cascade[0].name, version, empty_reason="no_candidates" if version else "no_model")
    limit = query.limit or placement.limit
    steps = plan(slug, query, cascade, version)
    if not steps:
        answer.empty_reason = "no_context" if version else "no_model"
        return answer
    at_hand = (*query.items, *query.session_items)
    about = bought_command(slug, query, now) + groups_command(slug, placement, at_hand)
    replies = yield [step.command for step in steps] + about
    of_steps, bought = replies[: len(steps)], replies[len(steps)] if is_known(query) else ()
    groups = Groups(replies[-1] if placement.one_per_group and at_hand else ()) if placement.one_per_group else None
    known = {*histories(steps, of_steps), *(item.decode() for item in bought)}
    gate = Gate({*query.exclude, *at_hand}, known, groups, now)
    proposed = candidates(steps, of_steps, now)
    while len(answer.items) < limit and (chunk := list(islice(proposed, limit - len(answer.items) + SPARE))):
        (cards,) = yield [("HMGET", cards_key(slug), *(candidate.item for candidate in chunk))]
        answer.items += islice(showable(chunk, cards, gate), limit - len(answer.items))
        answer.empty_reason = "nothing_available"
    answer.cold = all(STRATEGIES[candidate.source].anchors is Anchors.NONE for candidate, _, _ in answer.items)
    if answer.items:
        answer.empty_reason = None
    return answer


def is_known(query: Query) -> bool:
    """Whether the query names a visitor or a user."""
    return bool(query.visitor_id or query.user_id)


def bought_command(slug: str, query: Query, now: float) -> list[Command]:
    """The read of what the visitor or user bought lately; it is not recommended again."""
    if not is_known(query):
        return []
    return [scripts.bought(slug, ids_key(slug), query.visitor_id or "", query.user_id or "", now)]


def groups_command(slug: str, placement: PlacementConfig, at_hand: Sequence[str]) -> list[Command]:
    """The read of the variants' groups of the items at hand."""
    return [("HMGET", groups_key(slug), *at_hand)] if placement.one_per_group and at_hand else []


def cascade_of(query: Query, placement: PlacementConfig) -> list[Strategy]:
    """The strategies to ask, in order: the requested one first, then the placement's if the query wants filling."""
    names = [*([query.strategy] if query.strategy else []), *placement.cascade]
    if query.strategy is not None and query.strategy not in STRATEGIES:
        raise DomainError(
            "unknown_strategy", f"There is no strategy {query.strategy!r}; there are {', '.join(STRATEGIES)}."
        )
    ordered = list(dict.fromkeys(names))
    return [STRATEGIES[name] for name in (ordered if query.fill else ordered[:1])]


def plan(slug: str, query: Query, cascade: Sequence[Strategy], version: str | None) -> list[Step]:
    """The reads that the cascade needs; a strategy without anything to start from is left out."""
    steps = []
    for strategy in cascade:
        anchors = anchors_of(strategy, query)
        command = command_of(slug, query, strategy, anchors, version)
        if command is not None:
            steps.append(Step(strategy, anchors, command))
    return steps


def command_of(
    slug: str, query: Query, strategy: Strategy, anchors: Sequence[str], version: str | None
) -> Command | None:
    """What reads the strategy's proposals; None without anything to start from, or without a model it needs."""
    visitor, user = query.visitor_id or "", query.user_id or ""
    if strategy.table == TREND:
        return scripts.trend(ids_key(slug), trend_key(slug), trending_key(slug), TRENDING)
    if strategy.table == RECENT:
        return scripts.recent(slug, ids_key(slug), visitor, user) if is_known(query) else None
    if version is None:
        return None
    table = table_key(slug, version, strategy.table_for(len(anchors)))
    if strategy.anchors is Anchors.NONE:
        return ("HMGET", table, strategy.name)
    if anchors:
        return ("HMGET", table, *anchors)
    if strategy.anchors is not Anchors.ITEMS and is_known(query):
        return scripts.neighbours_of_history(slug, table, visitor, user, strategy.max_anchors)
    return None


def anchors_of(strategy: Strategy, query: Query) -> tuple[str, ...]:
    """The items that the query itself names for a strategy, newest first."""
    if strategy.anchors is Anchors.ITEMS:
        return tuple(dict.fromkeys(query.items))[: strategy.max_anchors]
    if strategy.anchors is Anchors.SESSION:
        return tuple(dict.fromkeys((*query.items, *query.session_items)))[: strategy.max_anchors]
    return ()


def histories(steps: Sequence[Step], replies: Sequence[Reply]) -> Iterator[str]:
    """The items of the histories that were read: what the visitor knows is not recommended."""
    for step, reply in zip(steps, replies, strict=True):
        if step.reads_history:
            yield from (entry[1:].decode() for entry in reply[0])


def candidates(steps: Sequence[Step], replies: Sequence[Reply], now: float) -> Iterator[Candidate]:
    """Every strategy's proposals, best first, each item once; a strategy is only scored when its turn comes.

    A strategy that repeats what the visitor knows may propose what an earlier one did, which is not shown for that.
    """
    taken: set[int] = set()
    for step, reply in zip(steps, replies, strict=True):
        for candidate in proposals_of(step, reply, now):
            if candidate.item not in taken or step.strategy.repeats:
                taken.add(candidate.item)
                yield candidate


def proposals_of(step: Step, reply: Reply, now: float) -> Iterator[Candidate]:
    """One strategy's candidates from the reply to its command."""
    if step.strategy.table == TREND:
        return trending(step.strategy, reply, now)
    if step.strategy.table == RECENT:
        return recent(step.strategy, reply)
    if step.reads_history:
        return proposals(step.strategy, tuple(entry[1:].decode() for entry in reply[0]), reply[1])
    return proposals(step.strategy, step.anchors, reply)


def trending(strategy: Strategy, reply: Reply, now: float) -> Iterator[Candidate]:
    """The trend's items that are in the catalogue; the evidence is their interest as it has faded until now."""
    found, numbers, landmark = reply
    scores = [float(score) for score in found[1::2]]
    fresh = 2.0 ** ((float(landmark) - now) / HALF_LIFE.total_seconds())
    for number, score in zip(numbers, scores, strict=True):
        if number is not None:
            yield Candidate(
                int(number), score / scores[0] * SCALE, strategy.name, strategy.reason, None, round(score * fresh)
            )


def recent(strategy: Strategy, reply: Reply) -> Iterator[Candidate]:
    """The items of a history, newest first, those that were looked at before those that were only bought or carted."""
    entries, numbers = reply
    looked_at = [number for entry, number in zip(entries, numbers, strict=True) if entry[:1] in b"vc"]
    newest = [number for number in dict.fromkeys((*looked_at, *numbers)) if number is not None]
    for place, number in enumerate(newest):
        score = SCALE * (len(newest) - place) / len(newest)
        yield Candidate(int(number), score, strategy.name, strategy.reason, None, 1)


def proposals(strategy: Strategy, anchors: Sequence[str], lists: Sequence[bytes | None]) -> Iterator[Candidate]:
    """One strategy's candidates from the packed lists of its anchors."""
    if strategy.anchors is Anchors.NONE:
        for item, score, evidence in unpack(lists[0]):
            yield Candidate(item, score, strategy.name, strategy.reason, None, evidence)
        return
    weights = [strategy.weight(position) for position in range(len(lists))]
    for scored in merge(lists, weights):
        because_of = anchors[scored.because_of]
        yield Candidate(scored.item, scored.score, strategy.name, strategy.reason, because_of, scored.evidence)


class Groups:
    """Which variants' groups a slate has met: those of the items at hand, then those of what it shows."""

    def __init__(self, at_hand: Iterable[bytes | None]) -> None:
        self._met = {group.decode() for group in at_hand if group}

    def is_first(self, group: str) -> bool:
        """Whether no item of the group was met before; from now on one was."""
        if not group:
            return True
        met = group in self._met
        self._met.add(group)
        return not met


class Gate:
    """What may be shown in a slate: never what is `hidden` or unavailable, what is `known` only by who repeats it."""

    def __init__(self, hidden: set[str], known: set[str], groups: Groups | None, now: float) -> None:
        self._hidden, self._known, self._groups, self._now = hidden, known, groups, now

    def admits(self, candidate: Candidate, card: Card) -> bool:
        """Whether the candidate is shown, of a group only the first; it is hidden from then on."""
        if not card.is_showable(self._now) or card.item_id in self._hidden:
            return False
        if card.item_id in self._known and not STRATEGIES[candidate.source].repeats:
            return False
        if self._groups is not None and not self._groups.is_first(card.group_id):
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
    return STRATEGIES[candidate.source].sentence.format(count=candidate.evidence, because_of=candidate.because_of)


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
    "nothing_available": "Everything the strategies proposed is excluded, out of stock, expired or deleted.",
}
