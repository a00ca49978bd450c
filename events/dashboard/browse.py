"""Looking through the stored events."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.http import Http404, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from events import exporting, listing
from events.exporting import Format
from events.listing import Filter
from events.models import Event
from events.types import BUILT_IN
from recomengine.lib.errors import DomainError
from recomengine.lib.streaming import download
from tenants import tenancy
from tenants.dashboard import PageRequest, Shop, shop_page

ROWS: Final = 50
FIELDS: Final = (
    ("visitor_id", "Visitor"), ("user_id", "User"), ("item_id", "Product"), ("order_id", "Order"),
    ("session_id", "Session"), ("recommendation_id", "Recommendation"),
)  # fmt: skip
EXPORTS: Final = [
    (Format.CSV, "CSV", "For a spreadsheet, and to import again"),
    (Format.JSONL, "JSON Lines", "An item line a line, for programs"),
    (Format.PARQUET, "Parquet", "For analyses; small and typed"),
]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_STEP: Final = timedelta(microseconds=1)
_MOST: Final = 9 * 10**16  # microseconds, some 2,800 years


@require_safe
@shop_page
def page(request: PageRequest, shop: Shop) -> HttpResponse:
    """The events that the address asks for, newest first; `?before=` the last row of the page before."""
    asked = {name: value for name, value in request.GET.dict().items() if name != "before"}
    problem, rows = "", []
    try:
        rows = _rows(shop, wanted(request.GET, shop.zone), _position(request.GET.get("before", "")))
    except DomainError as error:
        problem = str(error)
    older = urlencode({**asked, "before": _place(rows[ROWS - 1])}) if len(rows) > ROWS else ""
    context = {
        "shop": shop, "events": rows[:ROWS], "older": older, "asked": asked, "problem": problem,
        "fields": [(name, title, asked.get(name, "")) for name, title in FIELDS],
        "types": [*BUILT_IN, *shop.tenant.event_types], "is_filtered": any(asked.values()), "exports": EXPORTS,
    }  # fmt: skip
    return render(request, "events/list.html", context, status=400 if problem else 200)


@require_safe
@shop_page
def export(request: PageRequest, shop: Shop, format: str) -> HttpResponseBase:
    """The events that the page's filters let pass, as a file."""
    if format not in set(Format):
        raise Http404
    try:
        asked = wanted(request.GET, shop.zone)
    except DomainError:  # the page says it beside the filters
        return redirect(f"{reverse('event-list')}?{request.GET.urlencode()}")
    chosen = Format(format)
    parts = exporting.export(shop.tenant, asked, chosen)
    return download(request, parts, exporting.filename(shop.tenant, chosen), exporting.TYPES[chosen])


def wanted(parameters: QueryDict, zone: ZoneInfo) -> Filter:
    """What the form asks for; its days are the shop's, first and last included. Raises `invalid`."""
    exact = {name: parameters.get(name, "").replace("\x00", "").strip() for name in listing.EXACT}
    last = _midnight(parameters.get("until", ""), zone, days=1)
    found = Filter(
        {name: value for name, value in exact.items() if value},
        {"true": True, "false": False}.get(parameters.get("flagged", "")),
        _midnight(parameters.get("since", ""), zone),
        last,
    )
    listing.check(found)
    return found


def _midnight(text: str, zone: ZoneInfo, days: int = 0) -> datetime | None:
    try:
        day = date.fromisoformat(text) + timedelta(days=days)
    except (ValueError, OverflowError):
        return None
    return datetime.combine(day, time.min, zone) if 1000 <= day.year < 9999 else None


def _rows(shop: Shop, asked: Filter, before: tuple[datetime, int] | None) -> list[Event]:
    if before is not None and (asked.until is None or before[0] < asked.until):
        asked = replace(asked, until=before[0] + _STEP)  # the partitions of later months are not looked at
    with tenancy.use(shop.tenant):
        events = listing.matching(asked)
        if before is not None:
            events = events.filter(pk__lt=before)
        return list(events.order_by("-pk")[: ROWS + 1])


def _place(event: Event) -> str:
    return f"{(event.occurred_at - _EPOCH) // _STEP}-{event.id}"


def _position(text: str) -> tuple[datetime, int] | None:
    """The key that `_place` wrote; None for what it did not."""
    at, _, key = text.partition("-")
    if not all(part.isascii() and part.isdigit() and len(part) < 19 for part in (at, key)) or int(at) > _MOST:
        return None
    return _EPOCH + int(at) * _STEP, int(key)
