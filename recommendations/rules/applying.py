"""The rules that hold for one request: plain functions of the rules, the product at hand and the moment."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple

from catalog.filters import AnyOf, Condition, Filter, Not, Op, parse
from catalog.matching import Facts, Test, matcher
from catalog.types import lineage
from recommendations.rules.types import (
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

CENT: Final = Decimal("0.0001")


class Restriction(NamedTuple):
    """A filter that every item shown passes, and which rule or what else wants it."""

    by: str
    wanted: Filter
    test: Test

    @classmethod
    def of(cls, by: str, wanted: Filter) -> "Restriction":
        return cls(by, wanted, matcher(wanted))


class Weight(NamedTuple):
    """A factor of the items that pass a test; 0 for those that come after all others."""

    by: str
    test: Test
    factor: float


class Pinned(NamedTuple):
    """An item at a position."""

    by: str
    item_id: str
    position: int


class Hidden(NamedTuple):
    """What of a visitor's past is not shown."""

    by: str
    what: str
    times: int


@dataclass(slots=True)
class Applied:
    """What the rules of a placement want of one slate, in their order.

    `passed_over` are those that could not hold, with the reason, for who asks for an explanation.
    """

    restrictions: list[Restriction] = field(default_factory=list)
    weights: list[Weight] = field(default_factory=list)
    pins: list[Pinned] = field(default_factory=list)
    hidden: list[Hidden] = field(default_factory=list)
    passed_over: list[tuple[str, str]] = field(default_factory=list)

    @property
    def rules(self) -> list[str]:
        """The keys of the rules that had a say."""
        of_kinds = (self.restrictions, self.hidden, self.weights, self.pins)
        passed_over = {by for by, _ in self.passed_over}
        return [key for key in dict.fromkeys(each[0] for kind in of_kinds for each in kind) if key not in passed_over]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A rule whose filters are functions already, as they are asked of dozens of items a request."""

    config: RuleConfig
    when: Test | None
    restriction: Restriction | None
    weight: Weight | None

    @classmethod
    def of(cls, config: RuleConfig) -> "Prepared":
        """Raises DomainError `invalid` for a filter that is none."""
        action, restriction, weight = config.action, None, None
        if isinstance(action, Include):
            restriction = Restriction.of(config.key, parse(action.filter))
        elif isinstance(action, Exclude):
            restriction = Restriction.of(config.key, Not(parse(action.filter)))
        elif isinstance(action, Boost):
            weight = Weight(config.key, matcher(parse(action.filter)), action.factor)
        elif isinstance(action, Bury):
            weight = Weight(config.key, matcher(parse(action.filter)), 0.0)
        return cls(config, None if config.when is None else matcher(parse(config.when)), restriction, weight)

    @property
    def asks_of_the_product(self) -> bool:
        """Whether it depends on what the product at hand is."""
        return self.when is not None or isinstance(self.config.action, SameCategory | PriceBand)

    def is_on(self, now: float) -> bool:
        """Whether it is its time, in Unix seconds."""
        return self.config.starts_at <= now and (not self.config.ends_at or now < self.config.ends_at)


def of_placement(rules: Iterable[RuleConfig], placement: str) -> tuple[Prepared, ...]:
    """The rules of a placement and those that hold everywhere, in their order."""
    return tuple(Prepared.of(rule) for rule in rules if rule.placement in (None, placement))


def applied(rules: Sequence[Prepared], product: Facts | None, now: float, at: datetime) -> Applied:
    """What the rules want now; `product` is the one at hand, None without one. `at` is `now` as a moment."""
    result = Applied()
    for rule in rules:
        if not rule.is_on(now):
            continue
        if rule.asks_of_the_product and product is None:
            result.passed_over.append((rule.config.key, "no_product_at_hand"))
        elif rule.when is None or (product is not None and rule.when(product, at)):
            _apply(rule, product, at, result)
        else:
            result.passed_over.append((rule.config.key, "product_not_meant"))
    return result


def _apply(rule: Prepared, product: Facts | None, at: datetime, result: Applied) -> None:
    key, action = rule.config.key, rule.config.action
    if rule.restriction is not None:
        result.restrictions.append(rule.restriction)
    elif rule.weight is not None:
        result.weights.append(rule.weight)
    elif isinstance(action, Pin):
        result.pins.append(Pinned(key, action.item_id, action.position))
    elif isinstance(action, Hide):
        result.hidden.append(Hidden(key, action.what, action.times))
    elif product is not None:
        wanted = same_category(action, product) if isinstance(action, SameCategory) else _band(action, product, at)
        if wanted is None:
            result.passed_over.append((key, "product_says_nothing"))
        else:
            result.restrictions.append(Restriction.of(key, wanted))


def same_category(action: SameCategory, product: Facts) -> Filter | None:
    """Which items lie in a category of the product's; None if it has none."""
    paths = (lineage(path)[: action.levels][-1] for path in product.categories)
    parts = tuple(Condition("category", Op.EQ, path) for path in dict.fromkeys(paths))
    return AnyOf(parts) if parts else None


def _band(action: object, product: Facts, at: datetime) -> Filter | None:
    assert isinstance(action, PriceBand)
    price = product.current_price(at)
    if price is None:
        return None
    lowest = price * Decimal(str(action.lowest or 0))
    if action.highest is None:
        return Condition("current_price", Op.GTE, lowest.quantize(CENT))
    return Condition(
        "current_price", Op.BETWEEN, (lowest.quantize(CENT), (price * Decimal(str(action.highest))).quantize(CENT))
    )
