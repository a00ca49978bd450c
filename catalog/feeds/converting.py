"""Rows of a feed made into items."""

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from catalog.feeds import values
from catalog.feeds.mapping import ATTRIBUTE, PERIOD, as_attribute, check, merged
from catalog.feeds.types import Format, Mapping, Target
from catalog.feeds.values import Refused
from catalog.types import ItemIn
from recomengine.lib.decoding import field_error
from recomengine.lib.feeds.types import Record, RowError, shown

_CONVERSIONS: Final[dict[str, Callable[[Any], Any]]] = {
    "item_id": values.word, "title": values.text, "description": values.text, "url": values.address,
    "brand": values.text, "currency": values.currency, "availability": values.availability, "group_id": values.word,
    "sale_starts_at": values.instant, "sale_ends_at": values.instant, "published_at": values.instant,
    "expires_at": values.instant,
}  # fmt: skip
_NAMED: Final = re.compile(r"`(\w+)` (must|has|holds)")
_WANTED: Final = {
    "item_id": "An id is 1 to 128 printable ASCII characters.",
    "group_id": "An id is 1 to 128 printable ASCII characters.",
    "url": "An address begins with http:// or https://, holds no space and at most 2,000 characters.",
    "image_url": "An address begins with http:// or https://, holds no space and at most 2,000 characters.",
    "currency": "A currency is a code of three letters, such as EUR.",
}


def mapper(format: Format, chosen: Mapping, currency: str = "") -> Callable[[Record], ItemIn | RowError]:
    """`to_item` for the rows of one feed: `chosen` over the proposal for the columns that each row has.

    Raises ValueError as `mapping.check` does.
    """
    check(chosen)
    known: dict[tuple[str, ...], Mapping] = {}

    def made(record: Record) -> ItemIn | RowError:
        columns = tuple(record.columns)
        mapping = known.get(columns)
        if mapping is None:
            if len(known) >= 1000:  # rows of JSON need not have two alike
                known.clear()
            mapping = known[columns] = merged(columns, format, chosen)
        return to_item(record, mapping, currency)

    return made


def to_item(record: Record, mapping: Mapping, currency: str = "") -> ItemIn | RowError:
    """The item that a row describes, or why it is none; empty values are as good as absent.

    `mapping` names every column of the row (`mapper` sees to that). `currency` is that of amounts that name none.
    """
    row = _Row(currency)
    try:
        for column, value in record.columns.items():
            if value is not None and value != "":
                row.column = column
                row.take(mapping[column], value)
        return msgspec.convert(row.finished(), ItemIn)
    except Refused as error:
        return _refusal(record, mapping, error.code, str(error), field=mapping[row.column].field, column=row.column)
    except msgspec.ValidationError as error:
        return _invalid(record, mapping, error)


class _Row:
    """An item's fields as they come together; `column` is the one being looked at."""

    def __init__(self, currency: str) -> None:
        self.column = ""
        self._currency = currency
        self._fields: dict[str, Any] = {}
        self._attributes: dict[str, Any] = {}
        self._amounts: dict[str, tuple[str, Any]] = {}

    def take(self, target: Target, value: Any) -> None:
        field = target.field
        convert = _CONVERSIONS.get(field)
        if convert is not None:
            found = convert(value)
            if found is not None:
                self._fields[field] = found
        elif field.startswith(ATTRIBUTE):
            found = values.attribute(value, target.kind)
            if found is not None:
                self._attributes[field[len(ATTRIBUTE) :]] = found
        elif field:
            self._take_other(field, value)

    def _take_other(self, field: str, value: Any) -> None:
        """The fields that are not one value of one column."""
        match field:
            case "price" | "sale_price":
                self._amounts[field] = self.column, value
            case "categories":
                self._fields[field] = self._fields.get(field, []) + (values.categories(value) or [])
            case "attributes":  # a column of that name says more than an object that holds it
                self._attributes = {**values.attributes(value), **self._attributes}
            case "image_url":
                self._take_images(value)
            case _ if field == PERIOD:
                ends = zip(("sale_starts_at", "sale_ends_at"), values.interval(value), strict=True)
                self._fields = {**{name: end for name, end in ends if end is not None}, **self._fields}

    def _take_images(self, value: Any) -> None:
        """The first image is the item's; the others become an attribute under the column's name."""
        first, others = (value[:1], value[1:]) if isinstance(value, list) else (value, [])
        found = values.address(first)
        if found is not None:
            self._fields["image_url"] = found
        if others:
            self._attributes[as_attribute(self.column)[len(ATTRIBUTE) :]] = values.attribute(others, "list")

    def finished(self) -> dict[str, Any]:
        """All that was taken; the amounts come last, because any of them may name the currency."""
        named = self._fields.get("currency", "")
        for field, (column, value) in self._amounts.items():
            self.column = column
            found = values.price(value, named or self._currency)
            if found is not None:
                self._fields[field], currency = found
                if currency and named and currency != named:
                    message = f"The row names two currencies, {named} and {currency}; an item has one."
                    raise Refused("conflicting_currencies", message)
                named = currency or named
        if named or self._currency:
            self._fields["currency"] = named or self._currency
        if self._attributes:
            self._fields["attributes"] = self._attributes
        return self._fields


def _invalid(record: Record, mapping: Mapping, error: msgspec.ValidationError) -> RowError:
    """What msgspec or `ItemIn` found wrong, in the words of the feed."""
    found = field_error(error)
    named = _NAMED.match(found["message"])
    field = named[1] if named else found["pointer"].strip("/").partition("/")[0]
    if found["code"] == "missing_field":
        message = f"The row has no `{field}`; map the column that holds it, or fill it in."
        return _refusal(record, mapping, "missing_field", message, field=field)
    message = _WANTED.get(field, found["message"])
    column = next((column for column, target in mapping.items() if target.field == field), "")
    return _refusal(record, mapping, "invalid", message, field=field, column=column)


def _refusal(record: Record, mapping: Mapping, code: str, message: str, *, field: str, column: str = "") -> RowError:
    ids = (record.columns[column] for column in record.columns if mapping[column].field == "item_id")
    value, item_id = record.columns.get(column), next(ids, None)
    return RowError(
        record.line,
        code,
        message.replace("\x00", "\ufffd"),
        field=field.replace("\x00", "\ufffd")[:320],
        value="" if value is None else shown(value),
        item_id="" if item_id is None else shown(item_id)[:128],
    )
