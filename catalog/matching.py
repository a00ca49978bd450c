"""Whether one product passes a filter; the same answer as `catalog/conditions.py` gets from PostgreSQL.

A filter is made a function once and asked of many products: serving asks some dozens in every request.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from operator import attrgetter, ge, gt, le, lt
from string import ascii_uppercase
from typing import Any, Final

import msgspec

from catalog.filters import ATTRIBUTE, All, AnyOf, Condition, Filter, Kind, Not, Op, Scalar, kind_of
from catalog.types import with_ancestors


class Facts(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What filters can ask of a product: the API's JSON of it, typed."""

    item_id: str
    title: str
    description: str = ""
    url: str = ""
    image_url: str = ""
    price: Decimal | None = None
    sale_price: Decimal | None = None
    sale_starts_at: datetime | None = None
    sale_ends_at: datetime | None = None
    currency: str = ""
    availability: str = "in_stock"
    brand: str = ""
    categories: tuple[str, ...] = ()
    attributes: dict[str, Any] = {}
    group_id: str | None = None
    published_at: datetime | None = None
    expires_at: datetime | None = None

    def current_price(self, at: datetime) -> Decimal | None:
        """What a shopper pays: the sale's price while the sale lasts, else the price."""
        if self.sale_price is None:  # as of most products
            return self.price
        starts, ends = self.sale_starts_at, self.sale_ends_at
        is_on_sale = (starts is None or starts <= at) and (ends is None or at < ends)
        return self.sale_price if is_on_sale else self.price


Test = Callable[[Facts, datetime], bool]
"""Asked of a product; the moment decides which price holds."""
Holds = Callable[[Any], bool]

facts_of: Final = msgspec.json.Decoder(Facts, float_hook=Decimal).decode
"""The facts of a product's JSON object."""

_ORDERED: Final = (Decimal, datetime)  # a tuple, because a union is much slower to ask
_DENIED: Final = {Op.NE: Op.EQ, Op.NOT_IN: Op.IN}
_ORDER: Final[dict[Op, Callable[[Any, Any], bool]]] = {Op.LT: lt, Op.LTE: le, Op.GT: gt, Op.GTE: ge}


def matcher(wanted: Filter) -> Test:
    """What tells whether a product is meant."""
    if isinstance(wanted, All):
        return _all_of([matcher(part) for part in wanted.parts])
    if isinstance(wanted, AnyOf):
        parts = [matcher(part) for part in wanted.parts]
        return lambda facts, at: any(part(facts, at) for part in parts)
    if isinstance(wanted, Not):
        return _not(matcher(wanted.part))
    if wanted.op in _DENIED:
        return _not(matcher(Condition(wanted.field, _DENIED[wanted.op], wanted.value)))
    kind, holds = kind_of(wanted.field), _holds(wanted)
    if kind in (Kind.ATTRIBUTE, Kind.PATH):
        return _of_several_values(wanted, kind, holds)
    return _of_one_value(wanted.field, holds)


def _of_several_values(wanted: Condition, kind: Kind, holds: Holds) -> Test:
    """One value that fits is enough."""
    values = _values(wanted.field, kind)
    if wanted.op == Op.EXISTS:
        return lambda facts, _: bool(values(facts)) is wanted.value
    return lambda facts, _: any(map(holds, values(facts)))


def _of_one_value(field: str, holds: Holds) -> Test:
    if field == "current_price":
        return lambda facts, at: holds(facts.current_price(at))
    read = attrgetter(field)
    return lambda facts, _: holds(read(facts))


def _all_of(parts: Sequence[Test]) -> Test:
    if len(parts) == 1:
        return parts[0]
    return lambda facts, at: all(part(facts, at) for part in parts)


def _not(part: Test) -> Test:
    return lambda facts, at: not part(facts, at)


def _values(field: str, kind: Kind) -> Callable[[Facts], Sequence[Any]]:
    """What reads the values of a field that may have several."""
    if kind == Kind.PATH:
        return lambda facts: with_ancestors(facts.categories)
    name = field.removeprefix(ATTRIBUTE)
    return lambda facts: _of_attribute(facts.attributes.get(name))


def _of_attribute(value: Any) -> Sequence[Any]:
    if isinstance(value, list):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return (Decimal(value),)
    return () if value is None else (value,)


def _holds(condition: Condition) -> Holds:
    """What tells whether one value, None for none, is as the condition says."""
    op, value = condition.op, condition.value
    low: Any
    high: Any
    if op == Op.EXISTS:
        nothing = (None, "") if kind_of(condition.field) == Kind.TEXT else (None,)
        return lambda stored: (stored not in nothing) is value
    if op == Op.CONTAINS:
        assert isinstance(value, str)
        part = _folded(value)
        return lambda stored: isinstance(stored, str) and part in _folded(stored)
    if op == Op.BETWEEN:
        assert isinstance(value, tuple)
        low, high = value
        return lambda stored: isinstance(stored, _ORDERED) and low <= stored <= high
    if op in _ORDER:
        compare = _ORDER[op]
        return lambda stored: isinstance(stored, _ORDERED) and compare(stored, value)
    return _is_one_of(value if isinstance(value, tuple) else (value,))


def _is_one_of(wanted: Sequence[Scalar]) -> Holds:
    """Equal and of one type: neither is true 1, nor the text `1` the number."""
    if all(isinstance(each, str) for each in wanted):
        texts = frozenset(wanted)
        return texts.__contains__
    known = frozenset((type(each), each) for each in wanted)
    return lambda stored: (type(stored), stored) in known


def _folded(text: str) -> str:
    """With the letters A to Z in lower case: what PostgreSQL does with others depends on how it was set up."""
    return text.translate(_LOWER)


_LOWER: Final = {ord(upper): upper.lower() for upper in ascii_uppercase}
