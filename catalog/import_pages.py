"""The pages of imports: setting one up in steps, following it, its report, and those there were."""

import csv
from collections.abc import Iterator
from io import StringIO
from typing import Any, Final

import msgspec
from django.contrib import messages
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from catalog import drafts, import_forms, importing, sources
from catalog.drafts import Draft
from catalog.feeds.types import Format, Mapping
from catalog.import_forms import NewImportForm
from catalog.importing import NewImport, Preview
from catalog.shown_imports import ShownImport
from recomengine.lib.errors import DomainError
from tenants import tenancy
from tenants.dashboard import PageRequest, Shop, actor_of, shop_page
from tenants.types import Scope

ROWS: Final = 30
ERRORS: Final = 50
STEPS: Final = ("Choose a feed", "Look at it", "Import")


@require_http_methods(["GET", "HEAD", "POST"])
@shop_page(scope=Scope.WRITE)
def new(request: PageRequest, shop: Shop) -> HttpResponse:
    """Step 1: a file or a URL. `?source=` names a remembered one that the file is for."""
    key = request.GET.get("source")
    source = sources.get(shop.tenant, key) if key else None
    form = NewImportForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            draft = _drafted(shop, form, key)
        except DomainError as error:
            _refuse(form, error)
        else:
            return redirect("catalogue-import-draft", draft.token)
    context = {"shop": shop, "form": form, "steps": STEPS, "source": source}
    return render(request, "catalogue/import_new.html", context, status=400 if form.errors else 200)


def _drafted(shop: Shop, form: NewImportForm, source: str | None) -> Draft:
    data = form.cleaned_data
    draft = Draft(drafts.new_token(), url=data["url"], source=source)
    if not source:
        if data["name"]:
            sources.check_free(shop.tenant, import_forms.key_of(data["name"]))
        draft = msgspec.structs.replace(draft, name=data["name"], every_hours=data["every_hours"])
    if not data["file"]:
        return drafts.of_url(shop.tenant, draft)
    file = data["file"]
    named = msgspec.structs.replace(draft, filename=file.name or "", content_type=file.content_type or "")
    return drafts.of_file(shop.tenant, named, file.chunks())


def _refuse(form: NewImportForm, error: DomainError) -> None:
    field = "url" if error.code in {"address_not_allowed", "fetch_failed"} else None
    form.add_error("name" if error.code == "conflict" else field, str(error))


@require_http_methods(["GET", "HEAD", "POST"])
@shop_page(scope=Scope.WRITE)
def draft(request: PageRequest, shop: Shop, token: str) -> HttpResponse:
    """Step 2: what the first rows become; sent with `start` it is imported as it is shown."""
    drafted = drafts.get(shop.tenant, token)
    problem = ""
    try:
        wanted = _wanted(request, shop, drafted)
        if "start" in request.POST:
            return redirect("catalogue-import-run", _started(request, shop, drafted, wanted))
    except DomainError as error:
        problem = str(error)
        wanted = _asked(drafted)
    return _draft_page(request, shop, drafted, wanted, problem)


def _wanted(request: PageRequest, shop: Shop, drafted: Draft) -> NewImport:
    """The import as the form has it; before one was sent, as its source has it."""
    data = request.POST
    mode = data.get("mode") or (sources.get(shop.tenant, drafted.source).mode if drafted.source else "delta")
    format = data.get("format", "")
    same_columns = data.get("columns_of") == format
    return msgspec.structs.replace(_asked(drafted)) if False else NewImport(
        format=Format(format) if format in set(Format) else None,
        mode=mode,
        mapping=import_forms.chosen(data) if same_columns else None,
        source=drafted.source,
        url=drafted.url,
        filename=drafted.filename,
        content_type=drafted.content_type,
    )
