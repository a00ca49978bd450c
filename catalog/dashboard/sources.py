"""The feeds that are remembered: when they are fetched, where their columns go."""

from typing import Any, NamedTuple

import msgspec
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from catalog import addresses, importing, sources
from catalog.dashboard import forms
from catalog.models import Import, Source
from recomengine.lib.errors import DomainError
from tenants import tenancy
from tenants.dashboard import PageRequest, Shop, actor_of, shop_page
from tenants.types import Scope


class Listed(NamedTuple):
    """A source as the list shows it: without what may be a token in its address, and with its last import."""

    row: Source
    format_name: str
    address: str
    schedule: str
    last: Import | None


@require_safe
@shop_page
def page(request: PageRequest, shop: Shop) -> HttpResponse:
    """All sources."""
    with tenancy.use(shop.tenant):
        rows = list(sources.listed())
        newest = importing.listed().filter(source__in=rows).order_by("source_id", "-pk").distinct("source_id")
        last = {row.source_id: row for row in newest}
    found = [_listed(row, last.get(row.pk)) for row in rows]
    return render(request, "catalogue/sources.html", {"shop": shop, "sources": found})


def _listed(row: Source, last: Import | None) -> Listed:
    return Listed(row, forms.FORMATS[row.format], addresses.redacted(row.url), schedule(row), last)


def schedule(source: Source) -> str:
    """How often a source is fetched, in words."""
    minutes = source.every_minutes or 0
    if minutes % 60:
        return f"every {minutes} minutes"
    hours = minutes // 60
    if hours % 24:
        return "every hour" if hours == 1 else f"every {hours} hours"
    return "every day" if hours == 24 else f"every {hours // 24} days"


@require_http_methods(["GET", "HEAD", "POST"])
@shop_page(scope=Scope.WRITE)
def edit(request: PageRequest, shop: Shop, key: str) -> HttpResponse:
    """Change what is remembered of a source, its columns included."""
    source = sources.get(shop.tenant, key)
    form = forms.SourceForm(request.POST if request.method == "POST" else None, initial=_initial(source))
    if request.method == "POST" and form.is_valid():
        try:
            sources.edit(shop.tenant, key, _changes(request, form, source), by=actor_of(request))
        except DomainError as error:
            form.refuse(error)
        else:
            messages.success(request, f"{form.cleaned_data['name']} is changed.")
            return redirect("catalogue-sources")
    columns = forms.columns_of(sources.mapping_of(source.mapping), {})
    context = {"shop": shop, "form": form, "source": source, "columns": columns, "fields": forms.FIELDS}
    return render(request, "catalogue/source.html", context, status=400 if form.errors else 200)


def _initial(source: Source) -> dict[str, Any]:
    hours = source.every_minutes // 60 if source.every_minutes else None
    return {"name": source.name, "url": source.url, "mode": source.mode, "every_hours": hours}


def _changes(request: PageRequest, form: forms.SourceForm, source: Source) -> dict[str, Any]:
    data = form.cleaned_data
    mapping = msgspec.to_builtins(forms.mapping_of(request.POST))
    changes = {"name": data["name"], "url": data["url"], "mode": data["mode"], "mapping": source.mapping | mapping}
    if "every_hours" in form.changed_data:  # a schedule in minutes, made through the API, stays what it is
        changes["every_minutes"] = data["every_hours"] * 60 if data["every_hours"] else None
    return changes


@require_POST
@shop_page(scope=Scope.WRITE)
def run(request: PageRequest, shop: Shop, key: str) -> HttpResponse:
    """Fetch and import it now, changed or not."""
    try:
        row = importing.run_source(shop.tenant, key, force=True, by=actor_of(request))
    except DomainError as error:
        if error.code == "not_found":
            raise
        messages.error(request, forms.sentence(error))
        return redirect("catalogue-sources")
    return redirect("catalogue-import-run", row.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@shop_page(scope=Scope.WRITE)
def delete(request: PageRequest, shop: Shop, key: str) -> HttpResponse:
    """Asks once more."""
    source = sources.get(shop.tenant, key)
    if request.method == "POST":
        sources.remove(shop.tenant, key, by=actor_of(request))
        messages.success(request, f"{source.name} is forgotten.")
        return redirect("catalogue-sources")
    context = {"shop": shop, "source": source, "address": addresses.redacted(source.url)}
    return render(request, "catalogue/source_delete.html", context)
