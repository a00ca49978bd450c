"""The health of the events: what was found when they were last judged, and the counts of each day."""

import csv
import io
from collections import Counter
from typing import Final

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from analytics import charts, event_health, queueing
from analytics.events_api import as_json
from recomengine.lib import clock
from tenants.dashboard import PageRequest, Shop, shop_page
from tenants.types import Scope

DAYS: Final = 28
_GROUPS: Final = {
    "rejected": "Rejected, by reason",
    "refused_requests": "Whole requests refused",
    "flagged": "Flagged, and left out of statistics",
    "notes": "Odd, and yet taken",
}


@require_safe
@shop_page
def report(request: PageRequest, shop: Shop) -> HttpResponse:
    """Findings, the worst first, and a bar a day of what was taken and what was not."""
    days = event_health.daily(shop.tenant, DAYS, clock.now())
    shown = {day: as_json(counted) for day, counted in days.items()}
    rejected = {day: sum(each["rejected"].values()) for day, each in shown.items()}
    bars, top = charts.bars([(each["accepted"], rejected[day]) for day, each in shown.items()])
    total = as_json(sum(days.values(), Counter()))
    context = {
        "shop": shop,
        "health": event_health.last(shop.tenant),
        "bars": list(zip(days, shown.values(), rejected.values(), bars, strict=True)),
        "top": top,
        "days": DAYS,
        "total": total,
        "total_rejected": sum(total["rejected"].values()),
        "reasons": [(title, total[name]) for name, title in _GROUPS.items() if total[name]],
    }
    return render(request, "events/health.html", context)


@require_POST
@shop_page(scope=Scope.WRITE)
def check(request: PageRequest, shop: Shop) -> HttpResponse:
    """Judge the events now, in the background."""
    queueing.check_quality_later(shop.tenant)
    messages.success(request, "The events are being looked at; look again in a moment.")
    return redirect("event-health")


@require_safe
@shop_page
def counts(request: PageRequest, shop: Shop) -> HttpResponse:
    """The counts of the last 90 days as CSV: day, name, count."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("day", "name", "count"))
    writer.writerows(event_health.rows(event_health.daily(shop.tenant, 90, clock.now())))
    response = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{shop.tenant.slug}-event-counts.csv"'
    return response
