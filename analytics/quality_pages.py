"""The catalogue's data quality: each kind of fault with its count, and the items that have it."""

from typing import Final

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from analytics import queueing, unknown_items
from analytics.models import UnknownItem
from catalog import finding, quality
from tenants import tenancy
from tenants.dashboard import PageRequest, Shop, shop_page
from tenants.types import Scope

LISTED: Final = 100


@require_safe
@shop_page
def report(request: PageRequest, shop: Shop) -> HttpResponse:
    """Every kind of fault, the most frequent first."""
    found = quality.report(shop.tenant)
    issues = [(code, issue, found.counts[code], _share(found, code)) for code, issue in quality.ISSUES.items()]
    context = {
        "shop": shop,
        "items": found.items,
        "issues": sorted(issues, key=lambda each: -each[2]),
        "unknown": unknown_items.last(shop.tenant),
    }
    return render(request, "catalogue/quality.html", context)


@require_safe
@shop_page
def issue(request: PageRequest, shop: Shop, code: str) -> HttpResponse:
    """The newest items that have one fault."""
    with tenancy.use(shop.tenant):
        faulty = quality.having(shop.tenant, code)
        total, ids = faulty.count(), list(faulty.order_by("-pk").values_list("item_id", flat=True)[:LISTED])
    context = {
        "shop": shop,
        "code": code,
        "issue": quality.ISSUES[code],
        "found": {"items": finding.find_all(shop.tenant, ids)},
        "total": total,
    }
    return render(request, "catalogue/quality_items.html", context)


@require_safe
@shop_page
def unknown(request: PageRequest, shop: Shop) -> HttpResponse:
    """The items that events name and the catalogue lacks, those with most events first."""
    with tenancy.use(shop.tenant):
        rows = list(_by_events()[:LISTED])
    context = {"shop": shop, "unknown": unknown_items.last(shop.tenant), "rows": rows}
    return render(request, "catalogue/quality_unknown.html", context)


@require_POST
@shop_page(scope=Scope.WRITE)
def check(request: PageRequest, shop: Shop) -> HttpResponse:
    """Look for unknown items now, in the background."""
    queueing.check_quality_later(shop.tenant)
    messages.success(request, "Events and catalogue are being compared; look again in a moment.")
    return redirect("catalogue-quality")


def _by_events() -> QuerySet[UnknownItem]:
    return UnknownItem.objects.order_by("-events", "item_id")


def _share(found: quality.Report, code: str) -> float:
    return found.counts[code] / found.items if found.items else 0.0
