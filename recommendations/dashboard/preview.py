"""The previewer: what a shop's visitors would be shown, and why."""

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from catalog import finding
from catalog.search import Search
from catalog.search import search as search_items
from events import history, visitors
from recomengine.lib import clock
from recommendations import comparison, preview, runs
from tenants.dashboard import PageRequest, Shop, shop_page

SUGGESTED_ITEMS = 8
SUGGESTED_VISITORS = 6
FOUND = 8


@require_safe
@shop_page
def previewer(request: PageRequest, shop: Shop) -> HttpResponse:
    """`?item=` and `?visitor=` say for whom, `&placement=` where; `?q=` searches for one of them."""
    item_id, visitor_id, text = (request.GET.get(name, "").strip() for name in ("item", "visitor", "q"))
    if item_id or visitor_id:
        return _page(request, shop, _compared(shop, request.GET.get("placement"), item_id, visitor_id))
    if text:
        found = _found(shop, text)
        return _only_hit(found) or _page(request, shop, {"found": found, "q": text})
    return _page(request, shop, _suggestions(shop))


@require_safe
@shop_page
def search(request: PageRequest, shop: Shop) -> HttpResponse:
    """The drop-down under the search box."""
    text = request.GET.get("q", "").strip()
    context = {"shop": shop, "q": text, "found": _found(shop, text) if text else None}
    return render(request, "previewer/found.html", context)


def _compared(shop: Shop, placement: str | None, item_id: str, visitor_id: str) -> dict[str, object]:
    asked = comparison.context(shop.tenant, item_id or None, visitor_id or None, clock.now() - history.KEPT)
    if item_id and asked.item is None:
        return {"missing": item_id, **_suggestions(shop)}
    placements = preview.published(shop.tenant).placements
    usual = "pdp" if asked.item else "home"
    found = placements.get(placement or usual) or placements.get(usual)
    config = found.config if found else preview.unknown(usual)
    return {
        "asked": asked,
        "comparison": comparison.compare(shop.tenant, asked, config),
        "placements": sorted(placements),
        "live": runs.live(shop.tenant),
        "api_url": settings.API_URL,
    }


def _suggestions(shop: Shop) -> dict[str, object]:
    return {
        "suggested_items": comparison.best_known(shop.tenant, SUGGESTED_ITEMS),
        "suggested_visitors": visitors.lately_busy(shop.tenant, clock.now() - history.KEPT, SUGGESTED_VISITORS),
        "live": runs.live(shop.tenant),
        "api_url": settings.API_URL,
    }


def _found(shop: Shop, text: str) -> dict[str, list[finding.ItemSummary] | list[str]]:
    return {
        "products": search_items(shop.tenant, Search(text, limit=FOUND)).items,
        "visitors": visitors.search(shop.tenant, text, clock.now() - history.KEPT, FOUND),
    }


def _only_hit(found: dict[str, list[finding.ItemSummary] | list[str]]) -> HttpResponse | None:
    """Go straight to the only thing that was found."""
    hits = [*found["products"], *found["visitors"]]
    if len(hits) != 1:
        return None
    (hit,) = hits
    query = {"visitor": hit} if isinstance(hit, str) else {"item": hit.item_id}
    return redirect(f"{reverse('previewer')}?{urlencode(query)}")


def _page(request: PageRequest, shop: Shop, context: dict[str, object]) -> HttpResponse:
    """The whole page, or only what changes in it when htmx asks (never for its history, which needs all of it)."""
    htmx = request.htmx
    part = bool(htmx) and not htmx.history_restore_request
    # What was swapped in takes the focus, except from the choice of the placement, which stays where it was.
    frame = {
        "shop": shop,
        "history_days": history.KEPT.days,
        "part": part,
        "take_focus": part and htmx.trigger != "placement-form",
    }
    response = render(request, "previewer/result.html" if part else "previewer/page.html", {**frame, **context})
    patch_vary_headers(response, ["HX-Request"])
    return response
