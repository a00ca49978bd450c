"""Rules and filters in words, and the stages in which they apply, for people who read them (pure)."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, NamedTuple

from catalog.filters import ATTRIBUTE, All, AnyOf, Condition, Filter, Not, Op, Scalar, parse
from recommendations.rules.types import (
    Action,
    Boost,
    Bury,
    Exclude,
    Hide,
    Include,
    Pin,
    PriceBand,
    RuleConfig,
    SameCategory,
)
from recommendations.types import PlacementConfig

LONGEST: Final = 60  # characters of a value that are shown
MOST: Final = 5  # values of a list that are shown


class Stage(NamedTuple):
    """A step on the way from what strategies propose to a slate."""

    number: int
    title: str
    meaning: str


STAGES: Final = (
    Stage(1, "Hidden and filtered", "What may be shown at all."),
    Stage(2, "Boosts and burials", "What comes before what."),
    Stage(3, "Diversity", "Brands and categories take turns."),
    Stage(4, "Pins", "What sits at a position of its own, whatever comes before."),
)
_FIELDS: Final[Mapping[str, str]] = {
    "item_id": "id", "url": "address", "image_url": "image", "sale_price": "sale price", "group_id": "group",
    "current_price": "current price", "sale_starts_at": "start of the sale", "sale_ends_at": "end of the sale",
    "published_at": "publication", "expires_at": "expiry",
}  # fmt: skip
_OPS: Final[Mapping[Op, str]] = {
    Op.EQ: "is", Op.NE: "is not", Op.LT: "is below", Op.LTE: "is at most", Op.GT: "is above", Op.GTE: "is at least",
    Op.CONTAINS: "contains",
}  # fmt: skip
_OPPOSITE: Final[Mapping[Op, Op]] = {Op.EQ: Op.NE, Op.NE: Op.EQ, Op.IN: Op.NOT_IN, Op.NOT_IN: Op.IN}
_PAST: Final[Mapping[str, str]] = {
    "purchased": "Nothing that the visitor bought",
    "in_cart": "Nothing that is in the visitor's cart",
    "seen": "Nothing that the visitor was shown {times} without a click",
}


def stage_of(action: Action) -> int:
    """The number of the stage in which an action applies."""
    if isinstance(action, Pin):
        return 4
    return 2 if isinstance(action, Boost | Bury) else 1


def rule(config: RuleConfig) -> str:
    """What a rule does, and for which products at hand; its schedule is not told."""
    return _action(config.action) + ("" if config.when is None else _when(parse(config.when)))


def placement(config: PlacementConfig) -> Mapping[int, Sequence[str]]:
    """What a placement itself wants, by the number of the stage."""
    return {stage.number: [words for number, words in _own(config) if number == stage.number] for stage in STAGES}


def clause(wanted: Filter, *, inner: bool = False) -> str:
    """A filter as what follows `whose`: `price is at most 50 and brand is Acme`; `inner` has brackets if need be."""
    if isinstance(wanted, Condition):
        return _condition(wanted)
    if isinstance(wanted, Not):
        return _denied(wanted.part)
    if not wanted.parts:
        return "everything fits" if isinstance(wanted, All) else "nothing fits"
    by = " and " if isinstance(wanted, All) else " or "
    text = by.join(clause(part, inner=len(wanted.parts) > 1) for part in wanted.parts)
    return f"({text})" if inner and len(wanted.parts) > 1 else text


def products(wanted: Filter) -> str:
    """The products that a filter means: `products whose brand is Acme`."""
    if isinstance(wanted, All | AnyOf) and not wanted.parts:
        return "all products" if isinstance(wanted, All) else "no products at all"
    return f"products whose {clause(wanted)}"


def _action(action: Action) -> str:
    if isinstance(action, Pin):
        return f"{action.item_id} at position {action.position}"
    if isinstance(action, Boost):
        return _capital(f"{products(parse(action.filter))} count {action.factor:g} times as much")
    if isinstance(action, Bury):
        return _capital(f"{products(parse(action.filter))} come after all others")
    if isinstance(action, Include):
        return f"Only {products(parse(action.filter))}"
    if isinstance(action, Exclude):
        return f"Everything but {products(parse(action.filter))}"
    if isinstance(action, Hide):
        return _PAST[action.what].format(times="once" if action.times == 1 else f"{action.times} times")
    return _of_the_product(action)


def _of_the_product(action: SameCategory | PriceBand) -> str:
    if isinstance(action, PriceBand):
        return f"Only products that cost {_span(action)} as much as the product at hand"
    if action.levels is None:
        return "Only products of the category of the product at hand"
    levels = "level" if action.levels == 1 else f"{action.levels} levels"
    return f"Only products that share the first {levels} of the category of the product at hand"


def _span(band: PriceBand) -> str:
    if band.highest is None:
        return f"at least {band.lowest or 0:g} times"
    return f"at most {band.highest:g} times" if band.lowest is None else f"{band.lowest:g} to {band.highest:g} times"


def _when(wanted: Filter) -> str:
    if isinstance(wanted, All) and not wanted.parts:
        return ", if there is a product at hand"
    return f", if the product at hand is one of the {products(wanted)}"


def _condition(condition: Condition) -> str:
    name, op, value = _field(condition.field), condition.op, condition.value
    if op == Op.EXISTS:
        return f"{name} is {'set' if value else 'missing'}"
    if not isinstance(value, tuple):
        return f"{name} {_OPS[op]} {_value(value)}"
    if op == Op.BETWEEN:
        return f"{name} is {_value(value[0])} to {_value(value[1])}"
    return f"{name} is {_either(value)}" if op == Op.IN else f"{name} is not {_either(value)}"


def _either(values: Sequence[Scalar]) -> str:
    if not values:
        return "any of an empty list"
    shown = [_value(value) for value in values[:MOST]]
    if len(values) > MOST:
        return f"{', '.join(shown)} or one of {len(values) - MOST} more"
    return " or ".join(filter(None, (", ".join(shown[:-1]), shown[-1])))


def _denied(wanted: Filter) -> str:
    if isinstance(wanted, Condition) and wanted.op in _OPPOSITE:
        return _condition(Condition(wanted.field, _OPPOSITE[wanted.op], wanted.value))
    if isinstance(wanted, Condition) and wanted.op == Op.EXISTS:
        return _condition(Condition(wanted.field, Op.EXISTS, not wanted.value))
    return f"not ({clause(wanted)})"


def _field(name: str) -> str:
    return _short(name.removeprefix(ATTRIBUTE)) if name.startswith(ATTRIBUTE) else _FIELDS.get(name, name)


def _value(value: Scalar) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if isinstance(value, Decimal):
        return _short(str(value))
    return _short(value) or "empty"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _own(config: PlacementConfig) -> Iterator[tuple[int, str]]:
    if config.filter is not None:
        yield 1, f"Only {products(parse(config.filter))}"
    if config.one_per_group:
        yield 1, "One variant of each product"
    if config.rotation:
        yield 2, "What a visitor was shown often without a click sinks"
    if config.margin:
        yield 2, f"A high margin counts up to {1 + config.margin:g} times as much"
    if config.newness:
        yield 2, f"New products count up to {1 + config.newness:g} times as much"
    if config.diversity:
        yield 3, f"Brands and categories are mixed with a strength of {config.diversity:g}, from 0 to 1"
    if config.exploration:
        yield 4, f"In {config.exploration * 100:g} % of slates chance chooses the last product"
