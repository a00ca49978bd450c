"""Filters as rows of field, operator and value, the way forms ask for them; others are shown as JSON."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec

from catalog.filters import ATTRIBUTE, FIELDS, every, parse
from recomengine.lib.errors import DomainError

OPS: Final[Mapping[str, str]] = {
    "eq": "is", "ne": "is not", "in": "is one of", "not_in": "is none of", "lte": "is at most", "gte": "is at least",
    "lt": "is below", "gt": "is above", "between": "is between", "contains": "contains", "set": "is set",
    "missing": "is missing",
}  # fmt: skip
SUGGESTED: Final = (*FIELDS, f"{ATTRIBUTE}color")
LEAST_ROWS: Final = 2
MORE_ROWS: Final = 3
_LISTS: Final = frozenset({"in", "not_in", "between"})
_EXISTS: Final = {"set": True, "missing": False}
_LITERAL: Final = re.compile(r'true|false|-?(0|[1-9]\d*)(\.\d+)?|".*"', re.DOTALL)


class Row(NamedTuple):
    """A condition as it is typed; of a list the values stand between commas."""

    field: str = ""
    op: str = "eq"
    value: str = ""


@dataclass(frozen=True, slots=True)
class Rows:
    """Conditions that hold `all` at once or of which `any` holds; `text` is the filter as JSON where rows do not do."""

    rows: Sequence[Row] = ()
    joined: str = "all"
    text: str = ""

    @property
    def padded(self) -> list[Row]:
        """The rows, and empty ones to fill in."""
        return [*self.rows, *[Row()] * max(1, LEAST_ROWS - len(self.rows))]

    @property
    def as_json(self) -> Any:
        """The filter as it is sent; None if nothing is filled in. Raises ValueError for a text that is no JSON."""
        if self.text.strip():
            return msgspec.json.decode(self.text)
        conditions = [_condition(row) for row in self.rows]
        return {self.joined: conditions} if conditions else None


def sent(data: Any, name: str) -> Rows:
    """What a form sends of the filter of that name."""
    columns = (data.getlist(f"{name}_{part}") for part in Row._fields)
    rows = [Row(*(each.strip() for each in row)) for row in zip(*columns, strict=False)]
    joined = "any" if data.get(f"{name}_joined") == "any" else "all"
    return Rows([row for row in rows if row.field], joined, data.get(f"{name}_text", ""))


def of_filter(wanted: Mapping[str, Any] | None) -> Rows:
    """A stored filter as rows if it is one condition or one list of them, else as JSON."""
    if wanted is None:
        return Rows()
    joined = "any" if "any" in wanted else "all"
    parts = [wanted] if "field" in wanted else wanted.get(joined)
    if not isinstance(parts, list) or not parts or not all("field" in part for part in parts):
        return Rows(text=_pretty(wanted))
    rows = Rows([_row(part) for part in parts], joined)
    return rows if _means(rows.as_json, wanted) else Rows(text=_pretty(wanted))


def _means(rows: Any, wanted: Mapping[str, Any]) -> bool:
    """Whether rows say the same again; a text with a comma, or a space at its end, they do not."""
    try:
        return every(parse(rows)) == every(parse(wanted))
    except DomainError:
        return False


def _pretty(wanted: Mapping[str, Any]) -> str:
    return msgspec.json.format(msgspec.json.encode(wanted)).decode()


def _condition(row: Row) -> dict[str, Any]:
    if row.op in _EXISTS:
        return {"field": row.field, "op": "exists", "value": _EXISTS[row.op]}
    if row.op in _LISTS:
        values = [_scalar(row.field, each.strip()) for each in row.value.split(",") if each.strip()]
        return {"field": row.field, "op": row.op, "value": values}
    return {"field": row.field, "op": row.op, "value": _scalar(row.field, row.value)}


def _scalar(field: str, text: str) -> Any:
    """Of an attribute numbers, `true`, `false` and what is in quotation marks are read as JSON; others are texts."""
    if not field.startswith(ATTRIBUTE) or not _LITERAL.fullmatch(text):
        return text
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _row(condition: Mapping[str, Any]) -> Row:
    field, op, value = condition["field"], condition["op"], condition.get("value", True)
    if op == "exists":
        return Row(field, "set" if value else "missing")
    values = value if isinstance(value, list) else [value]
    return Row(field, op, ", ".join(_text(field, each) for each in values).strip())


def _text(field: str, value: Any) -> str:
    if not isinstance(value, str):
        return msgspec.json.encode(value).decode()
    is_literal = field.startswith(ATTRIBUTE) and _LITERAL.fullmatch(value)
    return msgspec.json.encode(value).decode() if is_literal else value
