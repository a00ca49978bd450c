"""How pages write numbers, money and items without a picture."""

import re
import zlib
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django import template
from django.utils.timesince import timesince

register = template.Library()

HUES: Final = 12
BRIEF: Final = 80
SYMBOLS: Final = {
    "EUR": "€", "GBP": "£", "USD": "$", "JPY": "¥", "CNY": "CN¥", "INR": "₹", "KRW": "₩", "BRL": "R$", "AUD": "A$",
    "CAD": "CA$", "NZD": "NZ$", "MXN": "MX$", "ILS": "₪", "VND": "₫",
}  # fmt: skip
# The first that occurs: later ones occur in what the earlier ones send as well.
PROGRAMS: Final = (
    ("Edg/", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser", "Samsung Internet"), ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"), ("CriOS", "Chrome"), ("Chrome", "Chrome"), ("Safari", "Safari"),
)  # fmt: skip
SYSTEMS: Final = (
    ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"), ("Mac OS", "Mac"),
    ("CrOS", "ChromeOS"), ("Linux", "Linux"),
)  # fmt: skip
WITHOUT_CENTS: Final = frozenset({"JPY", "KRW", "VND", "CLP", "ISK", "HUF"})
_WORD: Final = re.compile(r"[^\W\d_]+")


@register.filter
def money(amount: Decimal | str | None, currency: str) -> str:
    """An amount of a currency: "£9.95", "CHF 1,200.00"; a dash where there is none."""
    return _money(amount, currency, 0 if currency in WITHOUT_CENTS else 2)


@register.filter
def money_short(amount: Decimal | float | str | None, currency: str) -> str:
    """An amount for a headline or an axis: without cents from a thousand on."""
    small = amount is not None and abs(Decimal(amount)) < 1000 and Decimal(amount) % 1 != 0
    return _money(amount, currency, 2 if small and currency not in WITHOUT_CENTS else 0)


@register.filter
def grouped(number: float) -> str:
    """A number with its thousands apart: 12,345; a whole one without decimals."""
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:,}"


@register.filter
def percent(fraction: float) -> str:
    """A fraction as a percentage of at most one decimal, without its sign: -0.1234 → "12.3 %"."""
    size = abs(fraction) * 100
    return f"{size:,.0f}%" if size >= 100 else f"{size:.1f}%"


@register.filter
def spaced(name: str) -> str:
    """A name of the API as words: add_to_cart → "add to cart"."""
    return name.replace("_", " ")


@register.filter
def ago(instant: datetime) -> str:
    """How long ago something was, in its largest unit: "3 hours ago"."""
    return f"{timesince(instant, depth=1)} ago"


@register.filter
def brief(value: Any) -> str:
    """A value of an attribute as a short text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= BRIEF else f"{text[: BRIEF - 1]}…"


@register.filter
def duration(seconds: float) -> str:
    """A stretch of time in its two largest units: "12 s", "3 min 5 s", "2 h 4 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s" if whole else "under a second"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


@register.filter
def initials(title: str) -> str:
    """Up to two letters that stand for a title without a picture."""
    words = _WORD.findall(title)
    return "".join(word[0] for word in words[:2]).upper() or title[:2].upper()


@register.filter
def hue(identifier: str) -> int:
    """A number below `HUES` that always is the same for an id; the stylesheet has a colour for each."""
    return zlib.crc32(identifier.encode()) % HUES


@register.simple_tag
def amount(number: Any, is_money: bool, currency: str) -> str:
    """A measure's value: money or a count."""
    return money_short(number, currency) if is_money else grouped(number)


def _money(amount: Decimal | float | str | None, currency: str, places: int) -> str:
    if amount is None:
        return "–"
    symbol = SYMBOLS.get(currency, f"{currency} ")
    number = Decimal(amount)
    return f"{'−' if number < 0 else ''}{symbol}{abs(number):,.{places}f}"


@register.filter
def client(agent: str) -> str:
    """What a User-Agent header says, in a few words: "Firefox on Windows"; its beginning if it says nothing known."""
    program = next((name for part, name in PROGRAMS if part in agent), "")
    system = next((name for part, name in SYSTEMS if part in agent), "")
    return " on ".join(filter(None, (program, system))) or agent[:60] or "Unknown device"
