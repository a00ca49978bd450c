"""Rows as events: the lines of one order, or of one event id, that follow each other are one event.

An event without an id gets one made of its content, so that whatever is imported twice is stored once: the same file
again, one that has grown, one whose rejected rows were put right.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final
from uuid import UUID, uuid5

import msgspec

from events.importing.columns import Row
from events.types import MAX_LINES, EventType
from recomengine.lib.decoding import Rejection
from recomengine.lib.feeds.types import RowError, shown

_ORDERS: Final = frozenset({EventType.PURCHASE, EventType.REFUND})
_OF_ROWS: Final = ("item_id", "quantity", "price", "line", "flag")
_SPACE: Final = UUID("5d0f7c1e-6f0b-5e55-9d0a-3d7a3a1a8f21")


@dataclass(frozen=True)
class Group:
    """The rows of one event."""

    rows: list[Row]

    @cached_property
    def event(self) -> dict[str, Any]:
        """The event as the API takes it; what is not of a line comes from the first row."""
        first = self.rows[0].fields
        event = {name: value for name, value in first.items() if name not in _OF_ROWS}
        if "items" not in first and "item_id" in first:
            event["items"] = [_line(row.fields) for row in self.rows]
        return event | {"event_id": event.get("event_id") or self._id_of(event)}

    def _id_of(self, event: Mapping[str, Any]) -> str:
        return str(uuid5(_SPACE, msgspec.json.encode(event, order="deterministic").decode()))

    @property
    def flag(self) -> str | None:
        """The flag that the event had where it was exported."""
        return self.rows[0].fields.get("flag")

    def errors(self) -> list[RowError]:
        """Why none of the rows can be taken, if one of them cannot be read: an order is stored whole or not at all."""
        bad = next((row.error for row in self.rows if row.error), None)
        return [row.error or _with_it(row, bad.line) for row in self.rows] if bad else []

    def refused(self, why: Rejection) -> list[RowError]:
        """The same for what the steps say of the event, at the row that they speak of."""
        parts = why.pointer.strip("/").split("/")
        is_of_row = len(parts) > 2 and parts[0] == "items" and "items" not in self.rows[0].fields
        at = int(parts[1]) if is_of_row else None
        field = "/".join(parts[2:] if is_of_row else parts)
        return [
            _with_it(row, self.rows[at].line) if at is not None and n != at else _refused(row, why, field)
            for n, row in enumerate(self.rows)
        ]


def _line(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: fields[name] for name in ("item_id", "quantity", "price") if name in fields}


def _refused(row: Row, why: Rejection, field: str) -> RowError:
    value = shown(row.fields[field]) if field in row.fields else ""
    return RowError(row.line, why.code, why.message, field, value, _item(row))


def _with_it(row: Row, line: int) -> RowError:
    message = f"Line {line} of the same event was not taken, and an event is stored whole or not at all."
    return RowError(row.line, "rejected_with_event", message, item_id=_item(row))


def _item(row: Row) -> str:
    item = row.fields.get("item_id", "")
    return item if isinstance(item, str) else ""


def grouped(rows: Iterable[Row]) -> Iterator[Group]:
    """The events of a file's rows, in its order."""
    held: list[Row] = []
    for row in rows:
        if held and not (len(held) < MAX_LINES and _belongs(held[-1], row)):
            yield Group(held)
            held = []
        held.append(row)
    if held:
        yield Group(held)


def _belongs(last: Row, row: Row) -> bool:
    key, number = _key(row), row.fields.get("line")
    if key is None or key != _key(last):
        return False
    return number is None or number > last.fields.get("line", -1)  # the same number again: the event stands twice


def _key(row: Row) -> tuple[Any, ...] | None:
    """What the rows of one event have in common; None for a row that is an event of its own."""
    fields = row.fields
    if "items" in fields or "item_id" not in fields:
        return None
    if "event_id" in fields:
        return ("event_id", fields["event_id"])
    if fields.get("type") not in _ORDERS or "order_id" not in fields:
        return None
    return tuple(fields.get(name) for name in ("type", "order_id", "visitor_id", "user_id"))
