"""The language of filters: which items are meant, as JSON, as a frozen tree, and asked of one product.

`{"all": [{"field": "price", "op": "lte", "value": 50}, {"not": {"field": "brand", "op": "eq", "value": "Acme"}}]}`.
A condition is true or false, never unknown: nothing can be said of what is missing, so `eq`, `lt` and their like are
false there, and `ne` and `not_in`, which deny, are true. Of an attribute that is a list one value that fits is enough.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

import msgspec

from catalog.types import tidy_path
from recomengine.lib.errors import DomainError
from recomengine.lib.fields import check_instant

MAX_DEPTH: Final = 8
MAX_CONDITIONS: Final = 50
MAX_VALUES: Final = 100
MAX_LENGTH: Final = 10_000  # characters of a value, which is an attribute's own limit
ATTRIBUTE: Final = "attributes."

_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)
Scalar = str | bool | Decimal | datetime
Value = Scalar | tuple[Scalar, ...]


class Op(StrEnum):
    EQ = "eq"
    NE = "ne"
    IN = "in"
    NOT_IN = "not_in"
    LT = "lt"
    LTE = "lte"
    GT = "gt"
    GTE = "gte"
    BETWEEN = "between"  # both ends included
    EXISTS = "exists"
    CONTAINS = "contains"


class Kind(StrEnum):
    """What a field's values are."""

    TEXT = "text"
    MONEY = "money"
    INSTANT = "instant"
    PATH = "path"
    ATTRIBUTE = "attribute"


@dataclass(frozen=True, slots=True)
class Condition:
    """`value` is a tuple for `in`, `not_in` and `between`; amounts and numbers are Decimals, paths are tidied."""

    field: str
    op: Op
    value: Value


@dataclass(frozen=True, slots=True)
class All:
    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    parts: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: "Filter"


Filter = Condition | All | AnyOf | Not

FIELDS: Final[Mapping[str, Kind]] = {
    **dict.fromkeys(
        ("item_id", "title", "description", "url", "image_url", "brand", "currency", "availability", "group_id"),
        Kind.TEXT,
    ),
    **dict.fromkeys(("price", "sale_price", "current_price"), Kind.MONEY),
    **dict.fromkeys(("sale_starts_at", "sale_ends_at", "published_at", "expires_at"), Kind.INSTANT),
    "category": Kind.PATH,
}
_EQUALITY: Final = frozenset({Op.EQ, Op.NE, Op.IN, Op.NOT_IN, Op.EXISTS})
_ORDER: Final = frozenset({Op.LT, Op.LTE, Op.GT, Op.GTE, Op.BETWEEN})
OPS: Final[Mapping[Kind, frozenset[Op]]] = {
    Kind.TEXT: _EQUALITY | {Op.CONTAINS},
    Kind.MONEY: _EQUALITY | _ORDER,
    Kind.INSTANT: _EQUALITY | _ORDER,
    Kind.PATH: _EQUALITY,
    Kind.ATTRIBUTE: frozenset(Op),
}


def kind_of(field: str) -> Kind:
    """What a field that exists holds; an attribute's values say that themselves."""
    return Kind.ATTRIBUTE if field.startswith(ATTRIBUTE) else FIELDS[field]


def fields_of(wanted: Filter) -> frozenset[str]:
    """The fields that the filter asks about."""
    if isinstance(wanted, Condition):
        return frozenset({wanted.field})
    parts = (wanted.part,) if isinstance(wanted, Not) else wanted.parts
    return frozenset().union(*map(fields_of, parts))


def every(*parts: Filter | None) -> All:
    """All of them that there are, on one level."""
    found: list[Filter] = []
    for part in parts:
        found += part.parts if isinstance(part, All) else [part] if part is not None else []
    return All(tuple(found))


def without(wanted: All, field: str) -> All:
    """The filter less what its outermost level asks of that field alone."""
    return All(tuple(part for part in wanted.parts if fields_of(part) != {field}))


def parse_text(text: str, pointer: str = "") -> Filter:
    """A filter from its JSON text; raises `invalid` as `parse` does."""
    try:
        found = _DECODER.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise _wrong(pointer, "malformed_json", f"The filter is not valid JSON: {error}") from None
    return parse(found, pointer)


def parse(data: object, pointer: str = "") -> Filter:
    """A filter from JSON-ready data; raises `invalid` with the pointer of what is wrong below `pointer`."""
    return _Parser().node(data, pointer, 1)


