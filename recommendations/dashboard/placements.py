"""The pages of placements: what each shows, by which settings, in which experiment; changing them and going back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from experiments import running
from experiments.types import ExperimentConfig
from imports.dashboard import tried
from recomengine.lib.errors import DomainError
from recommendations import comparison, placement_editing, placements
from recommendations.dashboard import filter_rows
from recommendations.dashboard.placement_forms import PlacementForm, moved
from recommendations.models import Placement
from recommendations.strategies import STRATEGIES, Strategy
from tenants import tenancy
from tenants.dashboard import PageRequest, Shop, actor_of, shop_page
from tenants.types import Scope

BY_DEFAULT: Final = ("trending", "popular", "new")


class Share(NamedTuple):
    """A variant and the share of all visitors that it is served to."""

    key: str
    share: float


class Former(NamedTuple):
    """A version of a placement as its page shows it; the filter as JSON, if there is one."""

    version: placement_editing.Version
    cascade: Sequence[str]
    settings: Sequence[str]
    filter: str


@dataclass(frozen=True, slots=True)
class Listed:
    """A placement as the list shows it."""

    row: Placement
    cascade: Sequence[str]
    settings: Sequence[str]
    experiment: ExperimentConfig | None

    @property
    def shares(self) -> list[Share]:
        found = self.experiment
        return [Share(each.key, each.weight * found.coverage) for each in found.variants] if found else []


@require_safe
@shop_page
def page(request: PageRequest, shop: Shop) -> HttpResponse:
    """All placements."""
    with tenancy.use(shop.tenant):
        rows, known = list(Placement.objects.all()), _strategies()
        under_test = {each.placement: each for each in running.configs()}
    titles = {key: strategy.title for key, strategy in known.items()}
    found = [
        Listed(row, [titles.get(key, key) for key in row.cascade], in_words(row), under_test.get(row.key))
        for row in rows
    ]
    item = next(iter(comparison.best_known(shop.tenant, 1)), None)
    return render(request, "placements/list.html", {"shop": shop, "placements": found, "item": item})


@require_http_methods(["GET", "HEAD", "POST"])
@shop_page(scope=Scope.WRITE)
def new(request: PageRequest, shop: Shop) -> HttpResponse:
    """Make a placement."""
    usual = Placement(cascade=list(BY_DEFAULT))
    return _edited(request, shop, None, _initial(usual), usual.cascade)


@require_http_methods(["GET", "HEAD", "POST"])
@shop_page(scope=Scope.WRITE)
def edit(request: PageRequest, shop: Shop, key: str) -> HttpResponse:
    """Change a placement; the buttons of the cascade change the form, and `Save` the placement."""
    row = placement_editing.get(shop.tenant, key)
    return _edited(request, shop, row, _initial(row), row.cascade)


@require_safe
@shop_page
def versions(request: PageRequest, shop: Shop, key: str) -> HttpResponse:
    """What a placement was before."""
    row = placement_editing.get(shop.tenant, key)
    with tenancy.use(shop.tenant):
        titles = {name: strategy.title for name, strategy in _strategies().items()}
    found = [_former(each, titles) for each in placement_editing.versions(shop.tenant, key)]
    return render(request, "placements/versions.html", {"shop": shop, "placement": row, "versions": found})


@require_POST
@shop_page(scope=Scope.WRITE)
def restore(request: PageRequest, shop: Shop, key: str, number: int) -> HttpResponse:
    """Make a placement again what it was."""
    if tried(request, lambda: placement_editing.restore(shop.tenant, key, number, by=actor_of(request))):
        messages.success(request, f"The placement is again what it was in version {number}.")
    return redirect("placement-versions-page", key)


@require_http_methods(["GET", "HEAD", "POST"])
@shop_page(scope=Scope.WRITE)
def delete(request: PageRequest, shop: Shop, key: str) -> HttpResponse:
    """Asks once more."""
    row = placement_editing.get(shop.tenant, key)
    if request.method == "POST":
        if tried(request, lambda: placement_editing.remove(shop.tenant, key, by=actor_of(request))):
            messages.success(request, f"The placement {row.name} is deleted.")
        return redirect("placement-list")
    return render(request, "placements/delete.html", {"shop": shop, "placement": row})


def in_words(row: Placement) -> list[str]:
    """What is set of a placement beside its cascade."""
    said = [f"up to {row.limit} product{'' if row.limit == 1 else 's'}"]
    said += [] if row.one_per_group else ["all variants of a product"]
    said += ["only products that pass its filter"] if row.filter else []
    said += [f"brands and categories mixed by {row.diversity:.0%}"] if row.diversity else []
    said += [] if row.rotation else ["no rotation"]
    said += [f"margin counts {row.margin:.0%}"] if row.margin else []
    said += [f"newness counts {row.newness:.0%}"] if row.newness else []
    return said + ([f"the last slot by chance in {row.exploration:.0%} of slates"] if row.exploration else [])


def _former(version: placement_editing.Version, titles: Mapping[str, str]) -> Former:
    row = Placement(**version.settings)
    cascade = [titles.get(key, key) for key in row.cascade]
    return Former(version, cascade, in_words(row), msgspec.json.encode(row.filter).decode() if row.filter else "")


def _strategies() -> Mapping[str, Strategy]:
    """All strategies of the tenant in use, by key."""
    return {**STRATEGIES, **placements.blends()}


def _initial(row: Placement) -> dict[str, Any]:
    settings = {name: getattr(row, name) for name in PlacementForm.base_fields if hasattr(row, name)}
    return settings | {"filter": filter_rows.of_filter(row.filter)}


def _edited(
    request: PageRequest, shop: Shop, row: Placement | None, initial: dict[str, Any], cascade: Sequence[str]
) -> HttpResponse:
    """The form, and what was done with it."""
    sent = request.POST
    if request.method != "POST":
        return _form(request, shop, row, PlacementForm(row, initial=initial), cascade)
    cascade = moved(sent.getlist("cascade"), sent.get("move", ""), sent.get("add", ""))
    if "move" in sent or "more" in sent:
        return _form(
            request, shop, row, PlacementForm(row, initial=sent.dict() | PlacementForm.rows_sent(sent)), cascade
        )
    form = PlacementForm(row, sent)
    if form.is_valid() and (saved := _saved(request, shop, row, form, cascade)):
        messages.success(request, f"{saved.name} is saved; it is served within a second.")
        return redirect("placement-list")
    return _form(request, shop, row, form, cascade)


def _saved(
    request: PageRequest, shop: Shop, row: Placement | None, form: PlacementForm, cascade: Sequence[str]
) -> Placement | None:
    """The placement as it is saved; None, with the reason in the form, if it is refused."""
    fields, by = form.settings() | {"cascade": list(cascade)}, actor_of(request)
    try:
        if row is None:
            return placement_editing.create(shop.tenant, fields, by=by)
        return placement_editing.edit(shop.tenant, row.key, fields, by=by)
    except DomainError as error:
        form.refuse(error)
        return None


def _form(
    request: PageRequest, shop: Shop, row: Placement | None, form: PlacementForm, cascade: Sequence[str]
) -> HttpResponse:
    """The whole page, or for htmx the cascade alone."""
    with tenancy.use(shop.tenant):
        known = _strategies()
    move, _, key = request.POST.get("move", "").partition(" ")
    context = {
        "shop": shop,
        "placement": row,
        "form": form,
        "filters": form.asked(request.POST.get("more", "")),
        "cascade": [known[key] for key in cascade if key in known],
        "others": [strategy for key, strategy in known.items() if key not in cascade],
        "moved": key,
        "removed": move == "remove",
    }
    part = bool(request.htmx) and not request.htmx.history_restore_request
    template = "placements/cascade.html" if part else "placements/form.html"
    response = render(request, template, context, status=400 if form.is_bound and form.errors else 200)
    patch_vary_headers(response, ["HX-Request"])
    return response
