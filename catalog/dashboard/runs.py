"""Imports that there were and those under way."""

from collections.abc import Callable

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from catalog import addresses, importing
from catalog.dashboard import forms
from catalog.importing.kind import CATALOGUE
from catalog.models import Import, Mode
from imports import reporting
from imports.dashboard import Run, counts_of, history_page, run_page, tried
from tenants.dashboard import PageRequest, Shop, actor_of, shop_page
from tenants.types import Scope


def shown(row: Import) -> Run:
    """An import as the pages show it."""
    title = row.source.name if row.source else row.filename or addresses.redacted(row.url)
    how = "replacing the catalogue" if row.mode == Mode.REPLACE else "adding and changing"
    about = f"{forms.FORMATS.get(row.format, 'a feed')}, {how}"
    counts = counts_of(row, "rows", "created", "updated", "unchanged", "rejected", "deleted")
    return Run(row, title, about, counts)


@require_safe
@shop_page
def history(request: PageRequest, shop: Shop) -> HttpResponse:
    """The newest imports; `?before=` an id for those before it."""
    return history_page(request, shop, "catalogue/imports.html", importing.listed(), shown)


@require_safe
@shop_page
def one(request: PageRequest, shop: Shop, import_id: int) -> HttpResponse:
    """How far an import is and, when it is over, its report; htmx asks again every second until then."""
    return run_page(request, shop, "catalogue", kind=CATALOGUE, import_id=import_id, shown=shown)


@require_POST
@shop_page(scope=Scope.WRITE)
def cancel(request: PageRequest, shop: Shop, import_id: int) -> HttpResponse:
    """Stop it."""
    return _changed(request, import_id, lambda: importing.cancel(shop.tenant, import_id, by=actor_of(request)))


@require_POST
@shop_page(scope=Scope.WRITE)
def resume(request: PageRequest, shop: Shop, import_id: int) -> HttpResponse:
    """Go on with it; `allow_deletions` lets it delete what its feed lacks, however much that is."""
    allow = "allow_deletions" in request.POST
    return _changed(
        request,
        import_id,
        lambda: importing.resume(shop.tenant, import_id, allow_deletions=allow, by=actor_of(request)),
    )


def _changed(request: PageRequest, import_id: int, change: Callable[[], Import]) -> HttpResponse:
    tried(request, change)
    return redirect("catalogue-import-run", import_id)


@require_safe
@shop_page
def errors(request: PageRequest, shop: Shop, import_id: int) -> HttpResponseBase:
    """The rows that were not taken, as a CSV file."""
    return reporting.errors_file(CATALOGUE, request, shop.tenant, import_id)
