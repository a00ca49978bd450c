"""The pages of rules: what holds where, in the order in which it applies; and writing rules, with a preview."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from events import history
from imports.dashboard import tried
from recomengine.lib import clock
from recomengine.lib.errors import DomainError
from recommendations import comparison, placements, rule_editing, rule_reading
from recommendations.dashboard import rule_forms
from recommendations.dashboard.rule_forms import RuleForm
from recommendations.models import Rule
from recommendations.rule_reading import Shown, Step
from recommendations.rules import words
from recommendations.rules.conflicts import Conflict
from recommendations.types import Query
from tenants.dashboard import PageRequest, Shop, actor_of, shop_page
from tenants.types import Scope


@dataclass(frozen=True, slots=True)
class Listed:
    """A rule as the pages show it."""

    shown: Shown

    @property
    def row(self) -> Rule:
        return self.shown.row

    @property
    def state(self) -> str:
        """Whether it is on, and if not why."""
        now = clock.now()
        if not self.row.enabled:
            return "off"
        if self.row.ends_at is not None and self.row.ends_at <= now:
            return "ended"
        return "later" if self.row.starts_at is not None and self.row.starts_at > now else "on"


class Stage(NamedTuple):
    """A stage on the page."""

    title: str
    meaning: str
    own: Sequence[str]
    rules: Sequence[Listed]


class Previewed(NamedTuple):
    """What a rule would change in one slate."""

    words: str
    conflicts: Sequence[Conflict]
    slates: Sequence[comparison.Shown]
    is_same: bool


@require_safe
@shop_page
def listed(request: PageRequest, shop: Shop) -> HttpResponse:
    """Every rule, or `?placement=` those that hold there, stage by stage."""
    known = placements.listed(shop.tenant)
    chosen = request.GET.get("placement", "")
    chosen = chosen if chosen in {key for key, _, _ in known} else ""
    found = rule_reading.shown(shop.tenant, chosen or None)
    steps = rule_reading.steps(shop.tenant, chosen, found) if chosen else _steps(found)
    context = {
        "shop": shop,
        "placements": known,
        "chosen": chosen,
        "stages": [Stage(each.stage.title, each.stage.meaning, each.own, _listed(each)) for each in steps],
        "count": len(found),
    }
    return render(request, "rules/list.html", context)


def _steps(found: Sequence[Shown]) -> list[Step]:
    """The stages that have rules, where no placement has a say."""
    steps = [Step(stage, (), [each for each in found if each.stage == stage]) for stage in words.STAGES]
    return [step for step in steps if step.rules]


def _listed(step: Step) -> list[Listed]:
    return [Listed(each) for each in step.rules]


@require_http_methods(["GET", "HEAD", "POST"])
@shop_page(scope=Scope.WRITE)
def new(request: PageRequest, shop: Shop) -> HttpResponse:
    """A form for a new rule; `?placement=` is where it is to hold."""
    if request.method != "POST":
        return _form_page(request, shop, _form(shop, initial={"placement": request.GET.get("placement", "")}))
    form = _form(shop, request.POST)
    return _saved(request, shop, form, lambda sent: rule_editing.create(shop.tenant, sent, by=actor_of(request)))


@require_http_methods(["GET", "HEAD", "POST"])
@shop_page(scope=Scope.WRITE)
def edit(request: PageRequest, shop: Shop, key: str) -> HttpResponse:
    """The form of a rule."""
    row = rule_editing.get(shop.tenant, key)
    if request.method != "POST":
        return _form_page(request, shop, _form(shop, initial=rule_forms.initial(row, shop.zone)), row)
    data = request.POST.copy()
    data["key"] = row.key

    def change(sent: Mapping[str, Any]) -> Rule:
        return rule_editing.edit(shop.tenant, row.key, sent, by=actor_of(request))

    return _saved(request, shop, _form(shop, data), change, row)


@require_POST
@shop_page(scope=Scope.WRITE)
def look(request: PageRequest, shop: Shop) -> HttpResponse:
    """What the rule in the form would change, saved or not; htmx puts it beside the form."""
    data, key = request.POST.copy(), request.POST.get("saved", "")
    if key:
        data["key"] = key
    form = _form(shop, data)
    found = _previewed(shop, form, data) if form.is_valid() else None
    if request.htmx:
        response = render(request, "rules/preview.html", {"shop": shop, "form": form, "previewed": found})
        patch_vary_headers(response, ["HX-Request"])
        return response
    row = rule_editing.get(shop.tenant, key) if key else None
    return _form_page(request, shop, form, row, previewed=found)


@require_POST
@shop_page(scope=Scope.WRITE)
def switch(request: PageRequest, shop: Shop, key: str) -> HttpResponse:
    """Turn a rule on or off."""
    is_on = request.POST.get("enabled") == "on"
    if tried(request, lambda: rule_editing.edit(shop.tenant, key, {"enabled": is_on}, by=actor_of(request))):
        messages.success(request, f"The rule is {'on' if is_on else 'off'} now.")
    return redirect(_back(request.POST.get("placement", "")))


@require_http_methods(["GET", "HEAD", "POST"])
@shop_page(scope=Scope.WRITE)
def delete(request: PageRequest, shop: Shop, key: str) -> HttpResponse:
    """Asks once more, then removes a rule."""
    row = rule_editing.get(shop.tenant, key)
    if request.method == "POST":
        if tried(request, lambda: rule_editing.remove(shop.tenant, key, by=actor_of(request))):
            messages.success(request, "The rule is deleted.")
        return redirect("rule-list")
    return render(request, "rules/delete.html", {"shop": shop, "rule": rule_reading.of_row(row, {})})


def _form(shop: Shop, data: QueryDict | None = None, **options: Any) -> RuleForm:
    known = [(key, name) for key, name, _ in placements.listed(shop.tenant)]
    return RuleForm(data, placements=known, zone=shop.zone, **options)


def _saved(
    request: PageRequest,
    shop: Shop,
    form: RuleForm,
    save: Callable[[Mapping[str, Any]], Rule],
    row: Rule | None = None,
) -> HttpResponse:
    """Save what the form says and go to the list, or show the form with what is wrong; `more` asks for more rows."""
    if "more" in request.POST:
        return _form_page(request, shop, form, row, more=request.POST["more"])
    if form.is_valid():
        try:
            saved = save(form.sent)
        except DomainError as error:
            form.refuse(error)
        else:
            found = rule_reading.one(shop.tenant, saved).conflicts
            messages.success(request, "Saved. Your shop's pages follow within a second.")
            for conflict in found:
                messages.warning(request, conflict.message)
            return redirect(_back(saved.placement or ""))
    return _form_page(request, shop, form, row)


def _form_page(
    request: PageRequest,
    shop: Shop,
    form: RuleForm,
    row: Rule | None = None,
    *,
    more: str = "",
    previewed: Previewed | None = None,
) -> HttpResponse:
    context = {
        "shop": shop,
        "form": form,
        "row": row,
        "filters": form.asked(more),
        "previewed": previewed,
        "placements": placements.listed(shop.tenant),
    }
    wrong = form.is_bound and not more and previewed is None
    return render(request, "rules/form.html", context, status=400 if wrong else 200)


def _previewed(shop: Shop, form: RuleForm, data: QueryDict) -> Previewed | None:
    """The slates before and after; None if the domain objects, which the form says then."""
    item, visitor = (data.get(name, "").strip()[:128] or None for name in ("look_item", "look_visitor"))
    try:
        rule = rule_editing.read(form.sent)
        asked = comparison.context(shop.tenant, item, visitor, clock.now() - history.KEPT)
        query = Query(rule.placement or data.get("look_placement", ""), items=asked.items, visitor_id=visitor)
        compared = rule_reading.compare(shop.tenant, query, rule)
        found = rule_reading.conflicts_with(shop.tenant, rule)
    except DomainError as error:
        form.refuse(error)
        return None
    slates = comparison.side_by_side(shop.tenant, asked, {"Now": compared.before, "With the rule": compared.after})
    shown = rule_reading.of_row(rule_editing.filled(Rule(), rule), {})
    is_same = [each.item.item_id for each in slates[0].cards] == [each.item.item_id for each in slates[1].cards]
    return Previewed(shown.in_words, found, slates, is_same)


def _back(placement: str) -> str:
    return reverse("rule-list") + (f"?{urlencode({'placement': placement})}" if placement else "")
