"""A page to try the SDK on without a shop: `/sdk/demo/?key=rec_pub_…`, then a product's page for each card."""

from urllib.parse import quote

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from catalog import finding
from recomengine.lib.errors import DomainError
from tenants import keys

TEMPLATE = "widgets/sdk_demo.html"


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The start page of a pretended shop, or the page of the product that `item` names; a form without a usable key."""
    key, item_id = request.GET.get("key"), request.GET.get("item", "")
    if key is None:
        return render(request, TEMPLATE)
    try:
        caller = keys.authenticate(keys.presented_key(None, None, key) or "")
        if caller.suspended:
            raise DomainError("tenant_suspended")
    except DomainError as error:
        return render(request, TEMPLATE, {"error": str(error)}, status=error.status)
    context = {
        "key": key,
        "tenant": caller.tenant,
        "item_id": item_id,
        "product": finding.find(caller.tenant, item_id) if item_id else None,
        "api_url": f"{request.scheme}://{request.get_host()}",
        "link": f"{request.path}?key={quote(key)}&item={{item_id}}",
    }
    return render(request, TEMPLATE, context)
