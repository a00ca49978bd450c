"""The overview: the first page of a shop."""

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from analytics import charts, event_health, overview
from recomengine.lib import clock
from tenants.dashboard import PageRequest, Shop, shop_page


@require_safe
@shop_page
def overview_page(request: PageRequest, shop: Shop) -> HttpResponse:
    """`?days=` 7, 28 or 90 and `?chart=` one of the measures; anything else is the default."""
    days = next((days for days in overview.PERIODS if str(days) == request.GET.get("days")), overview.DEFAULT_PERIOD)
    shown = overview.read(shop.tenant, overview.period(days, clock.now(), shop.zone), shop.zone)
    measure = next((each for each in shown.measures if each.key == request.GET.get("chart")), shown.measures[0])
    context = {
        "shop": shop,
        "overview": shown,
        "measure": measure,
        "chart": charts.time_series(measure),
        "cards": [(each, charts.sparkline([point.value for point in each.points])) for each in shown.measures],
        "types": _with_shares(shown.types),
        "periods": overview.PERIODS,
        "api_url": settings.API_URL,
        "health": event_health.last(shop.tenant),
    }
    return render(request, "overview.html", context)


def _with_shares(types: dict[str, int]) -> list[tuple[str, int, float]]:
    """Each type with its count and its share of all events, in percent."""
    total = sum(types.values())
    return [(name.replace("_", " "), events, round(100 * events / total, 1)) for name, events in types.items()]
