"""A slate, from the question to the answer: what is known of the visitor is read, then strategies are asked in turn.

Each says what it wants read, proposes, and its proposals' cards are read; the next is asked only if too few may be
shown. At last the order is made. `slate()` is written without I/O: it yields what it wants answered and is sent the
replies, so that the hot path (multiplexed, asynchronous) and the dashboard (blocking) run the same code. Where filters
leave the cascade short, the whole catalogue is asked.
"""

from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Any, Final, NamedTuple

from catalog.filters import Condition, Filter, Op, every
from catalog.matching import Facts, facts_of
from catalog.types import cards_key
from experiments.types import Assignment
from recommendations.packing import SCALE
from recommendations.rules import applying
from recommendations.rules.applying import Applied, Restriction
from recommendations.scripts import Command, Reply
from recommendations.serving import reranking
from recommendations.serving.gate import Admitted, Gate, Groups, Past, Refused, decode_card
from recommendations.serving.planning import About, Strategies, cascade_of, known, named_items
from recommendations.serving.prepared import Prepared
from recommendations.serving.reranking import Controls, Ranked
from recommendations.strategies import STRATEGIES, Anchors, Asked, Strategy
from recommendations.types import Candidate, LiveModel, Query

SPARE: Final = 12  # candidates read beyond the limit where the order may still change
FEW: Final = 4  # where it may not, for those that may not be shown
PINNED: Final = "rule"  # the source of what a rule put there
CATALOGUE: Final = "catalogue"  # the source of what was found by the filters alone
MATCHING: Final = 500  # items that the catalogue is asked for at once
MATCHINGS: Final = 10  # times that it is asked at most, where hundreds are excluded or variants of one thing


class Matching(NamedTuple):
    """Asked of the catalogue: the internal ids of available items that pass a filter, the most popular first."""

    wanted: Filter
    limit: int
    offset: int = 0


Reads = Generator[Sequence[Command] | Matching, Sequence[Reply], "Slate"]


@dataclass(slots=True)
class Slate:
    """What is shown, and everything that explains it.

    `considered` is the whole order, of which `items` are the first; `refused` and `applied` are noted for explanations.
    """

    placement: str
    strategy: str
    model_version: str | None
    items: list[Ranked] = field(default_factory=list)
    assignment: Assignment | None = None
    cold: bool = True
    empty_reason: str | None = None
    degraded: bool = False
    considered: Sequence[Ranked] = ()
    refused: dict[str, Refused] = field(default_factory=dict)
    applied: Applied = field(default_factory=Applied)
    not_asked: tuple[str, ...] = ()
    why_not: "WhyNot | None" = None

    @property
    def fallback_share(self) -> float:
        """The share of items that the first strategy did not supply."""
        if not self.items:
            return 0.0
        return sum(each.admitted.candidate.source != self.strategy for each in self.items) / len(self.items)


def slate(
    slug: str,
    query: Query,
    placement: Prepared,
    model: LiveModel | None,
    now: float,
    *,
    strategies: Strategies = STRATEGIES,
    taken: Collection[int] = frozenset(),
    seed: Any = "",
) -> Reads:
    """The items to show. Yields what is to be read, takes replies, returns the slate; `now` is in Unix seconds.

    Without a model the strategies that need none still answer. `strategies` are the built-in ones and the shop's own.
    `taken`: the internal ids of what other slates of the page and the pages before show. Chance is drawn from `seed`.
    """
    placement, assignment = placement.assigned(slug, query.visitor_id)
    cascade, named = cascade_of(query, placement.config, strategies), named_items(query, placement)
    answer = Slate(placement.config.key, cascade[0].name, model.version if model else None, assignment=assignment)
    about = yield from known(slug, query, now, cascade, placement, named)
    asked = Asked(slug, query, model, now, about.history)
    told = _Told(
        asked, cascade, placement, dict(zip(named, zip(*about.cards, strict=True), strict=False)), about, answer, taken
    )
    if query.explain:
        answer.not_asked = tuple(each.name for each in cascade if not each.reads(asked))
    yield from told.fill()
    answer.considered = told.ordered()
    answer.items = reranking.explored(answer.considered, told.limit, placement.config.exploration, seed)
    answer.cold = not any(each.admitted.candidate.anchored for each in answer.items)
    answer.empty_reason = None if answer.items else _why_empty(told)
    if query.why_not is not None:
        answer.why_not = why_not(told, query.why_not)
    return answer


