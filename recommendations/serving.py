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

from catalog.types import Card, cards_key, groups_key
from events.types import HISTORY_LENGTH, user_key, visitor_key
from recomengine.lib.errors import DomainError
from recommendations.algorithms.scoring import merge
from recommendations.packing import SCALE, unpack
from recommendations.strategies import STRATEGIES, Anchors, Strategy
from recommendations.types import Candidate, PlacementConfig, Query, Slate, table_key

Command = tuple[str | bytes | int, ...]
Reply = Any
Reads = Generator[Sequence[Command], Sequence[Reply], Slate]

SPARE: Final = 20  # candidates read beyond the limit, for those that may not be shown
_decode_card = msgspec.msgpack.Decoder(Card).decode

# KEYS: the table, then the histories to join. Answers the distinct entries, newest first, and their neighbour lists.
NEIGHBOURS_OF_HISTORY: Final = """
local entries, ids, seen = {}, {}, {}
for k = 2, #KEYS do
  for _, entry in ipairs(redis.call('LRANGE', KEYS[k], 0, ARGV[1] - 1)) do
    local id = string.sub(entry, 2)
    if not seen[id] and #ids < tonumber(ARGV[1]) then
      seen[id] = true
      entries[#entries + 1] = entry
      ids[#ids + 1] = id
    end
  end
end
if #ids == 0 then return {{}, {}} end
return {entries, redis.call('HMGET', KEYS[1], unpack(ids))}
"""


@dataclass(frozen=True, slots=True)
class Step:
    """One strategy of the cascade and the command that reads what it needs; `anchors` are known where it has any."""

    strategy: Strategy
    anchors: tuple[str, ...]
    command: Command

    @property
    def reads_history(self) -> bool:
        """Whether the anchors come with the reply: ([entry, …], [list, …])."""
        return self.command[0] == "EVAL"


def slate(slug: str, query: Query, placement: PlacementConfig, version: str | None, now: float) -> Reads:
    """The items to show. Yields commands, takes replies, returns the slate; `now` is in Unix seconds."""
    cascade = cascade_of(query, placement)
    answer = Slate(placement.key, cascade[0].name, version, empty_reason="no_candidates")
    limit = query.limit or placement.limit
    if version is None:
        answer.empty_reason = "no_model"
        return answer
    steps = plan(slug, query, cascade, version)
    if not steps:
        answer.empty_reason = "no_context"
        return answer
    at_hand = (*query.items, *query.session_items)
    reads_groups = placement.one_per_group and bool(at_hand)
    replies = yield [step.command for step in steps] + [("HMGET", groups_key(slug), *at_hand)] * reads_groups
    groups = Groups(replies[-1] if reads_groups else ()) if placement.one_per_group else None
    replies = replies[: len(steps)]
    hidden = {*query.exclude, *at_hand, *histories(steps, replies)}
    proposed = candidates(steps, replies)
    while len(answer.items) < limit and (chunk := list(islice(proposed, limit - len(answer.items) + SPARE))):
        (cards,) = yield [("HMGET", cards_key(slug), *(candidate.item for candidate in chunk))]
        answer.items += islice(showable(chunk, cards, hidden, groups, now), limit - len(answer.items))
        answer.empty_reason = "nothing_available"
    answer.cold = all(STRATEGIES[candidate.source].anchors is Anchors.NONE for candidate, _, _ in answer.items)
    if answer.items:
        answer.empty_reason = None
    return answer


def cascade_of(query: Query, placement: PlacementConfig) -> list[Strategy]:
    """The strategies to ask, in order: the requested one first, then the placement's if the query wants filling."""
    names = [*([query.strategy] if query.strategy else []), *placement.cascade]
    if query.strategy is not None and query.strategy not in STRATEGIES:
        raise DomainError(
            "unknown_strategy", f"There is no strategy {query.strategy!r}; there are {', '.join(STRATEGIES)}."
        )
    ordered = list(dict.fromkeys(names))
    return [STRATEGIES[name] for name in (ordered if query.fill else ordered[:1])]


def plan(slug: str, query: Query, cascade: Sequence[Strategy], version: str) -> list[Step]:
    """The reads that the cascade needs; a strategy without anything to start from is left out."""
    steps = []
    for strategy in cascade:
        anchors = anchors_of(strategy, query)
        table = table_key(slug, version, strategy.table_for(len(anchors)))
        if strategy.anchors is Anchors.NONE:
            steps.append(Step(strategy, (), ("HMGET", table, strategy.name)))
        elif anchors:
            steps.append(Step(strategy, anchors, ("HMGET", table, *anchors)))
        elif strategy.anchors is not Anchors.ITEMS and (keys := history_keys(slug, query)):
            count = min(strategy.max_anchors, HISTORY_LENGTH)
            steps.append(Step(strategy, (), ("EVAL", NEIGHBOURS_OF_HISTORY, 1 + len(keys), table, *keys, count)))
    return steps


def anchors_of(strategy: Strategy, query: Query) -> tuple[str, ...]:
    """The items that the query itself names for a strategy, newest first."""
    if strategy.anchors is Anchors.ITEMS:
        return tuple(dict.fromkeys(query.items))[: strategy.max_anchors]
    if strategy.anchors is Anchors.SESSION:
        return tuple(dict.fromkeys((*query.items, *query.session_items)))[: strategy.max_anchors]
    return ()


def history_keys(slug: str, query: Query) -> list[str]:
    keys = [visitor_key(slug, query.visitor_id)] if query.visitor_id else []
    return [*keys, user_key(slug, query.user_id)] if query.user_id else keys


def histories(steps: Sequence[Step], replies: Sequence[Reply]) -> Iterator[str]:
    """The items of the histories that were read: what the visitor knows is not recommended."""
    for step, reply in zip(steps, replies, strict=True):
        if step.reads_history:
            yield from (entry[1:].decode() for entry in reply[0])


def candidates(steps: Sequence[Step], replies: Sequence[Reply]) -> Iterator[Candidate]:
    """Every strategy's proposals, best first, each item once; a strategy is only scored when its turn comes."""
    taken: set[int] = set()
    for step, reply in zip(steps, replies, strict=True):
        anchors, lists = step.anchors, reply
        if step.reads_history:
            anchors, lists = tuple(entry[1:].decode() for entry in reply[0]), reply[1]
        for candidate in proposals(step.strategy, anchors, lists):
            if candidate.item not in taken:
                taken.add(candidate.item)
                yield candidate


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


def showable(
    chunk: Sequence[Candidate], cards: Sequence[bytes | None], hidden: set[str], groups: Groups | None, now: float
) -> Iterator[tuple[Candidate, str, bytes]]:
    """The candidates that may be shown, with item id and product JSON; of a group only the first."""
    for candidate, packed in zip(chunk, cards, strict=True):
        if packed is None:  # deleted since the model was built
            continue
        card = _decode_card(packed)
        if not card.is_showable(now) or card.item_id in hidden:
            continue
        if groups is None or groups.is_first(card.group_id):
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
