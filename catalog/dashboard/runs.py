"""Imports that there were and those under way."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_POST, require_safe

from catalog import addresses, importing
from catalog.dashboard import forms
from catalog.importing.kind import CATALOGUE
from catalog.models import Import
from imports import reporting
from recomengine.lib import clock
from recomengine.lib.errors import DomainError
from recomengine.lib.streaming import download
from tenants import tenancy
from tenants.dashboard import PageRequest, Shop, actor_of, shop_page
from tenants.types import Scope

ROWS: Final = 30
ERRORS: Final = 50


@dataclass(frozen=True, slots=True)
class Shown:
    """An import as the pages show it."""

    row: Import

    @property
    def title(self) -> str:
        row = self.row
        return row.source.name if row.source else row.filename or addresses.redacted(row.url)

    @property
    def format_name(self) -> str:
        return forms.FORMATS.get(self.row.format, "a feed")

    @property
    def is_active(self) -> bool:
        return not self.row.is_over

    @property
    def may_resume(self) -> bool:
        return self.row.status in {Import.Status.CANCELLED, Import.Status.FAILED}

    @property
    def seconds(self) -> float | None:
        """How long it has been at work."""
        row = self.row
        return ((row.finished_at or clock.now()) - row.started_at).total_seconds() if row.started_at else None

    @property
    def percent(self) -> float:
        return round(100 * (self.row.share or 0.0), 1)

    @property
    def rate(self) -> int:
        """Rows a second, so far."""
        return round(self.row.rows / self.seconds) if self.seconds and self.row.rows else 0

    @property
    def counts(self) -> list[tuple[str, int]]:
        names = ("rows", "created", "updated", "unchanged", "rejected", "deleted")
        return [(name.capitalize(), getattr(self.row, name)) for name in names]


@require_safe
@shop_page
def history(request: PageRequest, shop: Shop) -> HttpResponse:
    """The newest imports; `?before=` an id for those before it."""
    before = request.GET.get("before", "")
    with tenancy.use(shop.tenant):
        rows = importing.listed()
        if before.isascii() and before.isdigit():
            rows = rows.filter(pk__lt=min(int(before[:19]), 2**63 - 1))
        found = [Shown(row) for row in rows[: ROWS + 1]]
    older = found[ROWS - 1].row.pk if len(found) > ROWS else None
    return render(request, "catalogue/imports.html", {"shop": shop, "runs": found[:ROWS], "older": older})


@require_safe
@shop_page
def one(request: PageRequest, shop: Shop, import_id: int) -> HttpResponse:
    """How far an import is and, when it is over, its report; htmx asks again every second until then."""
    with tenancy.use(shop.tenant):
        run = Shown(importing.get(shop.tenant, import_id))
        title = run.title
        errors = list(importing.rejected(shop.tenant, import_id)[:ERRORS]) if run.row.rejected else []
    part = bool(request.htmx) and not request.htmx.history_restore_request
    template = "catalogue/import_progress.html" if part else "catalogue/import_run.html"
    response = render(request, template, {"shop": shop, "run": run, "title": title, "errors": errors, "part": part})
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
    try:
        change()
    except DomainError as error:
        if error.code == "not_found":
            raise
        messages.error(request, forms.sentence(error))
    return redirect("catalogue-import-run", import_id)


@require_safe
@shop_page
def errors(request: PageRequest, shop: Shop, import_id: int) -> HttpResponseBase:
    """The rows that were not taken, as a CSV file."""
    parts = reporting.errors_csv(CATALOGUE, shop.tenant, import_id)
    return download(request, parts, f"import-{import_id}-errors.csv", "text/csv; charset=utf-8")
