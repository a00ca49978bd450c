"""The catalogue's pages: browsing and searching it."""

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from catalog import finding
from tenants.dashboard import PageRequest, Shop, shop_page


@require_safe
@shop_page
def browse(request: PageRequest, shop: Shop) -> HttpResponse:
    """`?q=` searches."""
    found = finding.search(shop.tenant, request.GET.get("q", ""), 50)
    return render(request, "catalogue/page.html", {"shop": shop, "found": found, "api_url": settings.API_URL})
