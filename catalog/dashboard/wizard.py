"""Setting up an import: choose a feed, look at what it becomes, start."""

from dataclasses import replace
from typing import Final

import msgspec
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from catalog import drafts, importing, sources
from catalog.dashboard import forms
from catalog.drafts import Draft
from catalog.feeds.types import Format
from catalog.importing import NewImport, Preview
from catalog.models import Import, Mode, Source
from recomengine.lib.errors import DomainError
from tenants import tenancy
from tenants.dashboard import PageRequest, Shop, actor_of, shop_page
from tenants.types import Scope

STEPS: Final = ("Choose a feed", "Look at it", "Import")


@require_http_methods(["GET", "HEAD", "POST"])
@shop_page(scope=Scope.WRITE)
def choose(request: PageRequest, shop: Shop) -> HttpResponse:
    """Step 1: a file or a URL; `?source=` names the remembered feed that it is of."""
    key = request.GET.get("source", "")
    source = sources.get(shop.tenant, key) if key else None
    form = forms.NewImportForm(*((request.POST, request.FILES) if request.method == "POST" else ()))
    if request.method == "POST" and form.is_valid():
        try:
            draft = _drafted(shop, form, source)
        except DomainError as error:
            form.refuse_feed(error)
        else:
            return redirect("catalogue-import-draft", draft.token)
    context = {"shop": shop, "form": form, "steps": STEPS, "source": source}
    return render(request, "catalogue/import_new.html", context, status=400 if form.errors else 200)


def _drafted(shop: Shop, form: forms.NewImportForm, source: Source | None) -> Draft:
    data, file = form.cleaned_data, form.cleaned_data["file"]
    draft = Draft(drafts.new_token(), url=data["url"], source=source.key if source else None)
    if source is None:
        if data["name"]:
            _check_free(shop, data["name"])
        draft = msgspec.structs.replace(draft, name=data["name"], every_hours=data["every_hours"])
    if not file:
        return drafts.of_url(shop.tenant, draft)
    named = msgspec.structs.replace(draft, filename=file.name or "", content_type=file.content_type or "")
    return drafts.of_file(shop.tenant, named, file.chunks())


def _check_free(shop: Shop, name: str) -> None:
    with tenancy.use(shop.tenant):
        if sources.listed().filter(key=forms.key_of(name)).exists():
            raise DomainError("conflict", "There is a source of that name. Choose another, or import from the sources.")


@require_http_methods(["GET", "HEAD", "POST"])
@shop_page(scope=Scope.WRITE)
def look(request: PageRequest, shop: Shop, token: str) -> HttpResponse:
    """Step 2: what the first rows become; sent with `start`, it is imported as it was shown."""
    draft = drafts.get(shop.tenant, token)
    source = sources.get(shop.tenant, draft.source) if draft.source else None
    wanted, problem = _asked(draft, source), ""
    try:
        if request.method == "POST":
            wanted = _chosen(request, wanted)
        if "start" in request.POST:
            row = _started(request, shop, draft, wanted)
            return redirect("catalogue-import-run", row.pk)
    except DomainError as error:
        problem = forms.sentence(error)
    shown = _previewed(shop, draft, wanted)
    context = {
        "shop": shop, "draft": draft, "steps": STEPS, "source": source, "problem": problem, "mode": wanted.mode,
        "preview": shown, "columns": forms.columns(shown), "fields": forms.FIELDS, "formats": forms.FORMATS.items(),
    }  # fmt: skip
    template = "catalogue/import_mapping.html" if request.htmx else "catalogue/import_draft.html"
    return render(request, template, context)


def _asked(draft: Draft, source: Source | None) -> NewImport:
    """The import as it is before anything was chosen."""
    return NewImport(
        mode=source.mode if source else Mode.DELTA, source=draft.source, url=draft.url, filename=draft.filename,
        content_type=draft.content_type,
    )  # fmt: skip


def _chosen(request: PageRequest, asked: NewImport) -> NewImport:
    """The same as the form has it; columns that were those of another format are proposed anew."""
    data = request.POST
    format = forms.format_of(data)
    mapping = forms.mapping_of(data) if data.get("columns_of") == format else {}
    return replace(asked, format=format, mode=data.get("mode", asked.mode), mapping=mapping)


def _previewed(shop: Shop, draft: Draft, wanted: NewImport) -> Preview:
    with drafts.opened(shop.tenant, draft) as file:
        try:
            shown = importing.preview(shop.tenant, wanted, file)
        except DomainError as error:
            if error.code != "unknown_format":
                raise
            shown = importing.preview(shop.tenant, replace(wanted, format=Format.CSV), file)
            shown = replace(shown, broken={"message": str(error)})
    ends_early = not draft.is_whole and (shown.broken or {}).get("code") != "missing_column"
    return replace(shown, broken=None) if ends_early else shown


def _started(request: PageRequest, shop: Shop, draft: Draft, wanted: NewImport) -> Import:
    """Start it, and remember it if it has a name; the draft is over."""
    by = actor_of(request)
    key = forms.key_of(draft.name)
    if key:
        sources.create(shop.tenant, _remembered(draft, wanted, key), by=by)
        wanted = replace(wanted, source=key, mapping=None)
    with drafts.opened(shop.tenant, draft) as file:
        try:
            row = importing.start(shop.tenant, wanted, None if draft.url else file, by=by)
        except DomainError:
            if key:  # it is kept with the import or not at all
                sources.remove(shop.tenant, key, by=by)
            raise
    if key and draft.every_hours:
        sources.edit(shop.tenant, key, {"every_minutes": draft.every_hours * 60}, by=by)
    drafts.discard(shop.tenant, draft)
    return row


def _remembered(draft: Draft, wanted: NewImport, key: str) -> dict[str, object]:
    return {
        "key": key, "name": draft.name, "format": wanted.format, "mode": wanted.mode, "url": draft.url,
        "mapping": msgspec.to_builtins(wanted.mapping or {}),
    }  # fmt: skip
