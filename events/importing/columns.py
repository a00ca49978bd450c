"""A row of a file as the fields of an event: which column is which field, and how its values are written."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from events.bots import FLAGS
from events.types import BUILT_IN, EventType
from recomengine.lib.feeds.names import spelled
from recomengine.lib.feeds.types import FeedBroken, Record, RowError, shown

# The names that columns have for an event's fields, as `spelled` has them; of several in a file that which stands
# first here is the field. Among them are those of Online Retail, RetailRocket, REES46 and GA4's export.
_SYNONYMS: Final[dict[str, tuple[str, ...]]] = {
    "event_id": ("event_id", "message_id"),
    "type": ("type", "event_type", "event_name", "event"),
    "occurred_at": (
        "occurred_at", "event_time", "event_timestamp", "invoice_date", "order_date", "timestamp", "datetime",
        "created_at", "time", "date",
    ),
    "visitor_id": ("visitor_id", "visitorid", "user_pseudo_id", "anonymous_id", "client_id"),
    "user_id": ("user_id", "customer_id", "userid", "customer"),
    "session_id": ("session_id", "user_session", "ga_session_id", "session"),
    "item_id": ("item_id", "product_id", "stock_code", "itemid", "sku", "product"),
    "quantity": ("quantity", "qty"),
    "price": ("price", "unit_price", "item_price"),
    "order_id": ("order_id", "invoice_no", "transaction_id", "transactionid", "order_number"),
    "currency": ("currency", "currency_code"),
    **{name: (name,) for name in ("recommendation_id", "placement", "position", "properties", "consent", "items")},
    "line": ("line",),
    "flag": ("flag",),
    "": ("received_at",),
}  # fmt: skip
_RANKED: Final = {name: (to, rank) for to, names in _SYNONYMS.items() for rank, name in enumerate(names)}
FIELDS: Final = tuple(name for name in _SYNONYMS if name)
_TYPES: Final = {
    "view_item": "view", "product_view": "view", "select_item": "click", "addtocart": "add_to_cart",
    "cart": "add_to_cart", "transaction": "purchase", "order": "purchase", "login": "login",
}  # fmt: skip
_UNIX: Final = re.compile(r"[0-9]{9,17}(\.[0-9]+)?")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BOOLEANS: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class Wrong(Exception):
    """Not an error: a value that the field cannot have, and why."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How an import's rows are read; see `NewImport`. `types` are all that the shop's events may have."""

    type: str = ""
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    date_format: str = ""
    mapping: tuple[tuple[str, str], ...] = ()
    types: frozenset[str] = frozenset(BUILT_IN)


Convert = Callable[[Any, Reading], Any]


@dataclass(slots=True)
class Row:
    """One row of a file: the fields of its event as JSON has them, and the first thing that is wrong with it."""

    line: int
    fields: dict[str, Any] = field(default_factory=dict)
    error: RowError | None = None


def check_header(names: Iterable[str], reading: Reading) -> None:
    """Raises FeedBroken if no row of a table could become an event."""
    found = set(assigned(tuple(names), reading.mapping).values())
    if "occurred_at" not in found:
        raise FeedBroken("missing_column", "No column says when: name one `occurred_at`, or map one to it.", 1)
    if not found & {"visitor_id", "user_id"}:
        raise FeedBroken("missing_column", "No column says who: name one `visitor_id` or `user_id`, or map one.", 1)
    if "type" not in found and not reading.type:
        raise FeedBroken("missing_column", "No column says what: name one `type`, or say the `type` of all rows.", 1)


def left_out(names: Iterable[str], reading: Reading) -> list[str]:
    """The columns that become nothing, though nobody said so."""
    known = assigned(tuple(names), reading.mapping)
    return [name for name in names if name not in known and _RANKED.get(spelled(name), ("x", 0))[0]]


