"""Whether one product passes a filter; the same answer as `catalog/conditions.py` gets from PostgreSQL."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from string import ascii_uppercase
from typing import Any, Final

from catalog.filters import ATTRIBUTE, All, AnyOf, Condition, Filter, Kind, Not, Op, Scalar, kind_of
from catalog.types import with_ancestors

Product = Mapping[str, Any]
_ORDER: Final[Mapping[Op, Callable[[Any, Any], bool]]] = {
    Op.LT: lambda stored, value: bool(stored < value),
    Op.LTE: lambda stored, value: bool(stored <= value),
    Op.GT: lambda stored, value: bool(stored > value),
    Op.GTE: lambda stored, value: bool(stored >= value),
    Op.BETWEEN: lambda stored, value: bool(value[0] <= stored <= value[1]),
}
_DENIED: Final = {Op.NE: Op.EQ, Op.NOT_IN: Op.IN}


def matches(wanted: Filter, product: Product, at: datetime) -> bool:
    """Whether the product, as the API shows it, is meant; `at` decides which price holds."""
    if isinstance(wanted, All):
        return all(matches(part, product, at) for part in wanted.parts)
    if isinstance(wanted, AnyOf):
        return any(matches(part, product, at) for part in wanted.parts)
    if isinstance(wanted, Not):
        return not matches(wanted.part, product, at)
    return _holds(wanted, _stored(wanted.field, product, at))


def current_price(product: Product, at: datetime) -> Decimal | None:
    """What a shopper pays: the sale's price while the sale lasts, else the price."""
    starts, ends = _moment(product.get("sale_starts_at")), _moment(product.get("sale_ends_at"))
    is_on_sale = (starts is None or starts <= at) and (ends is None or at < ends)
    sale_price = _amount(product.get("sale_price")) if is_on_sale else None
    return _amount(product.get("price")) if sale_price is None else sale_price


def _holds(condition: Condition, stored: Sequence[Any]) -> bool:
    op, value = condition.op, condition.value
    if op in _DENIED:
        return not _holds(Condition(condition.field, _DENIED[op], value), stored)
    if op == Op.EXISTS:
        return any(each != "" or kind_of(condition.field) != Kind.TEXT for each in stored) is value
    if op in _ORDER:
        return any(_ORDER[op](each, value) for each in stored if not isinstance(each, str | bool))
    if op == Op.CONTAINS:
        assert isinstance(value, str)
        return any(_folded(value) in _folded(each) for each in stored if isinstance(each, str))
    wanted = value if isinstance(value, tuple) else (value,)
    return any(_is_same(each, one) for each in stored for one in wanted)


def _stored(field: str, product: Product, at: datetime) -> Sequence[Any]:
    """The values of the field, none if there are none."""
    kind = kind_of(field)
    if kind == Kind.ATTRIBUTE:
        return _attribute(product["attributes"].get(field.removeprefix(ATTRIBUTE)))
    if kind == Kind.PATH:
        return with_ancestors(product["categories"])
    if field == "current_price":
        found: Any = current_price(product, at)
    else:
        found = _READ.get(kind, _as_it_is)(product.get(field))
    return () if found is None else (found,)


def _attribute(value: Any) -> Sequence[Any]:
    if isinstance(value, list):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (Decimal(str(value)),)
    return () if value is None else (value,)


def _amount(value: Any) -> Decimal | None:
    return None if value is None else Decimal(value)


def _moment(value: Any) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _as_it_is(value: Any) -> Any:
    return value


_READ: Final[Mapping[Kind, Callable[[Any], Any]]] = {Kind.MONEY: _amount, Kind.INSTANT: _moment}


def _is_same(stored: Any, value: Scalar) -> bool:
    """Equal and of one type: neither is true 1, nor the text `1` the number."""
    return isinstance(stored, type(value)) and bool(stored == value)


def _folded(text: str) -> str:
    """With the letters A to Z in lower case: what PostgreSQL does with others depends on how it was set up."""
    return text.translate(_LOWER)


_LOWER: Final = {ord(upper): upper.lower() for upper in ascii_uppercase}