def _why_empty(told: "_Told") -> str:
    first, query = told.cascade[0], told.asked.query
    if told.proposed:
        return "nothing_matches" if told.is_filtered else "nothing_available"
    if told.asked.model is None:
        return "no_model"
    return first.empty if told.is_asked or (query.is_known and first.looks_back(query)) else "no_context"


class WhyNot(NamedTuple):
    """Why an item is not in a slate: `place` is the one it has in the order, from 1, of a `source`."""

    item_id: str
    code: str
    by: str | None = None
    place: int | None = None
    source: str | None = None


def why_not(told: "_Told", item_id: str) -> WhyNot:
    """Where the item was lost on the way into the slate, or that it is there."""
    answer = told.answer
    for place, each in enumerate(answer.considered, 1):
        if each.admitted.card.item_id == item_id:
            code = "shown" if each in answer.items else "outranked"
            by = next((part.by or part.code for part in each.parts if part.factor < 1 and part.code != "place"), None)
            return WhyNot(item_id, code, by, place, each.admitted.candidate.source)
    if item_id in answer.refused:
        refused = answer.refused[item_id]
        return WhyNot(item_id, refused.refusal.code, refused.refusal.by, source=refused.source)
    number, packed = told.named.get(item_id, (None, None))
    if number is None or packed is None:
        return WhyNot(item_id, "unknown_item")
    return _not_reached(told, item_id, int(number), packed)


def _not_reached(told: "_Told", item_id: str, number: int, packed: bytes) -> WhyNot:
    """Of an item that was not looked at: it would be refused, it comes further down, or nothing proposes it."""
    card = decode_card(packed)
    remaining = enumerate(chain.from_iterable(told.passed_over), told.proposed + 1)
    found = next(((place, each) for place, each in remaining if each.item == number), None)
    candidate = found[1] if found else _of_the_catalogue(number)
    refusal = told.gate.refusal(candidate, card, facts_of(card.product))
    if refusal is not None:
        return WhyNot(item_id, refusal.code, refusal.by)
    if found is None:
        return WhyNot(item_id, "not_proposed")
    return WhyNot(item_id, "outranked", place=found[0], source=found[1].source)


