"""What rules do to each other that nobody wants, found before shoppers see it (pure).

Nothing is refused for it: rules come and go by their schedules, and products by theirs.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import combinations
from typing import Any, Final, NamedTuple

from catalog.filters import Filter, Not, every, parse
from catalog.matching import Facts, matcher
from recommendations.rules.proofs import disjoint, implies
from recommendations.rules.types import Boost, Bury, Exclude, Hide, Include, Pin, PriceBand, RuleConfig
from recommendations.types import PlacementConfig

MOST_ASKED: Final = 20  # filters that the catalogue is asked for
CODES: Final[Mapping[str, str]] = {
    "same_position": "Two rules pin to one position.",
    "same_item": "Two rules pin one item.",
    "pin_filtered": "A pinned item is filtered out.",
    "pin_hidden": "A pinned item is hidden from some visitors.",
    "beyond_limit": "A pin is beyond what a placement shows.",
    "unknown_item": "A pinned item is not in the catalogue.",
    "unavailable_item": "A pinned item may not be shown now.",
    "void": "None of the products that a rule boosts or buries is shown.",
    "nothing_passes": "Rules or filters let no product through.",
    "bands_do_not_meet": "No price lies in both of two price bands.",
}


class Conflict(NamedTuple):
    """What is wrong with a rule, and the other rule that has a part in it if there is one."""

    code: str
    rule: str | None
    message: str


class Question(NamedTuple):
    """Asked of the catalogue: does anything pass what these rules and the placement's filter want together?"""

    placement: str
    rules: tuple[str, ...]
    wanted: Filter


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What is known of it: pinned items that exist, with whether they may be shown, and filters that nothing passes."""

    items: Mapping[str, tuple[Facts, bool]] = field(default_factory=dict)
    empty: Collection[Filter] = ()


@dataclass(frozen=True, slots=True)
class _Rule:
    config: RuleConfig
    wanted: Filter | None
    when: Filter | None

    @classmethod
    def of(cls, config: RuleConfig) -> "_Rule":
        wanted: dict[str, Any] | None = getattr(config.action, "filter", None)
        return cls(
            config,
            None if wanted is None else parse(wanted),
            None if config.when is None else parse(config.when),
        )

    @property
    def title(self) -> str:
        return f"“{self.config.name}”"

    @property
    def restricts(self) -> Filter | None:
        """What every item has to pass by this rule; None if it is of another kind."""
        if self.wanted is None or not isinstance(self.config.action, Include | Exclude):
            return None
        return self.wanted if isinstance(self.config.action, Include) else Not(self.wanted)

    def holds_in(self, placement: str) -> bool:
        return self.config.placement in (None, placement)

    def is_on(self, moment: float) -> bool:
        return self.config.starts_at <= moment and (not self.config.ends_at or moment < self.config.ends_at)


Found = Iterator[tuple[str, Conflict]]


def find(
    rules: Iterable[RuleConfig], placements: Sequence[PlacementConfig], catalogue: Catalogue, now: float
) -> dict[str, list[Conflict]]:
    """The conflicts of each rule that has any, by key, if it is on now or will be; `now` is in Unix seconds."""
    live = _live(rules, now)
    found: dict[str, list[Conflict]] = {}
    for key, conflict in _all(live, placements, catalogue, now):
        known = found.setdefault(key, [])
        if conflict not in known:
            known.append(conflict)
    for key, conflict in _by_the_catalogue(live, placements, catalogue, now):
        if all(each.code != conflict.code for each in found.get(key, ())):  # nobody has to ask for what is proven
            found.setdefault(key, []).append(conflict)
    return found


def questions(rules: Iterable[RuleConfig], placements: Sequence[PlacementConfig], now: float) -> list[Question]:
    """What the catalogue is to be asked for `find`: each set of filters that hold at one time, soonest first."""
    live = [rule for rule in _live(rules, now) if rule.restricts is not None and rule.when is None]
    moments = sorted({now, *(at for rule in live for at in _bounds(rule.config) if at > now)})
    asked: dict[tuple[str, tuple[str, ...]], Question] = {}
    filters: set[Filter] = set()
    for moment in moments:
        for placement in placements:
            question = _question(placement, [rule for rule in live if rule.is_on(moment)])
            if question is None or (len(filters) >= MOST_ASKED and question.wanted not in filters):
                continue
            filters.add(question.wanted)
            asked.setdefault((question.placement, question.rules), question)
    return list(asked.values())


def _question(placement: PlacementConfig, rules: Sequence[_Rule]) -> Question | None:
    here = [rule for rule in rules if rule.holds_in(placement.key)]
    if not here:
        return None
    wanted = every(_filter_of(placement), *(rule.restricts for rule in here))
    return Question(placement.key, tuple(rule.config.key for rule in here), wanted)


def _live(rules: Iterable[RuleConfig], now: float) -> list[_Rule]:
    return [_Rule.of(rule) for rule in rules if not rule.ends_at or rule.ends_at > now]


def _bounds(config: RuleConfig) -> tuple[float, float]:
    return config.starts_at, config.ends_at


def _filter_of(placement: PlacementConfig) -> Filter | None:
    return None if placement.filter is None else parse(placement.filter)


def _all(rules: Sequence[_Rule], placements: Sequence[PlacementConfig], catalogue: Catalogue, now: float) -> Found:
    at = datetime.fromtimestamp(now, UTC)
    for rule in rules:
        here = [placement for placement in placements if rule.holds_in(placement.key)]
        yield from _alone(rule, here, catalogue, at)
    for one, other in combinations(rules, 2):
        if _meet(one, other):
            yield from _pair(one, other, catalogue, at)
            yield from _pair(other, one, catalogue, at)


def _by_the_catalogue(
    rules: Sequence[_Rule], placements: Sequence[PlacementConfig], catalogue: Catalogue, now: float
) -> Found:
    titles = {rule.config.key: rule.title for rule in rules}
    for question in questions([rule.config for rule in rules], placements, now):
        if question.wanted in catalogue.empty:
            yield from _nothing(question, titles)


def _meet(one: _Rule, other: _Rule) -> bool:
    """Whether both may hold for one slate."""
    a, b = one.config, other.config
    if None not in {a.placement, b.placement} and a.placement != b.placement:
        return False
    if (a.ends_at and a.ends_at <= b.starts_at) or (b.ends_at and b.ends_at <= a.starts_at):
        return False
    return one.when is None or other.when is None or not disjoint(one.when, other.when)


def _alone(rule: _Rule, placements: Sequence[PlacementConfig], catalogue: Catalogue, at: datetime) -> Found:
    for placement in placements:
        own = _filter_of(placement)
        wanted = rule.restricts
        if own is not None and wanted is not None and disjoint(own, wanted):
            message = f"It and the filter of the placement {placement.key!r} let no product through together."
            yield rule.config.key, Conflict("nothing_passes", None, message)
    action = rule.config.action
    if isinstance(action, Pin):
        for code, message in _of_pin(action, placements, catalogue, at):
            yield rule.config.key, Conflict(code, None, message)


def _of_pin(
    pin: Pin, placements: Sequence[PlacementConfig], catalogue: Catalogue, at: datetime
) -> Iterator[tuple[str, str]]:
    short = [each.key for each in placements if each.limit < pin.position]
    if short:
        message = f"Position {pin.position} is beyond what {', '.join(short)} show, unless a request asks for more."
        yield "beyond_limit", message
    facts, is_showable = catalogue.items.get(pin.item_id, (None, False))
    if facts is None:
        yield "unknown_item", f"The catalogue has no item {pin.item_id!r}."
        return
    if not is_showable:
        yield "unavailable_item", f"The item {pin.item_id!r} is out of stock, expired or not published yet."
    for placement in placements:
        own = _filter_of(placement)
        if own is not None and not matcher(own)(facts, at):
            yield "pin_filtered", f"The filter of the placement {placement.key!r} takes {pin.item_id!r} out."


def _pair(one: _Rule, other: _Rule, catalogue: Catalogue, at: datetime) -> Found:
    """What two rules that meet do to each other, asked in both orders; told of both."""
    for kinds, check in _CHECKS.items():
        if isinstance(one.config.action, kinds[0]) and isinstance(other.config.action, kinds[1]):
            for code, message in check(one, other, catalogue, at):
                yield one.config.key, Conflict(code, other.config.key, message)
                yield other.config.key, Conflict(code, one.config.key, message)


Told = Iterator[tuple[str, str]]


def _two_pins(one: _Rule, other: _Rule, *_: Any) -> Told:
    a, b = one.config.action, other.config.action
    if not (isinstance(a, Pin) and isinstance(b, Pin)):
        return
    first, second = sorted((one.title, other.title))
    if a.item_id == b.item_id:
        places = " and ".join(str(each) for each in sorted({a.position, b.position}))
        yield "same_item", f"{first} and {second} both pin {a.item_id!r}, to position {places}; it is shown once."
    elif a.position == b.position:
        yield "same_position", f"{first} and {second} both pin to position {a.position}; one comes next to the other."


def _pin_filtered(one: _Rule, other: _Rule, catalogue: Catalogue, at: datetime) -> Told:
    pin, wanted = one.config.action, other.restricts
    facts, _ = catalogue.items.get(pin.item_id, (None, False)) if isinstance(pin, Pin) else (None, False)
    if facts is not None and wanted is not None and not matcher(wanted)(facts, at):
        yield "pin_filtered", f"{other.title} takes {facts.item_id!r} out, which {one.title} pins."


def _pin_hidden(one: _Rule, other: _Rule, *_: Any) -> Told:
    hidden = other.config.action
    if isinstance(hidden, Hide):
        whom = {"purchased": "who bought it", "in_cart": "who have it in the cart", "seen": "who saw it often"}
        yield "pin_hidden", f"{other.title} hides what {one.title} pins from visitors {whom[hidden.what]}."


def _void(one: _Rule, other: _Rule, *_: Any) -> Told:
    wanted = other.restricts
    if one.wanted is not None and wanted is not None and disjoint(one.wanted, wanted):
        verb = "boosts" if isinstance(one.config.action, Boost) else "buries"
        yield "void", f"{other.title} takes out all that {one.title} {verb}."


def _includes(one: _Rule, other: _Rule, *_: Any) -> Told:
    if one.wanted is not None and other.wanted is not None and disjoint(one.wanted, other.wanted):
        first, second = sorted((one.title, other.title))
        yield "nothing_passes", f"{first} and {second} let no product through together."


def _include_excluded(one: _Rule, other: _Rule, *_: Any) -> Told:
    if one.wanted is not None and other.wanted is not None and implies(one.wanted, other.wanted):
        yield "nothing_passes", f"{other.title} takes out all that {one.title} lets through."


def _bands(one: _Rule, other: _Rule, *_: Any) -> Told:
    a, b = one.config.action, other.config.action
    if isinstance(a, PriceBand) and isinstance(b, PriceBand):
        lowest, highest = max(a.lowest or 0, b.lowest or 0), min(_highest(a), _highest(b))
        if lowest > highest:
            first, second = sorted((one.title, other.title))
            yield "bands_do_not_meet", f"No price lies in the bands of both {first} and {second}."


def _highest(band: PriceBand) -> float:
    return float("inf") if band.highest is None else band.highest


_Check = Callable[[_Rule, _Rule, Catalogue, datetime], Told]
_CHECKS: Final[Mapping[tuple[Any, Any], _Check]] = {
    (Pin, Pin): _two_pins,
    (Pin, (Include, Exclude)): _pin_filtered,
    (Pin, Hide): _pin_hidden,
    ((Boost, Bury), (Include, Exclude)): _void,
    (Include, Include): _includes,
    (Include, Exclude): _include_excluded,
    (PriceBand, PriceBand): _bands,
}


def _nothing(question: Question, titles: Mapping[str, str]) -> Found:
    for key in question.rules:
        others = [each for each in question.rules if each != key]
        together = f" with {', '.join(titles[each] for each in others)}" if others else ""
        message = f"No available product passes it in {question.placement!r}{together}."
        yield key, Conflict("nothing_passes", others[0] if others else None, message)
