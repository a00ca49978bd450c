"""What the catalogue's page shows: its address taken apart, and addresses of what one may choose next."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from urllib.parse import urlencode

from django.http import QueryDict

from catalog.types import tidy_path
from recomengine.lib.fields import MAX_AMOUNT

ROWS: Final = 48
MAX_TEXT: Final = 300
MAX_CHOSEN: Final = 20
SORTS: Final[Mapping[str, str]] = {
    "relevance": "Best match",
    "popularity": "Most popular",
    "newest": "Newest",
    "price": "Price, low to high",
    "-price": "Price, high to low",
}
AVAILABILITY: Final[Mapping[str, str]] = {
    "in_stock": "In stock", "preorder": "Preorder", "out_of_stock": "Out of stock",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an address asks for; several brands, or availabilities, mean any of them."""

    q: str = ""
    category: str = ""
    brand: tuple[str, ...] = ()
    availability: tuple[str, ...] = ()
    low: Decimal | None = None
    high: Decimal | None = None
    sort: str = ""
    page: int = 1

    @property
    def filter(self) -> dict[str, Any] | None:
        """The same in the filter language, or None without any."""
        rules: list[dict[str, Any]] = []
        if self.category:
            rules.append({"field": "category", "op": "eq", "value": self.category})
        for name, chosen in (("brand", self.brand), ("availability", self.availability)):
            if chosen:
                rules.append({"field": name, "op": "in", "value": list(chosen)})
        for op, bound in (("gte", self.low), ("lte", self.high)):
            if bound is not None:
                rules.append({"field": "current_price", "op": op, "value": str(bound)})
        return {"all": rules} if rules else None


@dataclass(frozen=True, slots=True)
class Choice:
    """A value to filter by: how many products have it, the address with it chosen (or no longer), and its depth."""

    name: str
    count: int | None
    query: str
    chosen: bool
    depth: int = 0


def wanted(parameters: QueryDict) -> Wanted:
    """What an address asks for; what cannot be meant is left out."""
    sort = parameters.get("sort", "")
    return Wanted(
        q=_text(parameters.get("q", "")),
        category=_path(parameters.get("category", "")),
        brand=_texts(parameters.getlist("brand")),
        availability=tuple(each for each in _texts(parameters.getlist("availability")) if each in AVAILABILITY),
        low=price(parameters.get("min", "")),
        high=price(parameters.get("max", "")),
        sort=sort if sort in SORTS else "",
        page=_page(parameters.get("page", "")),
    )


def query(state: Wanted, **changes: Any) -> str:
    """The query string of an address that asks for the same but for some changes; on its first page unless named."""
    return urlencode(pairs(state, **changes))


def pairs(state: Wanted, **changes: Any) -> list[tuple[str, Any]]:
    """The same as names and values."""
    asked = replace(state, **{"page": 1, **changes})
    found = [
        ("q", asked.q), ("category", asked.category), *(("brand", each) for each in asked.brand),
        *(("availability", each) for each in asked.availability), ("min", asked.low), ("max", asked.high),
        ("sort", asked.sort), ("page", asked.page if asked.page > 1 else ""),
    ]  # fmt: skip
    return [(name, value) for name, value in found if value not in ("", None)]


def price(text: str) -> Decimal | None:
    """An amount somebody typed, with a point or a comma; None for what is none."""
    try:
        amount = Decimal(text.strip().replace(",", "."))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and 0 <= amount < MAX_AMOUNT else None


def toggles(
    state: Wanted, field: str, counts: Mapping[str, int], names: Mapping[str, str] | None = None
) -> list[Choice]:
    """The values of a filter of which several may be chosen: each link adds its value or takes it away."""
    chosen: tuple[str, ...] = getattr(state, field)
    missing = [value for value in chosen if value not in counts]
    return [
        Choice(
            (names or {}).get(value, value), counts.get(value, 0), query(state, **{field: _toggled(chosen, value)}),
            value in chosen,
        )
        for value in [*missing, *counts]
    ]  # fmt: skip


def tree(state: Wanted, counts: Mapping[str, int]) -> list[Choice]:
    """The categories around the chosen one: what it lies under, and what lies right under it."""
    open_paths = {"", *_lineage(state.category)}
    around = [path for path in {*counts, *_lineage(state.category)} if _parent(path) in open_paths]
    shown = sorted(around, key=lambda path: path.split(" > "))
    return [
        Choice(
            path.rpartition(" > ")[2], counts.get(path),
            query(state, category=_parent(path) if path == state.category else path), path == state.category,
            path.count(" > "),
        )
        for path in shown
    ]  # fmt: skip


def chosen(state: Wanted, currency: str) -> list[Choice]:
    """Every filter that is in force, with the address without it."""
    found = [Choice(state.category, None, query(state, category=""), True)] if state.category else []
    for field, names in (("brand", {}), ("availability", AVAILABILITY)):
        found += [replace(each, count=None) for each in toggles(state, field, {}, names)]
    if state.low is not None:
        found.append(Choice(f"from {state.low} {currency}", None, query(state, low=None), True))
    if state.high is not None:
        found.append(Choice(f"up to {state.high} {currency}", None, query(state, high=None), True))
    return found


def _toggled(chosen: Sequence[str], value: str) -> tuple[str, ...]:
    return tuple(each for each in chosen if each != value) if value in chosen else (*chosen, value)


def _lineage(path: str) -> Iterable[str]:
    levels = path.split(" > ") if path else []
    return [" > ".join(levels[: depth + 1]) for depth in range(len(levels))]


def _parent(path: str) -> str:
    return path.rpartition(" > ")[0]


def _text(text: str) -> str:
    return text.replace("\x00", "").strip()[:MAX_TEXT].strip()


def _path(text: str) -> str:
    try:
        return tidy_path(_text(text))
    except ValueError:
        return ""


def _texts(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, map(_text, texts))))[:MAX_CHOSEN]


def _page(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= 999_999 else 1