class _Told:
    """One slate in the making, after everything that was to be read first is known."""

    def __init__(  # noqa: PLR0917 - what one request is made of
        self,
        asked: Asked,
        cascade: Sequence[Strategy],
        placement: Prepared,
        named: Mapping[str, tuple[bytes | None, bytes | None]],
        about: About,
        answer: Slate,
        taken: Collection[int],
    ) -> None:
        self.asked, self.cascade, self.placement, self.named, self.answer = asked, cascade, placement, named, answer
        self.limit = asked.query.limit or placement.config.limit
        self.at = datetime.fromtimestamp(asked.now, UTC)
        self.applied = applying.applied(placement.rules, self.product(), asked.now, self.at)
        self.shown = _counts(about.shown)
        self.restrictions = [*restrictions(asked.query, placement), *self.applied.restrictions]
        self.controls = self._controls()
        is_explained = asked.query.explain or asked.query.why_not is not None
        self.spare = SPARE if self.controls.reorders or is_explained else FEW
        answer.applied = self.applied
        noted = answer.refused if is_explained else None
        groups = _groups(asked.query, about) if placement.config.one_per_group else None
        excluded = {*asked.query.exclude, *asked.query.items}
        self.gate = Gate(excluded, taken, self._past(), groups, self.restrictions, asked.now, noted)
        self.pool: list[Admitted] = []
        self.pins: list[tuple[int, str, Admitted]] = []
        self.proposed, self.is_asked = 0, False
        self.proposing: set[int] = set()
        self.passed_over: list[Iterator[Candidate]] = []  # what was proposed and not looked at, for `why_not`

    @property
    def is_filtered(self) -> bool:
        return bool(self.restrictions)

    def product(self) -> Facts | None:
        """The product at hand, if the catalogue knows it and something asks."""
        _, packed = self.named.get(self.asked.query.product or "", (None, None))
        return None if packed is None else facts_of(decode_card(packed).product)

    def fill(self) -> Generator[Sequence[Command] | Matching, Sequence[Reply], None]:
        """Admit pinned items, then candidates until there are enough, at last what only the filters find."""
        self._admit_pins()
        for strategy in self.cascade:
            is_full = self._missing() <= 0
            if is_full and self.asked.query.why_not is None:
                return
            if commands := strategy.reads(self.asked):
                self.is_asked = True
                proposals = self._new(strategy.propose(self.asked, (yield commands)))
                if not is_full:
                    yield from self._take(proposals)
                self.passed_over.append(proposals)
        if self.is_filtered and any(each.anchors is Anchors.NONE for each in self.cascade):
            yield from self._search()

    def _new(self, proposals: Iterator[Candidate]) -> Iterator[Candidate]:
        """Without what was proposed before; but what repeats shows what the visitor knows, as others may not."""
        for each in proposals:
            if each.item not in self.proposing or each.repeats:
                self.proposing.add(each.item)
                yield each

    def _search(self) -> Generator[Sequence[Command] | Matching, Sequence[Reply], None]:
        wanted, asked = every(*(each.wanted for each in self.restrictions)), 0
        while self._missing() > 0 and asked < MATCHINGS:
            found = yield Matching(wanted, MATCHING, asked * MATCHING)
            yield from self._take(_of_catalogue(found))
            asked = asked + 1 if len(found) == MATCHING else MATCHINGS

    def ordered(self) -> list[Ranked]:
        return reranking.ranked(self.pool, self.pins, self.limit, self.controls, self.at)

    def _take(self, proposed: Iterator[Candidate]) -> Generator[Sequence[Command], Sequence[Reply], None]:
        while (missing := self._missing()) > 0 and (chunk := list(islice(proposed, missing + self.spare))):
            self.proposed += len(chunk)
            (cards,) = yield [("HMGET", cards_key(self.asked.slug), *(candidate.item for candidate in chunk))]
            admit, with_facts = self.gate.admit, self.controls.needs_facts
            for candidate, packed in zip(chunk, cards, strict=True):
                if (admitted := admit(candidate, packed, with_facts=with_facts)) is not None:
                    self.pool.append(admitted)

    def _missing(self) -> int:
        return self.limit - len(self.pool) - len(self.pins)

    def _admit_pins(self) -> None:
        for pin in self.applied.pins:
            if pin.position > self.limit:
                self.applied.passed_over.append((pin.by, "beyond_limit"))
                continue
            number, packed = self.named.get(pin.item_id, (None, None))
            if number is None:
                self.applied.passed_over.append((pin.by, "unknown_item"))
            elif admitted := self.gate.admit(_pinned(int(number)), packed, with_facts=self.controls.needs_facts):
                self.pins.append((pin.position, pin.by, admitted))
            else:
                self.applied.passed_over.append((pin.by, "item_may_not_be_shown"))

    def _controls(self) -> Controls:
        config, query = self.placement.config, self.asked.query
        return Controls(
            weights=self.applied.weights,
            diversity=config.diversity if query.diversity is None else query.diversity,
            shown=self.shown if config.rotation else {},
            margin=config.margin,
            newness=config.newness,
            exploration=config.exploration,
        )

    def _past(self) -> Past:
        history = self.asked.history
        bought = [item for item, _ in history.purchases]
        hidden: list[tuple[str, frozenset[str]]] = []
        for rule in self.applied.hidden:
            of: dict[str, Iterable[str]] = {
                "purchased": bought,
                "in_cart": history.cart,
                "seen": (item for item, times in self.shown.items() if times >= rule.times),
            }
            hidden.append((rule.by, frozenset(of[rule.what])))
        seen = {*self.asked.query.session_items, *bought}
        for strategy in self.cascade:
            seen.update(strategy.known(self.asked))
        return Past(seen, hidden)


def restrictions(query: Query, placement: Prepared) -> Iterator[Restriction]:
    """What the request and the placement themselves want every item to pass."""
    if query.filter is not None:
        yield Restriction.of("filter", query.filter)
    if query.currency is not None:
        yield Restriction.of("currency", Condition("currency", Op.EQ, query.currency))
    if placement.filter is not None:
        yield placement.filter


def _counts(flat: Sequence[bytes]) -> dict[str, int]:
    return {item.decode(): int(float(times)) for item, times in zip(flat[::2], flat[1::2], strict=True)}


def _groups(query: Query, about: About) -> Groups:
    return Groups(about.groups[: len(query.items)], about.groups[len(query.items) :])


def _pinned(number: int) -> Candidate:
    return Candidate(number, SCALE, PINNED, "pinned", None, 0, "Put here by the shop", repeats=True, anchored=False)


def _of_catalogue(numbers: Sequence[Any]) -> Iterator[Candidate]:
    return (_of_the_catalogue(int(number), place) for place, number in enumerate(numbers))


def _of_the_catalogue(number: int, place: int = 0) -> Candidate:
    return Candidate(
        number, SCALE / (1 + place), CATALOGUE, "matches_filter", None, 0, "Fits the filter", anchored=False
    )
