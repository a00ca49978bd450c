"""The order of a slate (pure): boosts, burials, rotation, margin and newness, diversity, pins, the exploration slot.

A candidate's place among those that may be shown gives it a value, 1/(1 + place/limit): the first of them has 1, the
eleventh of ten half. What lifts or sinks it multiplies that. Scores of different strategies have no common scale;
places have.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from catalog.matching import Facts
from recommendations.rules.applying import Weight
from recommendations.serving.gate import Admitted

OFTEN: Final = 3  # times shown without a click, after which the value is halved, and again
NEW_HALVED: Final = 30 * 86_400.0  # seconds after which newness counts half
BRAND: Final = 0.5  # how alike two products of one brand are; the rest says their categories
MARGIN: Final = "margin"  # the attribute that holds a product's margin, 0 to 1


@dataclass(frozen=True, slots=True)
class Controls:
    """What decides the order. `shown`: how often items were shown to the visitor without a click."""

    weights: Sequence[Weight] = ()
    diversity: float = 0.0
    shown: Mapping[str, int] = field(default_factory=dict)
    margin: float = 0.0
    newness: float = 0.0
    exploration: float = 0.0

    @property
    def needs_facts(self) -> bool:
        return bool(self.weights or self.diversity or self.margin)

    @property
    def reorders(self) -> bool:
        """Whether an item that is not among the first may come to be shown."""
        return bool(self.needs_facts or self.shown or self.newness or self.exploration)


class Part(NamedTuple):
    """What multiplied a value: a code, how much, and which rule if it was one."""

    code: str
    factor: float
    by: str | None = None


class Ranked(msgspec.Struct, frozen=True, gc=False):
    """An admitted candidate in its place, with what its value is made of.

    `propensity`: the probability with which this item is in this slot; below 1 where chance had a part.
    """

    admitted: Admitted
    value: float
    parts: tuple[Part, ...] = ()
    pinned: str | None = None
    propensity: float = 1.0


def ranked(
    pool: Sequence[Admitted], pins: Sequence[tuple[int, str, Admitted]], limit: int, controls: Controls, at: datetime
) -> list[Ranked]:
    """The order of all that may be shown, pinned items at their positions; the slate is the first `limit` of it."""
    valued = _valued(pool, limit, controls, at)
    if any(each.parts for each in valued):
        valued.sort(key=_by_value)
    ordered = diversified(valued, limit, controls.diversity) if controls.diversity else valued
    free = 1
    for position, by, admitted in sorted(pins, key=lambda pin: pin[0]):
        free = max(free, position)  # of two at one position the second comes next
        ordered.insert(free - 1, Ranked(admitted, 1.0, (), by))
        free += 1
    return ordered


def _valued(pool: Sequence[Admitted], limit: int, controls: Controls, at: datetime) -> list[Ranked]:
    """Every item with its value."""
    weights, valued = controls.weights, list[Ranked]()
    has_own = bool(controls.shown or controls.margin or controls.newness)
    for place, admitted in enumerate(pool):
        value, facts = 1 / (1 + place / limit), admitted.facts
        parts = [] if facts is None else [Part("rule", factor, by) for by, test, factor in weights if test(facts, at)]
        if has_own:
            parts += _own_parts(admitted, controls, at)
        if parts:
            valued.append(Ranked(admitted, _product(value, parts), (Part("place", value), *parts)))
        else:
            valued.append(Ranked(admitted, value))
    return valued


def _product(value: float, parts: Sequence[Part]) -> float:
    for part in parts:
        value *= part.factor or 1.0
    return value


def _by_value(each: Ranked) -> tuple[bool, float]:
    return (is_buried(each), -each.value)


def _own_parts(admitted: Admitted, controls: Controls, at: datetime) -> Iterator[Part]:
    """What lifts or sinks an item by itself."""
    facts, card = admitted.facts, admitted.card
    if facts is not None and controls.margin and (share := _margin(facts)):
        yield Part("margin", 1 + controls.margin * share)
    if times := controls.shown.get(card.item_id, 0) // OFTEN:
        yield Part("shown_often", 0.5 ** min(times, 20))
    if controls.newness and card.published_at:
        age = max(0.0, at.timestamp() - card.published_at)
        yield Part("newness", 1 + controls.newness * 0.5 ** (age / NEW_HALVED))


def is_buried(each: Ranked) -> bool:
    return bool(each.parts) and any(part.factor == 0 for part in each.parts)


def _margin(facts: Facts) -> float:
    value = facts.attributes.get(MARGIN)
    return 0.0 if value is None or isinstance(value, str | bool | list) else min(1.0, max(0.0, float(value)))


def diversified(valued: Sequence[Ranked], limit: int, diversity: float) -> list[Ranked]:
    """The first `limit` chosen one by one by (1 - d) · value - d · likeness to the likest chosen already.

    Maximal marginal relevance (Carbonell, Goldstein: The Use of MMR, SIGIR 1998). What is buried stays behind.
    """
    remaining, chosen = list(valued), list[Ranked]()
    likeness = [0.0] * len(remaining)
    while remaining and len(chosen) < limit:
        best = max(
            range(len(remaining)),
            key=lambda n: (
                not is_buried(remaining[n]),
                (1 - diversity) * remaining[n].value - diversity * likeness[n],
                -n,
            ),
        )
        taken = remaining.pop(best)
        likeness.pop(best)
        chosen.append(taken)
        likeness = [max(old, alike(taken, each)) for old, each in zip(likeness, remaining, strict=True)]
    return chosen + remaining


def alike(one: Ranked, other: Ranked) -> float:
    """How alike two products are, 0 to 1: half by the brand, half by the share of categories they have in common."""
    a, b = one.admitted.facts, other.admitted.facts
    if a is None or b is None:
        return 0.0
    brand = BRAND if a.brand and a.brand == b.brand else 0.0
    return brand + (1 - BRAND) * _overlap(a.categories, b.categories)


def _overlap(one: Collection[str], other: Collection[str]) -> float:
    if not one or not other:
        return 0.0
    if one == other:
        return 1.0
    a, b = set(one), set(other)
    return len(a & b) / len(a | b)


def explored(ordered: Sequence[Ranked], limit: int, share: float, seed: Any) -> list[Ranked]:
    """The slate, whose last slot shows one of those that just missed it with the probability `share`.

    Which one follows from `seed` alone. A pinned item keeps its slot, and what is buried is not tried.
    """
    slate, missed = list(ordered[:limit]), [each for each in ordered[limit:] if not is_buried(each)]
    if not share or not missed or len(slate) < limit or slate[-1].pinned:
        return slate
    chance = Random(str(seed))
    if chance.random() < share:
        slate[-1] = replace(chance.choice(missed), propensity=share / len(missed))
    else:
        slate[-1] = replace(slate[-1], propensity=1 - share)
    return slate
