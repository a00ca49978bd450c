"""Watching events come in: the page, and the token with which it opens the stream at the API's address."""

from typing import Final

from django.conf import settings
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from events.live_entries import OUTCOMES
from events.live_stream import PATH
from tenants import page_tokens
from tenants.dashboard import PageRequest, Shop, person_of, shop_page

TITLES: Final = {"accepted": "Accepted", "rejected": "Rejected", "duplicate": "Duplicates", "flagged": "Flagged"}


@require_safe
@shop_page
def page(request: PageRequest, shop: Shop) -> HttpResponse:
    """`?visitor_id=`, `?type=` and `?outcome=` are what the page begins with."""
    asked = {name: request.GET.get(name, "").strip()[:128] for name in ("visitor_id", "type", "outcome")}
    context = {
        "shop": shop,
        "asked": asked,
        "outcomes": [(each, TITLES[each], asked["outcome"] == each) for each in sorted(OUTCOMES)],
        "api_url": settings.API_URL,
        "stream_url": settings.API_URL + PATH,
    }
    return render(request, "events/live.html", context)


@never_cache
@require_safe
@shop_page
def token(request: PageRequest, shop: Shop) -> HttpResponse:
    """A token for this shop, the person who asks, and the origin that the page has."""
    origin = f"{request.scheme}://{request.get_host()}"
    return JsonResponse({"token": page_tokens.issue(person_of(request), shop.tenant.slug, origin)})
