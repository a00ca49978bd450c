"""The page of a shop's settings, of its plan and use, and of its end."""

from collections.abc import Callable
from typing import Any, cast

from allauth.account.decorators import reauthentication_required
from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from recomengine.lib import clock
from recomengine.lib.errors import DomainError
from tenants import changing, members, people, quotas
from tenants.dashboard import SESSION_KEY, PageRequest, Shop, actor_of, person_of, row_of, shop_page
from tenants.models import MOST_TRAINING_EVERY, Tenant, Usage
from tenants.plans import PLANS
from tenants.shop_pages.forms import OriginsField, ShopForm, TypesField, zones
from tenants.types import BUILT_IN_EVENT_TYPES, Scope

FIELDS = (
    "name", "currency", "timezone", "locale", "allowed_origins", "event_retention_days", "event_types",
    "training_every", "serving_log_share",
)  # fmt: skip
MONTHS_SHOWN = 12


def _validators(name: str) -> list[Callable[[Any], None]]:
    """What the model asks of a value, so that everything that is wrong is said at once."""
    return list(cast(Any, Tenant._meta.get_field(name)).validators)


class BasicsForm(ShopForm):
    """What a shop is called, and what it reckons in."""

    name = forms.CharField(max_length=120, help_text="As it is called in the menu and in emails.")
    currency = forms.CharField(
        min_length=3,
        max_length=3,
        initial="EUR",
        help_text="Three letters, e.g. EUR: what prices without a currency are in.",
    )
    timezone = forms.ChoiceField(
        label="Time zone", choices=zones, initial="UTC", help_text="Days begin at its midnight."
    )
    locale = forms.CharField(
        max_length=16,
        initial="en",
        validators=_validators("locale"),
        help_text="Language, and region if need be: de, en-GB.",
    )

    def clean_currency(self) -> str:
        return str(self.cleaned_data["currency"]).upper()


class SettingsForm(BasicsForm):
    allowed_origins = OriginsField(
        required=False,
        label="Allowed origins",
        help_text="Pages of these may use publishable keys that list none of their own. One a line: https://shop.example",
    )
    event_retention_days = forms.IntegerField(
        label="Keep events for",
        min_value=30,
        max_value=3660,
        initial=396,
        help_text="In days, 30 to 3660. Older events are deleted within a day, from the archive as well.",
    )
    event_types = TypesField(
        required=False,
        label="Own types of events",
        help_text=f"One a line, e.g. wishlist. Every shop has {', '.join(BUILT_IN_EVENT_TYPES)}.",
    )
    training_every = forms.IntegerField(
        label="Train recommendations every",
        min_value=0,
        max_value=MOST_TRAINING_EVERY,
        initial=60,
        validators=_validators("training_every"),
        error_messages={"invalid": "Enter a whole number of minutes from 10 to 10,080, or 0."},
        help_text="In minutes, 10 to 10,080, when there is new data. 0: only when somebody asks for it.",
    )
    serving_log_share = forms.FloatField(
        label="Log what is shown to this share of visitors",
        min_value=0,
        max_value=1,
        initial=1,
        help_text="0 to 1. Attribution and evaluation rest on it. What an experiment shows is always logged.",
    )


@require_http_methods(["GET", "HEAD", "POST"])
@shop_page(scope=Scope.MANAGE)
def page(request: PageRequest, shop: Shop) -> HttpResponse:
    tenant = row_of(shop)
    if request.method != "POST":
        return _page(request, shop, tenant, SettingsForm(initial={name: getattr(tenant, name) for name in FIELDS}))
    form = SettingsForm(request.POST)
    if form.is_valid():
        try:
            changing.edit_tenant(tenant, form.cleaned_data, by=actor_of(request))
        except DomainError as error:
            form.refuse(error)
        else:
            messages.success(request, "The settings are saved.")
            return redirect("settings")
    return _page(request, shop, tenant, form, status=400)


@require_POST
@shop_page(scope=Scope.MANAGE)
def second_factor(request: PageRequest, shop: Shop) -> HttpResponse:
    """Ask a second factor of every member, or no longer; whoever asks has one herself."""
    wanted = request.POST.get("required") == "yes"
    try:
        changing.edit_tenant(row_of(shop), {"requires_second_factor": wanted}, by=actor_of(request))
    except DomainError as error:
        if error.code != "second_factor_required":
            raise
        messages.error(request, str(error))
    else:
        how = "only with" if wanted else "also without"
        messages.success(request, f"The shop opens {how} a second factor now.")
    return redirect("settings")


@require_http_methods(["GET", "HEAD", "POST"])
@shop_page(scope=Scope.OWN)
@reauthentication_required  # type: ignore[untyped-decorator]
def delete(request: PageRequest, shop: Shop) -> HttpResponse:
    """Asks who one is, and for the slug."""
    typed, wrong = request.POST.get("slug", "").strip(), False
    if request.method == "POST":
        if typed == shop.tenant.slug:
            changing.delete_tenant(row_of(shop), by=actor_of(request))
            request.session.pop(SESSION_KEY, None)
            messages.success(request, f"{shop.tenant.name} is deleted. For 30 days the operators can bring it back.")
            return redirect("shops")
        wrong = True
    context = {"shop": shop, "typed": typed[:100], "wrong": wrong, "days": changing.GRACE.days}
    return render(request, "shop/delete.html", context, status=400 if wrong else 200)


def _page(request: PageRequest, shop: Shop, tenant: Tenant, form: SettingsForm, status: int = 200) -> HttpResponse:
    use = shop.usage
    context = {
        "shop": shop,
        "settings": tenant,
        "form": form,
        "mine": people.has_second_factor(person_of(request)),
        "without": members.without_second_factor(tenant),
        "plan": PLANS[tenant.plan],
        "use": use,
        "share": _share(use),
        "renewed": quotas.next_month(clock.now()),
        "months": Usage.objects.filter(tenant=tenant, month__lt=quotas.month_of(clock.now()))[:MONTHS_SHOWN],
    }
    return render(request, "shop/settings.html", context, status=status)


def _share(use: quotas.Use | None) -> float | None:
    """How much of the month's events is used, in percent."""
    if use is None or not use.events_per_month:
        return None
    return round(min(100.0, 100 * use.events / use.events_per_month), 1)
