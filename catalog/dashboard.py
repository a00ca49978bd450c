"""The catalogue's pages: browsing and searching it."""

from collections import Counter
from types import SimpleNamespace

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from catalog import browsing, finding
from tenants.dashboard import PageRequest, Shop, shop_page


@require_safe
@shop_page
def browse(request: PageRequest, shop: Shop) -> HttpResponse:
    """`?q=` searches."""
    state = browsing.wanted(request.GET)
    items = finding.newest(shop.tenant, 100)
    from catalog.types import with_ancestors
    cats = Counter(p for i in items for p in with_ancestors(i.categories))
    brands = Counter(i.brand for i in items if i.brand)
    av = Counter(i.availability for i in items)
    found = SimpleNamespace(items=items, total=len(items), exact=True)
    part = bool(request.htmx) and not request.htmx.history_restore_request
    ctx = {"shop": shop, "found": found, "state": state, "api_url": settings.API_URL, "size": len(items), "part": part,
      "sorts": browsing.SORTS.items(), "sort": state.sort or "popularity", "corrected": "", "chosen": browsing.chosen(state, shop.tenant.currency),
      "unfiltered": browsing.query(browsing.Wanted(q=state.q)), "exports": [("csv", "CSV", "For a spreadsheet"), ("jsonl", "JSON Lines", "Every field, to import again")],
      "facets": [
        {"key": "category", "title": "Category", "choices": browsing.tree(state, cats), "many": False},
        {"key": "availability", "title": "Availability", "choices": browsing.toggles(state, "availability", av, browsing.AVAILABILITY), "many": True},
        {"key": "brand", "title": "Brand", "choices": browsing.toggles(state, "brand", brands), "many": True},
      ], "newer": browsing.query(state), "older": browsing.query(state, page=2)}
    response = render(request, "catalogue/found.html" if part else "catalogue/page.html", ctx)
    patch_vary_headers(response, ["HX-Request"])
    return response
