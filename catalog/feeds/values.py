"""A feed's values as an item's: amounts, instants, availability, paths of categories, attributes.

Each function takes a value as it stands in the feed (never None or "") and returns None where it says nothing. They
raise `Refused`.
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any, Final

import msgspec

from catalog.feeds.types import Kind


class Refused(Exception):
    """A value that cannot be taken: a stable code and a sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def text(value: Any) -> str | None:
    """A text as it stands; a number as it is written."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and len(value) <= 1:
        return text(value[0]) if value and value[0] is not None else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(int(value)) if value == value // 1 and abs(value) < 1e15 else str(value)
    raise Refused("invalid", "This has to be one text.")


def word(value: Any) -> str | None:
    """A text without the space around it."""
    found = text(value)
    return found.strip() or None if found is not None else None


def address(value: Any) -> str | None:
    """An address; one that leaves the scheme out (`//cdn.example/a.jpg`) means https."""
    found = word(value)
    return f"https:{found}" if found and found.startswith("//") else found


_PLAIN: Final = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
_PRICE: Final = re.compile(r"([^0-9.,+-]*)([+-]?[0-9.,'’\s]*[0-9][0-9.,'’\s]*)(?:[.,]?[-–—]+)?([^0-9.,+-]*)")
_COMMAS: Final = re.compile(r"[+-]?[1-9][0-9]{0,2}(,[0-9]{2,3})*,[0-9]{3}(\.[0-9]*)?")  # 1,299 and 1,00,000.00
_POINTS: Final = re.compile(r"[+-]?[1-9][0-9]{0,2}((\.[0-9]{3})+,[0-9]*|(\.[0-9]{3}){2,})")  # 1.299,00 and 1.299.000
_SIMPLE: Final = re.compile(r"[+-]?([0-9]+[.,]?[0-9]*|[.,][0-9]+)")
_SPACES: Final = re.compile(r"[\s'’]")
_SYMBOLS: Final = {
    "€": ("EUR",), "£": ("GBP",), "₹": ("INR",), "₽": ("RUB",), "₺": ("TRY",), "₩": ("KRW",), "₪": ("ILS",),
    "₫": ("VND",), "₴": ("UAH",), "฿": ("THB",), "ZŁ": ("PLN",), "KČ": ("CZK",), "FT": ("HUF",), "R$": ("BRL",),
    "US$": ("USD",), "C$": ("CAD",), "CA$": ("CAD",), "A$": ("AUD",), "AU$": ("AUD",), "¥": ("JPY", "CNY"),
    "$": ("USD", "CAD", "AUD", "NZD", "SGD", "HKD", "MXN", "ARS", "CLP", "COP", "TWD"),
    "KR": ("SEK", "NOK", "DKK", "ISK"),
}  # fmt: skip


def price(value: Any, preferred: str) -> tuple[Decimal, str] | None:
    """An amount and its currency, "" if it names none: "9.95 EUR", "EUR 9.95", "9,95 €", "1.299,00".

    Of two kinds of separators the last is the decimal one. A single point is always the decimal one ("1.299" is less
    than two), a single comma unless one to three digits stand before it and exactly three behind ("1,299" is more than
    a thousand). A symbol of several currencies ("$") is `preferred` if that is one of them.
    """
    if isinstance(value, float | int) and not isinstance(value, bool):
        return Decimal(repr(value)), ""
    given = word(value)
    if given is None:
        return None
    if _PLAIN.fullmatch(given):
        return Decimal(given), ""
    found = _PRICE.fullmatch(given) if len(given) <= 60 else None
    if found is None:
        raise Refused("invalid_price", "This is not an amount; write it as `9.95` or `9.95 EUR`.")
    return number(found[2]), _currency(found[1], found[3], preferred)


def number(given: str) -> Decimal:
    """A decimal number with any separators; `price` says how they are read."""
    digits = _SPACES.sub("", given)
    if _COMMAS.fullmatch(digits):
        return Decimal(digits.replace(",", ""))
    if _POINTS.fullmatch(digits):
        return Decimal(digits.replace(".", "").replace(",", "."))
    if _SIMPLE.fullmatch(digits):
        return Decimal(digits.replace(",", "."))
    raise Refused("invalid_price", "The separators of this number contradict each other; write it as `1299.00`.")


def _currency(before: str, after: str, preferred: str) -> str:
    """The currency that the marks around an amount agree on."""
    found: set[str] | None = None
    for mark in (before.strip().upper(), after.strip().upper()):
        if mark:
            named = {mark} if re.fullmatch("[A-Z]{3}", mark) else set(_SYMBOLS.get(mark.rstrip("."), ()))
            found = named if found is None else found & named
            first = mark
    if found is None:
        return ""
    if not found:
        raise Refused("invalid_price", "The currency is not clear; write it as a code of three letters: `9.95 EUR`.")
    known = _SYMBOLS.get(first.rstrip("."), ())
    return preferred if preferred in found else next((each for each in known if each in found), min(found))


def currency(value: Any) -> str | None:
    """A currency by its code or its symbol."""
    given = word(value)
    return _currency(given, "", "") if given else None


_INTERVAL: Final = re.compile(r"\s*/\s*")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ZONE: Final = re.compile(r"\s+(?=[+-][0-9]{2}:?[0-9]{2}$|Z$)")
_MAIL: Final = re.compile(r"([A-Za-z]{3},\s*)?[0-9]{1,2}\s[A-Za-z]{3}\s[0-9]{4}\s.{1,40}")


def instant(value: Any) -> datetime | None:
    """A point in time: ISO 8601 or RFC 2822; UTC where it names no zone, midnight where it names no time."""
    if isinstance(value, datetime):
        return value
    given = word(value)
    if given is None:
        return None
    try:
        found = _parsed(given)
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise Refused(
            "invalid_date", "This is not a date; write it as `2026-11-01T09:00:00Z` or `2026-11-01`."
        ) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _parsed(given: str) -> datetime:
    try:
        return datetime.fromisoformat(given)
    except ValueError:
        return _respelled(given)


def _respelled(given: str) -> datetime:
    """What is not quite ISO 8601: RFC 2822, and a space or UTC before or for the zone."""
    if _MAIL.fullmatch(given):
        return parsedate_to_datetime(given)
    return datetime.fromisoformat(_ZONE.sub("", given.removesuffix("UTC") + "Z" * given.endswith("UTC")))


def interval(value: Any) -> tuple[datetime | None, datetime | None]:
    """The ends of "2026-11-01T00:00+0100/2026-11-30T23:59+0100"; a last day without a time belongs to it whole."""
    given = word(value)
    if given is None:
        return None, None
    ends = _INTERVAL.split(given)
    if len(ends) != 2:
        raise Refused("invalid_date", "This is not a span of time; write it as `2026-11-01T00:00Z/2026-11-30T23:59Z`.")
    start, end = (instant(each) if each else None for each in ends)
    if end is not None and _DAY.fullmatch(ends[1]) and end.year < 9999:
        end += timedelta(days=1)
    return start, end


_KNOWN: Final = {
    "in_stock": ("in stock", "instock", "available", "available for order", "limited availability", "in store only",
                 "online only", "true", "yes", "y"),
    "out_of_stock": ("out of stock", "outofstock", "sold out", "soldout", "discontinued", "unavailable",
                     "not available", "oos", "false", "no", "n"),
    "preorder": ("preorder", "pre order", "backorder", "back order", "presale", "pre sale"),
}  # fmt: skip
_AVAILABILITY: Final = {
    spelling.replace(" ", ""): known for known, spellings in _KNOWN.items() for spelling in spellings
}
_BETWEEN: Final = re.compile(r"[\s_-]+")


def availability(value: Any) -> str | None:
    """in_stock, out_of_stock or preorder, however it is spelled; a flag, or how many there are."""
    if isinstance(value, bool):
        return "in_stock" if value else "out_of_stock"
    given = word(value)
    if given is None or given in _KNOWN:
        return given
    if re.fullmatch(r"-?[0-9]{1,9}", given):
        return "in_stock" if int(given) > 0 else "out_of_stock"
    plain = _BETWEEN.sub("", given.rpartition("schema.org/")[2]).lower()
    if plain not in _AVAILABILITY:
        wanted = "write it as `in_stock`, `out_of_stock`, `preorder` or how many there are"
        raise Refused("invalid_availability", f"This availability is not known; {wanted}.")
    return _AVAILABILITY[plain]


def categories(value: Any) -> list[str] | None:
    """Paths: a list, a JSON array of texts, or texts with "|" between; ">" stands between a path's levels.

    A slash is part of a name ("Salt/Pepper").
    """
    if isinstance(value, list):
        return [path for path in map(word, value) if path]
    given = word(value)
    if given is None:
        return None
    paths = _array(given)
    return paths if paths is not None else [path for path in given.split("|") if path.strip()]


def _array(given: str) -> list[str] | None:
    """The texts of a JSON array, None if it is none."""
    if not given.startswith("["):
        return None
    try:
        return msgspec.json.decode(given, type=list[str])
    except (msgspec.DecodeError, RecursionError):
        return None


def attributes(value: Any) -> dict[str, Any]:
    """The attributes in an object, or in its JSON."""
    if isinstance(value, dict):
        return value
    given = word(value)
    try:
        return msgspec.json.decode(given, type=dict[str, Any]) if given else {}
    except (msgspec.DecodeError, RecursionError) as error:
        message = 'This has to be a JSON object of attributes; map the column to "attributes.<name>" if it is one.'
        raise Refused("invalid_attributes", message) from error


def attribute(value: Any, kind: Kind) -> Any:
    """An attribute's value: as the feed has it if its format knows types, else made of the text as `kind` says.

    Lists become lists of texts; an object its JSON.
    """
    if isinstance(value, list):
        return [each if isinstance(each, str) else _json(each) for each in value if each is not None] or None
    if isinstance(value, dict):
        return _json(value)
    return _KINDS[kind](value) if isinstance(value, str) and kind != "text" else value


def _json(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except RecursionError as error:
        raise Refused("invalid", "This object is nested too deeply.") from error


def _number(given: str) -> int | float | None:
    if not given.strip():
        return None
    try:
        found = number(given) if len(given) <= 60 else None
    except Refused:
        found = None
    if found is None:
        raise Refused("invalid_number", "This is not a number.")
    return int(found) if found == found.to_integral_value() else float(found)


def _boolean(given: str) -> bool | None:
    plain = given.strip().lower()
    if plain in {"true", "yes", "y", "1", "on"}:
        return True
    if plain in {"false", "no", "n", "0", "off"}:
        return False
    if plain:
        raise Refused("invalid_boolean", "This is neither true nor false; write `true` or `false`.")
    return None


def _list(given: str) -> list[str] | None:
    """A JSON array of texts, or what stands between "|", or between commas if there is no "|"."""
    parts = _array(given.strip())
    if parts is None:
        parts = [part.strip() for part in given.split("|" if "|" in given else ",")]
    return [part for part in parts if part] or None


_KINDS: Final = {"number": _number, "boolean": _boolean, "list": _list}
