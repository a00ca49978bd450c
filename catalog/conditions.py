"""Filters as SQL on the items' table; the same answer as `catalog/matching.py` gives of one product."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple

import msgspec

from catalog.filters import ATTRIBUTE, All, AnyOf, Condition, Filter, Kind, Not, Op, Scalar, kind_of


class Sql(NamedTuple):
    """A condition that is never NULL, and its parameters in order."""

    text: str
    params: list[Any]


ALWAYS: Final = Sql("TRUE", [])
_COMPARED: Final = {Op.LT: "<", Op.LTE: "<=", Op.GT: ">", Op.GTE: ">="}
_DENIED: Final = {Op.NE: Op.EQ, Op.NOT_IN: Op.IN}
_ON_SALE: Final = """(sale_price IS NOT NULL AND (sale_starts_at IS NULL OR sale_starts_at <= %s)
    AND (sale_ends_at IS NULL OR %s < sale_ends_at))"""
_TEXTS: Final = """CASE jsonb_typeof(attributes -> %s::text) WHEN 'array' THEN attributes -> %s::text
    WHEN 'string' THEN jsonb_build_array(attributes -> %s::text) ELSE '[]' END"""


def where(wanted: Filter, at: datetime) -> Sql:
    """The condition for `WHERE`; `at` decides which price holds."""
    if isinstance(wanted, All):
        return _joined(" AND ", [where(part, at) for part in wanted.parts], empty="TRUE")
    if isinstance(wanted, AnyOf):
        return _joined(" OR ", [where(part, at) for part in wanted.parts], empty="FALSE")
    if isinstance(wanted, Not):
        return _not(where(wanted.part, at))
    if wanted.op in _DENIED:
        return _not(where(Condition(wanted.field, _DENIED[wanted.op], wanted.value), at))
    return _CONDITIONS[kind_of(wanted.field)](wanted, at)


def current_price(at: datetime) -> Sql:
    """What a shopper pays: the sale's price while the sale lasts, else the price."""
    return Sql(f"(CASE WHEN {_ON_SALE} THEN sale_price ELSE price END)", [at, at])


def both(one: Sql, other: Sql) -> Sql:
    return _joined(" AND ", [one, other], empty="TRUE")


def _joined(by: str, parts: list[Sql], empty: str) -> Sql:
    text = by.join(part.text for part in parts) or empty
    return Sql(f"({text})", [param for part in parts for param in part.params])


def _not(part: Sql) -> Sql:
    return Sql(f"NOT {part.text}", part.params)


def _plain(condition: Condition, at: datetime) -> Sql:
    """Of a column; it may be NULL, what it is compared with may not."""
    if condition.field == "current_price":
        return _of_current_price(condition, at)
    column = condition.field
    if condition.op == Op.EXISTS:
        has = f"coalesce({column}, '') <> ''" if kind_of(column) == Kind.TEXT else f"{column} IS NOT NULL"
        return Sql(f"({has})", []) if condition.value else Sql(f"(NOT ({has}))", [])
    test = _test(Sql(column, []), condition.op, condition.value)
    return Sql(f"({column} IS NOT NULL AND {test.text})", test.params)


def _of_current_price(condition: Condition, at: datetime) -> Sql:
    """Said of the columns themselves: what PostgreSQL knows of those it does not know of an expression."""
    on_sale = Sql(_ON_SALE, [at, at])
    sale, usual = (_plain(replace(condition, field=name), at) for name in ("sale_price", "price"))
    return _joined(" OR ", [both(on_sale, sale), both(_not(on_sale), usual)], empty="FALSE")


def _test(tested: Sql, op: Op, value: Any) -> Sql:
    if op == Op.BETWEEN:
        return Sql(f"{tested.text} BETWEEN %s AND %s", [*tested.params, *value])
    if op == Op.IN:
        return Sql(f"{tested.text} = ANY(%s)", [*tested.params, list(value)])
    if op == Op.CONTAINS:
        return Sql(f'strpos(lower({tested.text} COLLATE "C"), lower(%s COLLATE "C")) > 0', [*tested.params, value])
    return Sql(f"{tested.text} {_COMPARED.get(op, '=')} %s", [*tested.params, value])


def _path(condition: Condition, _: datetime) -> Sql:
    if condition.op == Op.EXISTS:
        return Sql(f"(category_paths {'<>' if condition.value else '='} '{{}}')", [])
    return Sql("(category_paths && %s::text[])", [list(_values(condition))])


def _attribute(condition: Condition, _: datetime) -> Sql:
    name, op, value = condition.field.removeprefix(ATTRIBUTE), condition.op, condition.value
    if op == Op.EXISTS:
        has = Sql("(coalesce(attributes -> %s::text, 'null') NOT IN ('null', '[]'))", [name])
        return has if value else _not(has)
    if op in (Op.EQ, Op.IN):
        return _joined(" OR ", [Sql("attributes @> %s::jsonb", [each]) for each in _holding(condition)], empty="FALSE")
    if op == Op.CONTAINS:
        test = _test(Sql("each", []), op, value)
        text = f"EXISTS (SELECT FROM jsonb_array_elements_text({_TEXTS}) AS each WHERE {test.text})"
        return Sql(text, [name, name, name, *test.params])
    test = _test(Sql("(attributes -> %s::text)::numeric", [name]), op, value)
    text = f"(CASE jsonb_typeof(attributes -> %s::text) WHEN 'number' THEN {test.text} ELSE FALSE END)"
    return Sql(text, [name, *test.params])


def _holding(condition: Condition) -> Iterator[str]:
    """What attributes hold whose value is one of these, or a list with one of them: containment is in an index."""
    name = condition.field.removeprefix(ATTRIBUTE)
    for value in _values(condition):
        each = f"{value:f}" if isinstance(value, Decimal) else msgspec.json.encode(value).decode()
        yield from (f"{{{_json(name)}:{each}}}", f"{{{_json(name)}:[{each}]}}")


def _json(name: str) -> str:
    return msgspec.json.encode(name).decode()


def _values(condition: Condition) -> tuple[Scalar, ...]:
    return condition.value if isinstance(condition.value, tuple) else (condition.value,)


_CONDITIONS: Final[Mapping[Kind, Callable[[Condition, datetime], Sql]]] = {
    Kind.TEXT: _plain,
    Kind.MONEY: _plain,
    Kind.INSTANT: _plain,
    Kind.PATH: _path,
    Kind.ATTRIBUTE: _attribute,
}