class _Parser:
    def __init__(self) -> None:
        self.conditions = 0

    def node(self, data: object, at: str, depth: int) -> Filter:
        if depth > MAX_DEPTH:
            raise _wrong(at, "too_deep", f"A filter has at most {MAX_DEPTH} levels.")
        if not isinstance(data, Mapping):
            raise _wrong(at, "invalid", "A filter is an object: a condition, or `all`, `any` or `not`.")
        if "field" in data or "op" in data:
            return self.condition(data, at)
        if len(data) != 1 or not data.keys() <= {"all", "any", "not"}:
            message = "Write a condition of `field`, `op` and `value`, or one of `all`, `any` and `not` alone."
            raise _wrong(at, "invalid", message)
        ((name, inner),) = data.items()
        if name == "not":
            return Not(self.node(inner, f"{at}/not", depth + 1))
        parts = self.parts(inner, f"{at}/{name}", depth + 1)
        return All(parts) if name == "all" else AnyOf(parts)

    def parts(self, data: object, at: str, depth: int) -> tuple[Filter, ...]:
        if not isinstance(data, list | tuple):
            raise _wrong(at, "invalid", "This is a list of filters.")
        return tuple(self.node(each, f"{at}/{index}", depth) for index, each in enumerate(data))

    def condition(self, data: Mapping[Any, Any], at: str) -> Condition:
        self.conditions += 1
        if self.conditions > MAX_CONDITIONS:
            raise _wrong(at, "too_many", f"A filter has at most {MAX_CONDITIONS} conditions.")
        if unknown := sorted(map(str, data.keys() - {"field", "op", "value"})):
            raise _wrong(f"{at}/{_escaped(unknown[0])}", "unknown_field", "A condition has `field`, `op` and `value`.")
        field, op = _field(data.get("field"), f"{at}/field"), data.get("op")
        kind = kind_of(field)
        if not isinstance(op, str) or op not in OPS[kind]:
            known = ", ".join(sorted(OPS[kind]))
            raise _wrong(f"{at}/op", "unknown_operator", f"`{field}` can be asked with {known}.")
        value = data.get("value", True) if op == Op.EXISTS else data.get("value")
        return Condition(field, Op(op), _value(kind, Op(op), value, f"{at}/value"))


def _field(field: object, at: str) -> str:
    if isinstance(field, str) and (field in FIELDS or (field.startswith(ATTRIBUTE) and _is_name(field))):
        return field
    raise _wrong(at, "unknown_field", f"Ask about {', '.join(FIELDS)}, or an attribute as `{ATTRIBUTE}color`.")


def _is_name(field: str) -> bool:
    return len(ATTRIBUTE) < len(field) <= len(ATTRIBUTE) + 300 and "\x00" not in field


def _value(kind: Kind, op: Op, value: object, at: str) -> Value:
    if op == Op.EXISTS:
        if not isinstance(value, bool):
            raise _wrong(at, "invalid", "`exists` takes true or false.")
        return value
    if op in (Op.IN, Op.NOT_IN, Op.BETWEEN):
        return tuple(_scalar(kind, op, each, f"{at}/{index}") for index, each in enumerate(_list(op, value, at)))
    return _scalar(kind, op, value, at)


def _list(op: Op, value: object, at: str) -> Sequence[object]:
    if not isinstance(value, list | tuple) or len(value) > MAX_VALUES:
        raise _wrong(at, "invalid", f"`{op}` takes a list of at most {MAX_VALUES} values.")
    if op == Op.BETWEEN and len(value) != 2:
        raise _wrong(at, "invalid", "`between` takes the lowest and the highest value.")
    return value


def _scalar(kind: Kind, op: Op, value: object, at: str) -> Scalar:
    if kind == Kind.MONEY:
        return _number(value, at, texts=True)
    if kind == Kind.INSTANT:
        return _instant(value, at)
    if kind == Kind.ATTRIBUTE and op in _ORDER:
        return _number(value, at)
    if kind == Kind.ATTRIBUTE and op != Op.CONTAINS and not isinstance(value, str):
        return value if isinstance(value, bool) else _number(value, at)
    return _path(_text(value, at), at) if kind == Kind.PATH else _text(value, at)


def _text(value: object, at: str) -> str:
    if not isinstance(value, str) or "\x00" in value or len(value) > MAX_LENGTH:
        raise _wrong(at, "invalid", f"This is a text of at most {MAX_LENGTH:,} characters.")
    return value


def _path(value: str, at: str) -> str:
    try:
        return tidy_path(value)
    except ValueError as error:
        raise _wrong(at, "invalid", f"{error}.") from None


def _number(value: object, at: str, *, texts: bool = False) -> Decimal:
    """A number that PostgreSQL can compare; amounts may be texts as well, as the API shows them."""
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        value, texts = str(value), True
    found = _decimal(value) if texts and isinstance(value, str) else None
    if found is None or not found.is_finite() or abs(found.adjusted()) > 400:
        raise _wrong(at, "invalid", "This is a number.")
    return found


def _decimal(text: str) -> Decimal | None:
    try:
        return Decimal(text) if len(text) <= 400 and text.isascii() and "_" not in text else None
    except ArithmeticError:
        return None


def _instant(value: object, at: str) -> datetime:
    """With a time zone, or as ISO 8601 that names one."""
    try:
        found = value if isinstance(value, datetime) else msgspec.convert(value, datetime)
        check_instant("it", found)
    except (msgspec.ValidationError, ValueError, TypeError):
        found = None
    if found is None or found.tzinfo is None:
        raise _wrong(at, "invalid", "This is a moment such as 2026-11-30T12:00:00Z.")
    return found


def _escaped(name: str) -> str:
    """A name as part of an RFC 6901 pointer."""
    return name[:60].replace("~", "~0").replace("/", "~1")


def _wrong(pointer: str, code: str, message: str) -> DomainError:
    return DomainError("invalid", errors=[{"pointer": pointer, "code": code, "message": message}])