@lru_cache(1_000)
def assigned(columns: tuple[str, ...], mapping: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    """The field of each column that is one's; spelling does not matter (`Invoice No`, `invoice_no`, `InvoiceNo`)."""
    chosen = {column: to for column, to in mapping if column in columns}
    best: dict[str, tuple[int, str]] = {}
    for column in columns:
        to, rank = _RANKED.get(spelled(column), ("", 0))
        if column not in chosen and to and to not in chosen.values() and (to not in best or rank < best[to][0]):
            best[to] = rank, column
    return {column: to for column, to in chosen.items() if to} | {column: to for to, (_, column) in best.items()}


def row_of(record: Record, reading: Reading) -> Row:
    """The fields of a record; what cannot be read is told of the first such column."""
    columns = record.columns
    if isinstance(columns.get("ecommerce"), dict):  # GA4's export has the order's id there
        columns = {**columns["ecommerce"], **columns}
    row = Row(record.line)
    for column, to in assigned(tuple(columns), reading.mapping).items():
        value = columns[column]
        value = value.strip() if isinstance(value, str) else value
        if value is None or value == "":
            continue
        try:
            row.fields[to] = _converted(to, value, reading)
        except (Wrong, ValueError, OverflowError, InvalidOperation) as error:
            code, message = ("invalid", str(error)) if isinstance(error, Wrong) else ("invalid", f"`{to}`: {error}")
            row.error = row.error or RowError(record.line, code, message, to, shown(value))
    _complete(row, reading)
    row.error = row.error and _about(row.error, row)
    return row


def _converted(to: str, value: Any, reading: Reading) -> Any:
    convert: Convert = _CONVERTED.get(to, _text)
    return convert(value, reading)


def _complete(row: Row, reading: Reading) -> None:
    fields = row.fields
    if "type" not in fields and reading.type:
        fields["type"] = reading.type
    if "occurred_at" not in fields and row.error is None:
        row.error = RowError(row.line, "missing_field", "An event of the past needs its `occurred_at`.", "occurred_at")
    quantity = fields.get("quantity")
    if fields.get("type") == EventType.PURCHASE and isinstance(quantity, int) and quantity < 0:
        fields["type"], fields["quantity"] = str(EventType.REFUND), -quantity


def _about(error: RowError, row: Row) -> RowError:
    item = row.fields.get("item_id")
    return RowError(error.line, error.code, error.message, error.field, error.value, item if item else "")


def _text(value: Any, _: Reading) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool | dict | list):
        raise Wrong("This is not a text.")
    return str(value)


def _type(value: Any, reading: Reading) -> str:
    name = _text(value, reading)
    return name if name in reading.types else _TYPES.get(spelled(name), name)


def _whole(value: Any, _: Reading) -> int:
    number = Decimal(str(value))
    if number != number.to_integral_value() or abs(number) >= 10**9:
        raise Wrong("This is not a whole number.")
    return int(number)


def _amount(value: Any, _: Reading) -> str:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise Wrong("This is not an amount; write it as `9.95`.") from None
    return format(number.normalize(), "f") if number.is_finite() and abs(number) < 10**12 else str(value)


def _flag(value: Any, reading: Reading) -> str:
    name = _text(value, reading)
    if name not in FLAGS:
        raise Wrong(f"There is no such flag; use {', '.join(FLAGS)}, or none.")
    return name


def _boolean(value: Any, _: Reading) -> bool:
    found = _BOOLEANS.get(str(value).lower())
    if found is None:
        raise Wrong("This is neither true nor false.")
    return found


def _properties(value: Any, _: Reading) -> Any:
    if not isinstance(value, str):
        return value
    try:
        msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise Wrong(f"This is not JSON: {error}.") from None
    return msgspec.Raw(value.encode())


def _items(value: Any, reading: Reading) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise Wrong("`items` is a list of objects.")
    return [_item(each, reading) for each in value]


def _item(value: Mapping[str, Any], reading: Reading) -> dict[str, Any]:
    found = assigned(tuple(value), ())
    wanted = {column: to for column, to in found.items() if to in {"item_id", "quantity", "price"}}
    return {to: _converted(to, value[column], reading) for column, to in wanted.items() if value[column]}


def _instant(value: Any, reading: Reading) -> str:
    text = _text(value, reading)
    try:
        if reading.date_format:
            found = datetime.strptime(text, reading.date_format)  # noqa: DTZ007 - the zone comes below
        else:
            found = _unix(text) if _UNIX.fullmatch(text) else datetime.fromisoformat(_tidy(text))
    except (ValueError, OverflowError):
        wanted = f"as `{reading.date_format}` has it" if reading.date_format else "like `2026-11-01T09:00:00Z`"
        raise Wrong(f"This is not an instant {wanted}.") from None
    return (found if found.tzinfo else found.replace(tzinfo=reading.zone)).astimezone(UTC).isoformat()


def _tidy(text: str) -> str:
    return text.removesuffix("UTC").rstrip() + "Z" if text.endswith("UTC") else text


def _unix(text: str) -> datetime:
    """Seconds since 1970, or milliseconds or microseconds: whichever lies in this age."""
    number = Decimal(text)
    for unit in (10**6, 10**3, 1):
        if number * unit < 10**17:
            return _EPOCH + timedelta(microseconds=int(number * unit))
    raise ValueError(text)


_CONVERTED: Final[Mapping[str, Convert]] = {
    "type": _type, "occurred_at": _instant, "quantity": _whole, "price": _amount, "position": _whole, "line": _whole,
    "consent": _boolean, "properties": _properties, "items": _items, "flag": _flag,
}  # fmt: skip
