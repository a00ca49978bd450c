"""The page on which somebody who is signed in opens another shop."""

from django import forms
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from recomengine.lib.errors import DomainError
from tenants import provisioning
from tenants.dashboard import PageRequest, Shop, actor_of, go_to, person_of, signed_in
from tenants.provisioning import NewTenant
from tenants.shop_pages.keys import NAMES
from tenants.shop_pages.settings import BasicsForm
from tenants.types import Role


class OpeningForm(BasicsForm):
    slug = forms.CharField(
        max_length=40,
        required=False,
        help_text="Its name in the API, for good: small letters, digits, hyphens. Left empty, it is made of the name.",
    )
    field_order = ["name", "slug", "currency", "timezone", "locale"]


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
def page(request: PageRequest) -> HttpResponse:
    """The answer to the form shows the first keys, which are kept nowhere."""
    form = OpeningForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            return _opened(request, NewTenant(**form.cleaned_data))
        except DomainError as error:
            form.refuse(error)
            if error.code == "conflict":
                form.add_error("slug", "Choose another.")
    return render(request, "shop/new.html", {"form": form}, status=400 if form.errors else 200)


def _opened(request: PageRequest, new: NewTenant) -> HttpResponse:
    person = person_of(request)
    tenant, made = provisioning.open_shop(person, new, by=actor_of(request))
    go_to(request, tenant)
    shown = [(NAMES[kind], str(token)) for kind, token in made.items()]
    return render(request, "shop/opened.html", {"shop": Shop(tenant.ref, tenant.timezone, Role.OWNER), "keys": shown})
