"""A product's page: what the catalogue holds of it, what visitors did with it, and what goes with it."""

from datetime import timedelta
from typing import Final

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from catalog import details
from events import of_items
from recomengine.lib import clock
from recommendations import comparison, runs
from tenants.dashboard import PageRequest, Shop, shop_page

RECENT: Final = 12
COUNTED: Final = timedelta(days=28)


@require_safe
@shop_page
def page(request: PageRequest, shop: Shop, item_id: str) -> HttpResponse:
    """The item of that id, or 404."""
    product = details.of_item(shop.tenant, item_id)
    since = clock.now() - COUNTED
    context = {
        "shop": shop,
        "product": product,
        "item": product.summary,
        "touches": of_items.recent(shop.tenant, item_id, since, RECENT),
        "types": of_items.by_type(shop.tenant, item_id, since),
        "days": COUNTED.days,
        "strategies": comparison.neighbours(shop.tenant, product.summary),
        "live": runs.live(shop.tenant),
        "api_url": settings.API_URL,
    }
    return render(request, "catalogue/product.html", context)
