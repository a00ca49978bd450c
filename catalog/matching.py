"""Whether one product passes a filter; the same answer as `catalog/conditions.py` gets from PostgreSQL.

A filter is made a function once and asked of many products: serving asks some dozens in every request.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from operator import ge, gt, le, lt
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
        starts, ends = self.sale_starts_at, self.sale_ends_at
        is_on_sale = (starts is None or starts <= at) and (ends is None or at < ends)
        return self.sale_price if is_on_sale and self.sale_price is not None else self.price


Test = Callable[[Facts, datetime], bool]
"""Asked of a product; the moment decides which price holds."""
Values = Callable[[Facts, datetime], Sequence[Any]]

facts_of: Final = msgspec.json.Decoder(Facts, float_hook=Decimal).decode
"""The facts of a product's JSON object."""

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
    values, holds = _values(wanted.field), _holds(wanted)
    return lambda facts, at: holds(values(facts, at))


def _all_of(parts: Sequence[Test]) -> Test:
    if len(parts) == 1:
        return parts[0]
    return lambda facts, at: all(part(facts, at) for part in parts)


def _not(part: Test) -> Test:
    return lambda facts, at: not part(facts, at)


def _values(field: str) -> Values:
    """What reads the values of a field, none if there are none."""
    kind = kind_of(field)
    if kind == Kind.ATTRIBUTE:
        name = field.removeprefix(ATTRIBUTE)
        return lambda facts, _: _of_attribute(facts.attributes.get(name))
    if kind == Kind.PATH:
        return lambda facts, _: with_ancestors(facts.categories)
    if field == "current_price":
        return lambda facts, at: _single(facts.current_price(at))
    return lambda facts, _: _single(getattr(facts, field))


def _single(value: Any) -> Sequence[Any]:
    return () if value is None else (value,)


def _of_attribute(value: Any) -> Sequence[Any]:
    if isinstance(value, list):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return (Decimal(value),)
    return _single(value)


def _holds(condition: Condition) -> Callable[[Sequence[Any]], bool]:
    """What tells whether a field's values are as the condition says."""
    op, value = condition.op, condition.value
    if op == Op.EXISTS:
        is_text = kind_of(condition.field) == Kind.TEXT
        return lambda stored: any(each != "" or not is_text for each in stored) is value
    if op == Op.CONTAINS:
        assert isinstance(value, str)
        part = _folded(value)
        return lambda stored: any(part in _folded(each) for each in stored if isinstance(each, str))
    if op == Op.BETWEEN:
        assert isinstance(value, tuple)
        low, high = value
        return lambda stored: any(low <= each <= high for each in stored if not isinstance(each, str | bool))
    if op in _ORDER:
        compare = _ORDER[op]
        return lambda stored: any(compare(each, value) for each in stored if not isinstance(each, str | bool))
    wanted = value if isinstance(value, tuple) else (value,)
    return lambda stored: any(_is_same(each, one) for each in stored for one in wanted)


def _is_same(stored: Any, value: Scalar) -> bool:
    """Equal and of one type: neither is true 1, nor the text `1` the number."""
    return isinstance(stored, type(value)) and bool(stored == value)


def _folded(text: str) -> str:
    """With the letters A to Z in lower case: what PostgreSQL does with others depends on how it was set up."""
    return text.translate(_LOWER)


_LOWER: Final = {ord(upper): upper.lower() for upper in ascii_uppercase}
