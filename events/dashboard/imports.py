"""Imports of events: a form, how far one is, and what there were."""

from typing import Final
from zoneinfo import available_timezones

from django import forms
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from events import importing
from events.importing.kind import EVENTS
from events.importing.types import NewImport
from events.models import Import
from events.types import BUILT_IN
from imports import reporting
from imports.dashboard import Run, counts_of, history_page, run_page, tried
from recomengine.lib.errors import DomainError
from tenants.dashboard import PageRequest, Shop, actor_of, shop_page
from tenants.shop_pages.forms import ShopForm
from tenants.types import Scope

_FORMATS: Final = {"csv": "CSV", "jsonl": "JSON Lines"}


class NewImportForm(ShopForm):
    """A file, and what its rows do not say themselves."""

    file = forms.FileField(
        max_length=300,
        help_text="CSV or JSON Lines, gzipped or not. A row is an event, or one line of an order.",
        widget=forms.FileInput(attrs={"class": "drop-file", "accept": ".csv,.tsv,.txt,.jsonl,.ndjson,.json,.gz"}),
    )
    type = forms.ChoiceField(required=False, label="Type of rows that have none")
    timezone = forms.ChoiceField(label="Time zone", help_text="Of times that name none.")
    date_format = forms.CharField(
        required=False, max_length=64, label="How dates are written",
        help_text="Only if it is neither ISO 8601 nor a Unix time.",
        widget=forms.TextInput(attrs={"placeholder": "%d.%m.%Y %H:%M", "spellcheck": "false"}),
    )  # fmt: skip

    def for_shop(self, shop: Shop) -> "NewImportForm":
        """The same with the shop's types, and its time zone chosen."""
        types = [*BUILT_IN, *shop.tenant.event_types]
        self.fields["type"].choices = [("", "every row has one"), *((each, each) for each in types)]  # type: ignore[attr-defined]
        self.fields["timezone"].choices = [(each, each) for each in sorted(available_timezones())]  # type: ignore[attr-defined]
        self.fields["timezone"].initial = shop.timezone
        return self


@require_http_methods(["GET", "HEAD", "POST"])
@shop_page(scope=Scope.WRITE)
def new(request: PageRequest, shop: Shop) -> HttpResponse:
    """Upload a file, and have it imported."""
    form = NewImportForm(*((request.POST, request.FILES) if request.method == "POST" else ())).for_shop(shop)
    if request.method == "POST" and form.is_valid():
        file, data = form.cleaned_data["file"], form.cleaned_data
        chosen = {name: data[name] for name in ("type", "timezone", "date_format")}
        try:
            asked = NewImport(filename=file.name or "", **chosen)
            row = importing.start(shop.tenant, asked, file.chunks(), by=actor_of(request))
        except DomainError as error:
            form.add_error("file", str(error))
        else:
            return redirect("event-import-run", row.pk)
    return render(request, "events/import_new.html", {"shop": shop, "form": form}, status=400 if form.errors else 200)


def shown(row: Import) -> Run:
    """An import as the pages show it."""
    about = _FORMATS[row.format] + (f", each a {row.type}" if row.type else "")
    counts = counts_of(row, "rows", "events", "stored", "duplicates", "rejected")
    return Run(row, row.filename or f"Import {row.pk}", about, counts)


@require_safe
@shop_page
def history(request: PageRequest, shop: Shop) -> HttpResponse:
    """The newest imports; `?before=` an id for those before it."""
    return history_page(request, shop, "events/imports.html", importing.listed(), shown)


@require_safe
@shop_page
def one(request: PageRequest, shop: Shop, import_id: int) -> HttpResponse:
    """How far an import is and, when it is over, its report; htmx asks again every second until then."""
    return run_page(request, shop, "events", kind=EVENTS, import_id=import_id, shown=shown)


@require_POST
@shop_page(scope=Scope.WRITE)
def cancel(request: PageRequest, shop: Shop, import_id: int) -> HttpResponse:
    """Stop it."""
    tried(request, lambda: importing.cancel(shop.tenant, import_id, by=actor_of(request)))
    return redirect("event-import-run", import_id)


@require_POST
@shop_page(scope=Scope.WRITE)
def resume(request: PageRequest, shop: Shop, import_id: int) -> HttpResponse:
    """Go on with it."""
    tried(request, lambda: importing.resume(shop.tenant, import_id, by=actor_of(request)))
    return redirect("event-import-run", import_id)


@require_safe
@shop_page
def errors(request: PageRequest, shop: Shop, import_id: int) -> HttpResponseBase:
    """The rows that were not taken, as a CSV file."""
    return reporting.errors_file(EVENTS, request, shop.tenant, import_id)
