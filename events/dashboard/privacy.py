"""The dashboard's page about what is stored of one visitor or user: looked up, exported, erased.

Ids are posted, because addresses get into logs and histories of browsers.
"""

from typing import Final

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from events import erasing, personal_data
from recomengine.lib.errors import DomainError
from recomengine.lib.streaming import download
from tenants.dashboard import PageRequest, Shop, actor_of, shop_page
from tenants.shop_pages.forms import ShopForm
from tenants.types import Scope

LATELY: Final = 10


class IdForm(ShopForm):
    id = forms.CharField(
        max_length=128,
        label="Visitor or user",
        strip=False,
        help_text="A visitor_id (the browser) or a user_id (the login), exactly as your shop sends it.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@shop_page
def page(request: PageRequest, shop: Shop) -> HttpResponse:
    form = IdForm(request.POST if request.method == "POST" else None)
    found = None
    if form.is_valid():
        try:
            found = personal_data.summary(shop.tenant, form.cleaned_data["id"])
        except DomainError as error:
            form.add_error("id", error.detail)
    return _page(request, shop, form, found, status=400 if form.errors else 200)


@require_POST
@shop_page
def export(request: PageRequest, shop: Shop) -> HttpResponseBase:
    try:
        parts = personal_data.export(shop.tenant, request.POST.get("id", ""), by=actor_of(request))
    except DomainError as error:
        if error.code == "not_found":
            raise
        messages.error(request, str(error))
        return redirect("privacy")
    return download(request, parts, personal_data.filename(shop.tenant), "application/json")


@require_POST
@shop_page(scope=Scope.WRITE)
def erase(request: PageRequest, shop: Shop) -> HttpResponse:
    """Erase the id that was looked up, once it was typed again."""
    identifier = request.POST.get("id", "")
    form = IdForm({"id": identifier})
    try:
        if request.POST.get("typed") == identifier:
            row = erasing.erase(shop.tenant, identifier, by=actor_of(request))
            messages.success(request, f"Erasure {row.pk} has begun; {row.events} events are erased.")
            return redirect("privacy")
        found = personal_data.summary(shop.tenant, identifier)
    except DomainError as error:
        form.add_error("id", error.detail)
        found = None
    return _page(request, shop, form, found, wrong=True, status=400)


def _page(
    request: PageRequest, shop: Shop, form: IdForm, found: personal_data.Summary | None, *, wrong: bool = False,
    status: int = 200,
) -> HttpResponse:  # fmt: skip
    context = {
        "shop": shop, "form": form, "found": found, "wrong": wrong,
        "erasures": erasing.lately(shop.tenant, LATELY),
    }  # fmt: skip
    return render(request, "shop/privacy.html", context, status=status)
