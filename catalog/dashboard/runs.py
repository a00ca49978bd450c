"""Imports that there were and those under way."""

from collections.abc import Callable
from typing import Final

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_POST, require_safe

from catalog import addresses, importing
from catalog.dashboard import forms
from catalog.importing.kind import CATALOGUE
from catalog.models import Import, Mode
from imports import reporting
from imports.dashboard import Run, before, counts_of, tried
from recomengine.lib.streaming import download
from tenants import tenancy
from tenants.dashboard import PageRequest, Shop, actor_of, shop_page
from tenants.types import Scope

ROWS: Final = 30
ERRORS: Final = 50


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
    last = before(request.GET.get("before", ""))
    with tenancy.use(shop.tenant):
        rows = importing.listed() if last is None else importing.listed().filter(pk__lt=last)
        found = list(map(shown, rows[: ROWS + 1]))
    older = found[ROWS - 1].row.pk if len(found) > ROWS else None
    return render(request, "catalogue/imports.html", {"shop": shop, "runs": found[:ROWS], "older": older})


@require_safe
@shop_page
def one(request: PageRequest, shop: Shop, import_id: int) -> HttpResponse:
    """How far an import is and, when it is over, its report; htmx asks again every second until then."""
    with tenancy.use(shop.tenant):
        run = shown(importing.get(shop.tenant, import_id))
        errors = list(importing.rejected(shop.tenant, import_id)[:ERRORS]) if run.row.rejected else []
    part = bool(request.htmx) and not request.htmx.history_restore_request
    template = "catalogue/import_progress.html" if part else "catalogue/import_run.html"
    response = render(request, template, {"shop": shop, "run": run, "title": run.title, "errors": errors, "part": part})
    patch_vary_headers(response, ["HX-Request"])
    return response


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
    parts = reporting.errors_csv(CATALOGUE, shop.tenant, import_id)
    return download(request, parts, f"import-{import_id}-errors.csv", "text/csv; charset=utf-8")
