"""What can be proven of two filters without a catalogue (pure): nothing passes both, or one goes with the other.

`False` means that there is no proof, not that the opposite holds. A product has one brand or price, but many categories
and, in an attribute, many values: two of those exclude each other in no filter.
"""

from collections.abc import Collection, Iterator
from typing import Any, Final, NamedTuple

from catalog.filters import All, AnyOf, Condition, Filter, Kind, Not, Op, Scalar, kind_of
from catalog.types import lineage

MOST: Final = 24  # conditions of both together; of more nothing is proven, as pairs of parts grow with the square
_VALUES: Final = frozenset({Op.EQ, Op.IN})
_OPPOSITE: Final = {Op.EQ: Op.NE, Op.NE: Op.EQ, Op.IN: Op.NOT_IN, Op.NOT_IN: Op.IN}
_BELOW: Final = frozenset({Op.LT, Op.LTE})
_ABOVE: Final = frozenset({Op.GT, Op.GTE})
_SINGLE: Final = frozenset({Kind.TEXT, Kind.MONEY, Kind.INSTANT})


class Span(NamedTuple):
    """An interval of amounts or moments; None for no bound."""

    low: Any = None
    high: Any = None
    low_included: bool = True
    high_included: bool = True

    def meets(self, other: "Span") -> bool:
        return not (self._before(other) or other._before(self))

    def _before(self, other: "Span") -> bool:
        if self.high is None or other.low is None:
            return False
        return bool(
            self.high < other.low or (self.high == other.low and not (self.high_included and other.low_included))
        )

    def holds(self, value: Any) -> bool:
        return self.meets(Span(value, value))


def disjoint(one: Filter, other: Filter) -> bool:
    """Whether no product can pass both."""
    return _is_small(one, other) and _disjoint(_pushed(one), _pushed(other))


def implies(one: Filter, other: Filter) -> bool:
    """Whether every product that passes `one` passes `other`."""
    return _is_small(one, other) and _implies(_pushed(one), _pushed(other))


def _is_small(one: Filter, other: Filter) -> bool:
    return _size(one) + _size(other) <= MOST


def _size(wanted: Filter) -> int:
    if isinstance(wanted, Condition):
        return 1
    return sum(map(_size, (wanted.part,) if isinstance(wanted, Not) else wanted.parts))


def _pushed(wanted: Filter, *, denied: bool = False) -> Filter:
    """The filter with what it denies said of conditions alone: no proof takes more steps than there are pairs."""
    if isinstance(wanted, Not):
        return _pushed(wanted.part, denied=not denied)
    if isinstance(wanted, Condition):
        if denied and wanted.op in _OPPOSITE:
            return Condition(wanted.field, _OPPOSITE[wanted.op], wanted.value)
        return Not(wanted) if denied else wanted
    parts = tuple(_pushed(part, denied=denied) for part in wanted.parts)
    return All(parts) if isinstance(wanted, All) is not denied else AnyOf(parts)


def _disjoint(one: Filter, other: Filter) -> bool:
    if isinstance(one, AnyOf):
        return all(_disjoint(part, other) for part in one.parts)
    if isinstance(other, AnyOf):
        return all(_disjoint(one, part) for part in other.parts)
    found = [*_conjuncts(one), *_conjuncts(other)]
    return any(_exclude(a, b) for a in found for b in found)


def _implies(one: Filter, other: Filter) -> bool:
    if isinstance(other, All):
        return all(_implies(one, part) for part in other.parts)
    if isinstance(one, AnyOf):
        return all(_implies(part, other) for part in one.parts)
    if isinstance(other, AnyOf):
        return other in _conjuncts(one) or any(_implies(one, part) for part in other.parts)
    return any(_holds(part, other) for part in _conjuncts(one))


def _conjuncts(wanted: Filter) -> Iterator[Filter]:
    if isinstance(wanted, All):
        for part in wanted.parts:
            yield from _conjuncts(part)
    else:
        yield wanted


def _exclude(one: Filter, other: Filter) -> bool:
    if isinstance(one, AnyOf) and not one.parts:
        return True
    if isinstance(other, Not):
        return _holds(one, other.part)
    if isinstance(one, Condition) and isinstance(other, Condition) and one.field == other.field:
        return _conditions_exclude(one, other)
    return False


def _conditions_exclude(one: Condition, other: Condition) -> bool:
    if any(each.op == Op.IN and not each.value for each in (one, other)):
        return True
    if one.op == Op.EXISTS == other.op:
        return one.value != other.value
    if other.op in {Op.NE, Op.NOT_IN}:
        return one.op in _VALUES and _within(one, _values(other))
    if kind_of(one.field) not in _SINGLE:
        return False
    if one.op in _VALUES and other.op in _VALUES:
        return not set(_values(one)) & set(_values(other))
    return _spans_exclude(one, other)


def _spans_exclude(one: Condition, other: Condition) -> bool:
    mine, yours = _span(one), _span(other)
    if mine and yours:
        return not mine.meets(yours)
    if mine and other.op in _VALUES:
        return not any(mine.holds(value) for value in _values(other))
    if yours and one.op in _VALUES:
        return not any(yours.holds(value) for value in _values(one))
    return False


def _holds(one: Filter, other: Filter) -> bool:
    """Whether a condition implies another of the same field."""
    if one == other:
        return True
    if isinstance(one, Not) and isinstance(other, Not):
        return _holds(other.part, one.part)
    if not (isinstance(one, Condition) and isinstance(other, Condition) and one.field == other.field):
        return False
    if one.op in _VALUES and other.op in _VALUES:
        return _within(one, _values(other))
    if kind_of(one.field) in {Kind.MONEY, Kind.INSTANT}:
        return _span_holds(one, _span(other))
    return False


def _span_holds(one: Condition, wide: Span | None) -> bool:
    if wide is None:
        return False
    if one.op in _VALUES:
        return all(wide.holds(value) for value in _values(one))
    narrow = _span(one)
    return narrow is not None and _is_inside(narrow, wide)


def _is_inside(narrow: Span, wide: Span) -> bool:
    low = wide.low is None or (
        narrow.low is not None
        and (narrow.low > wide.low or (narrow.low == wide.low and wide.low_included >= narrow.low_included))
    )
    high = wide.high is None or (
        narrow.high is not None
        and (narrow.high < wide.high or (narrow.high == wide.high and wide.high_included >= narrow.high_included))
    )
    return bool(low and high)


def _within(one: Condition, values: Collection[Scalar]) -> bool:
    """Whether each value that the condition allows brings one of `values` with it; a category brings those above it."""
    is_path = kind_of(one.field) == Kind.PATH
    typed = {(type(value), value) for value in values}
    return all(
        any((type(each), each) in typed for each in (lineage(str(value)) if is_path else (value,)))
        for value in _values(one)
    )


def _values(condition: Condition) -> tuple[Scalar, ...]:
    return condition.value if isinstance(condition.value, tuple) else (condition.value,)


def _span(condition: Condition) -> Span | None:
    op, value = condition.op, condition.value
    if op == Op.BETWEEN and isinstance(value, tuple):
        return Span(value[0], value[1])
    if op in _BELOW:
        return Span(high=value, high_included=op == Op.LTE)
    return Span(low=value, low_included=op == Op.GTE) if op in _ABOVE else None
