"""The page of a shop's API keys: which there are, new ones, their successors, their end."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from recomengine.lib import clock
from recomengine.lib.errors import DomainError
from tenants import keys
from tenants.dashboard import PageRequest, Shop, actor_of, row_of, shop_page
from tenants.models import ApiKey
from tenants.shop_pages.forms import DayField, OriginsField, ShopForm, ends
from tenants.types import KeyType, Scope

SHOWN: Final = 200
ENDED_SHOWN: Final = 50
NAMES: Final = {
    KeyType.PUBLISHABLE: "publishable",
    KeyType.READ_ONLY: "read-only",
    KeyType.READ_WRITE: "read-write",
}
EXPLAINED: Final = {
    KeyType.PUBLISHABLE: "For the pages of your shop, where everybody can read it. It asks for recommendations and "
    "sends events, from the origins you allow.",
    KeyType.READ_ONLY: "For your server. It asks for recommendations and reads everything of this shop.",
    KeyType.READ_WRITE: "For your server. It reads and writes everything of this shop, and makes and revokes keys: "
    "keep it as safe as a password.",
}
OVERLAPS: Final = [
    ("0", "at once"),
    ("3600", "in an hour"),
    ("86400", "in a day"),
    ("604800", "in 7 days"),
    ("2592000", "in 30 days"),
]


class KeyForm(ShopForm):
    type = forms.ChoiceField(
        choices=[(kind.value, name.capitalize()) for kind, name in NAMES.items()],
        widget=forms.RadioSelect,
        initial=KeyType.PUBLISHABLE,
    )
    name = forms.CharField(max_length=80, required=False, help_text="What the key is for, e.g. “Web shop”.")
    allowed_origins = OriginsField(
        required=False,
        label="Allowed origins",
        help_text="Of a publishable key, one a line. Without any, those in the shop's settings hold.",
    )
    expires_on = DayField(
        required=False, label="Last day", help_text="In the shop's time zone. Without one it does not expire."
    )
    requests_per_second = forms.IntegerField(
        min_value=1,
        max_value=1_000_000,
        required=False,
        label="Requests a second",
        help_text="Its own limit, beside the plan's.",
    )

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if data.get("allowed_origins") and data.get("type") != KeyType.PUBLISHABLE:
            self.add_error("allowed_origins", "Only publishable keys have origins; the others never belong in a page.")
        return data


class RotationForm(ShopForm):
    overlap = forms.ChoiceField(
        choices=OVERLAPS, widget=forms.RadioSelect, initial="86400", label="The old key stops working"
    )


@dataclass(frozen=True, slots=True)
class Listed:
    """A key as the list shows it."""

    row: ApiKey
    status: str

    @property
    def type_name(self) -> str:
        return NAMES[KeyType(self.row.type)]


@require_safe
@shop_page
def list_page(request: PageRequest, shop: Shop) -> HttpResponse:
    """Usable keys, and the newest that ended."""
    tenant, now = row_of(shop), clock.now()
    usable = ApiKey.objects.usable().filter(tenant=tenant)
    ended = ApiKey.objects.filter(tenant=tenant).exclude(pk__in=usable.values("pk"))
    context = {
        "shop": shop,
        "usable": [Listed(row, "active") for row in usable[:SHOWN]],
        "more": max(0, usable.count() - SHOWN),
        "ended": [Listed(row, row.status_at(now)) for row in ended[:ENDED_SHOWN]],
        "tenant_origins": tenant.allowed_origins,
    }
    return render(request, "shop/keys.html", context)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@shop_page(scope=Scope.KEYS)
def new(request: PageRequest, shop: Shop) -> HttpResponse:
    """The form of a new key; its answer shows the key, which is kept nowhere."""
    form = KeyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            token = keys.create_key(row_of(shop), *_chosen(form, shop), by=actor_of(request))
        except DomainError as error:
            form.refuse(error)
        else:
            return _once(request, shop, token)
    types = list(zip(form["type"], EXPLAINED.values(), strict=True))
    return render(
        request, "shop/key_new.html", {"shop": shop, "form": form, "types": types}, status=400 if form.errors else 200
    )


def _chosen(form: KeyForm, shop: Shop) -> tuple[KeyType, keys.KeySettings]:
    data = form.cleaned_data
    last_moment = ends(data["expires_on"], shop.zone)
    if last_moment is not None and last_moment <= clock.now():
        message = "That day is over already."
        raise DomainError("invalid", errors=[{"pointer": "/expires_on", "code": "invalid", "message": message}])
    chosen = keys.KeySettings(data["name"], data["allowed_origins"], last_moment, data["requests_per_second"])
    return KeyType(data["type"]), chosen


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@shop_page(scope=Scope.KEYS)
def rotate(request: PageRequest, shop: Shop, key_id: str) -> HttpResponse:
    """How long the old key goes on; the answer shows its successor, which is kept nowhere."""
    row = _usable(shop, key_id)
    form = RotationForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        overlap = timedelta(seconds=int(form.cleaned_data["overlap"]))
        token = keys.rotate_key(row_of(shop), key_id, overlap, by=actor_of(request))
        return _once(request, shop, token, row, dict(OVERLAPS)[form.cleaned_data["overlap"]])
    context = {"shop": shop, "form": form, "key": Listed(row, "active")}
    return render(request, "shop/key_rotate.html", context, status=400 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@shop_page(scope=Scope.KEYS)
def revoke(request: PageRequest, shop: Shop, key_id: str) -> HttpResponse:
    """Asks once more, and says what else ends."""
    row = _usable(shop, key_id)
    if request.method == "POST":
        ended = keys.revoke_key(row_of(shop), key_id, by=actor_of(request))
        others = len(ended) - 1
        more = (
            f", nor do the {others} made with it" if others > 1 else ", nor does the one made with it" if others else ""
        )
        messages.success(request, f"The key {row.name or row.key_id} no longer works{more}.")
        return redirect("keys")
    also = [Listed(each, each.status_at(clock.now())) for each in keys.made_with(row)]
    return render(request, "shop/key_revoke.html", {"shop": shop, "key": Listed(row, "active"), "also": also})


def _usable(shop: Shop, key_id: str) -> ApiKey:
    row = keys.get(row_of(shop), key_id)
    if row.status_at(clock.now()) != "active":
        raise DomainError("not_found", f"The key {key_id} has ended already.")
    return row


def _once(
    request: PageRequest, shop: Shop, token: keys.Token, old: ApiKey | None = None, ends_: str = ""
) -> HttpResponse:
    shown = {"shop": shop, "key": str(token), "type_name": NAMES[token.key_type], "old": old, "ends": ends_}
    return render(request, "shop/key_shown.html", shown)
