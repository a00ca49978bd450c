"""Browsing and searching the catalogue, and taking it away as a file."""

from dataclasses import replace
from typing import Final, NamedTuple

from django.conf import settings
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from catalog import exporting, filters, reading
from catalog.dashboard import browsing, forms
from catalog.dashboard.browsing import Choice, Wanted
from catalog.facets import Count
from catalog.feeds.types import Format
from catalog.filters import AnyOf, Condition, Op
from catalog.search import Found, Search, Sort, search
from recomengine.lib.streaming import download
from tenants.dashboard import PageRequest, Shop, shop_page

COUNTED: Final = 100_000
FACETS: Final = ("category", "availability", "brand")
EXPORTS: Final = [
    (Format.CSV, "For a spreadsheet"),
    (Format.JSONL, "A product a line, for programs"),
    (Format.MERCHANT_XML, "For Google and whoever reads its feeds"),
    (Format.MERCHANT_TSV, "The same as tab-separated text"),
    (Format.SHOPIFY, "As a Shopify shop has it"),
]


class Facet(NamedTuple):
    """One of the filters beside the products; `many` if several of its values may be chosen at once."""

    key: str
    title: str
    choices: list[Choice]
    many: bool = False


@require_safe
@shop_page
def page(request: PageRequest, shop: Shop) -> HttpResponse:
    """The products that the address asks for, as `browsing.wanted` takes it apart."""
    state = browsing.wanted(request.GET)
    asked = _search(state)
    found = search(shop.tenant, asked)
    part = bool(request.htmx) and not request.htmx.history_restore_request
    context = {
        "shop": shop, "state": state, "found": found, "facets": _facets(shop, state, asked, found), "part": part,
        "chosen": browsing.chosen(state, shop.tenant.currency), "unfiltered": browsing.query(Wanted(q=state.q)),
        "price_form": browsing.pairs(state, low=None, high=None), "sorts": browsing.SORTS.items(), "sort": asked.sort,
        "corrections": [(wrong, " or ".join(right)) for wrong, right in found.corrections.items()],
        "newer": browsing.query(state, page=state.page - 1) if state.page > 1 else "",
        "older": browsing.query(state, page=state.page + 1) if found.more else "", "has_newer": state.page > 1,
        "is_empty": not found.total and not reading.count(shop.tenant), "api_url": settings.API_URL,
        "exports": [(key, forms.FORMATS[key], explained) for key, explained in EXPORTS],
    }  # fmt: skip
    response = render(request, "catalogue/found.html" if part else "catalogue/page.html", context)
    patch_vary_headers(response, ["HX-Request"])
    return response


def _search(state: Wanted) -> Search:
    """What the address asks for, in the words of the search; without a text nothing matches better than another."""
    usual = Sort.RELEVANCE if state.q else Sort.POPULARITY
    sort = Sort(state.sort) if state.sort and (state.q or state.sort != Sort.RELEVANCE) else usual
    wanted = filters.parse(state.filter) if state.filter else None
    offset = browsing.ROWS * (state.page - 1)
    return Search(state.q, wanted, sort, browsing.ROWS, offset, FACETS, counted=COUNTED)


def _facets(shop: Shop, state: Wanted, asked: Search, found: Found) -> list[Facet]:
    counts = {name: _counts(found, name) for name in FACETS}
    if state.category:
        counts["category"] = _inside(shop, state.category, asked) | counts["category"]
    availability = {name: counts["availability"].get(name, 0) for name in browsing.AVAILABILITY}
    return [
        Facet("category", "Category", browsing.tree(state, counts["category"])),
        Facet(
            "availability",
            "Availability",
            browsing.toggles(state, "availability", availability, browsing.AVAILABILITY),
            many=True,
        ),
        Facet("brand", "Brand", browsing.toggles(state, "brand", counts["brand"]), many=True),
    ]


def _counts(found: Found, name: str) -> dict[str, int]:
    return {str(each.value): each.count for each in found.facets[name] if isinstance(each, Count)}


def _inside(shop: Shop, category: str, asked: Search) -> dict[str, int]:
    """The counts of what lies in a category: of a large tree they are not among the largest.

    A facet leaves out what is asked of its own field alone; so that is asked along with what no item has.
    """
    inside = AnyOf((Condition("category", Op.EQ, category), Condition("item_id", Op.EQ, "")))
    wanted = filters.every(asked.filter, inside)
    found = search(shop.tenant, replace(asked, filter=wanted, facets=("category",), limit=1, offset=0))
    counts = _counts(found, "category").items()
    return {path: count for path, count in counts if f"{path} > ".startswith(f"{category} > ")}


@require_safe
@shop_page
def export(request: PageRequest, shop: Shop, format: str) -> HttpResponseBase:
    """The whole catalogue as a file of one of the formats."""
    if format not in set(Format):
        raise Http404
    chosen = Format(format)
    parts = exporting.export(shop.tenant, chosen)
    return download(request, parts, exporting.filename(shop.tenant, chosen), exporting.TYPES[chosen][1])
