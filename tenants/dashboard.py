"""Who looks at which shop: login, the shops a person may open, and the switch between them.

The session remembers a slug and nothing more; whether the person may open that shop is asked of the database on every
request.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from tenants.models import Tenant
from tenants.people import has_second_factor, is_verified, open_to
from tenants.types import TenantRef

SESSION_KEY: Final = "shop"
IN_MENU: Final = 8
IN_LIST: Final = 100
Page = Callable[..., HttpResponse]


class PageRequest(HttpRequest):
    """A request as it reaches the dashboard's views, behind the middleware."""

    htmx: HtmxDetails


@dataclass(frozen=True, slots=True)
class Shop:
    """The tenant a page is about, with what only people need to know of it."""

    tenant: TenantRef
    timezone: str
    requires_second_factor: bool = False

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


def current_shop(request: HttpRequest) -> Shop | None:
    """The shop in use, or the person's first one, or None without any.

    Raises Http404 when the one in use is not, or no longer, open to the person, and PermissionDenied when it is
    suspended.
    """
    tenant = _in_use(request)
    if tenant is None and SESSION_KEY in request.session:
        del request.session[SESSION_KEY]  # this request fails, the next one starts afresh
        raise Http404
    if tenant is None:
        return None
    if tenant.status == Tenant.Status.SUSPENDED and not request.user.is_staff:
        raise PermissionDenied(f"{tenant.name} is suspended. Its data are kept; ask the operators to open it again.")
    return Shop(tenant.ref, tenant.timezone, tenant.requires_second_factor)


def _in_use(request: HttpRequest) -> Tenant | None:
    shops, slug = open_to(request.user), request.session.get(SESSION_KEY)
    return shops.filter(slug=slug).first() if slug else shops.order_by("status", "name").first()


def shop_page(view: Page) -> Page:
    """Make `view(request, shop, …)` a page of the current shop: login first, membership checked, else the chooser."""

    @wraps(view)
    def page(request: PageRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return _to_login(request)
        shop = current_shop(request)
        if shop is None:
            return redirect("shops")
        if shop.requires_second_factor and not has_second_factor(request.user):
            return _to_second_factor(request, shop)
        return view(request, shop, *args, **kwargs)

    return page


@require_safe
def shops(request: PageRequest) -> HttpResponse:
    """Every shop the person may open, to search and choose from."""
    if not request.user.is_authenticated:
        return _to_login(request)
    words = request.GET.get("q", "").strip()
    found = open_to(request.user).filter(name__icontains=words).order_by("name")
    context = {"found": found[:IN_LIST], "more": max(0, found.count() - IN_LIST), "q": words}
    return render(request, "shops.html", context)


@require_POST
def switch_shop(request: PageRequest) -> HttpResponse:
    """Look at another shop; one that is not open to the person does not exist for them."""
    if not request.user.is_authenticated:
        return _to_login(request)
    tenant = get_object_or_404(open_to(request.user), slug=request.POST.get("shop", ""))
    request.session[SESSION_KEY] = tenant.slug
    return redirect("overview")


def shop_menu(request: HttpRequest) -> dict[str, Any]:
    """Context of every page, read only if a template asks: the first few shops for the menu, the one in use, and the
    email address if it still has to be verified.
    """
    return {
        "shop_menu": SimpleLazyObject(lambda: list(open_to(request.user).order_by("name")[:IN_MENU])),
        "shop_in_use": SimpleLazyObject(lambda: _name_in_use(request)),
        "email_to_verify": SimpleLazyObject(lambda: _to_verify(request)),
    }


def _name_in_use(request: HttpRequest) -> str:
    found = _in_use(request)
    return found.name if found else ""


def _to_verify(request: HttpRequest) -> str:
    user = request.user
    return user.email if user.is_authenticated and not is_verified(user) else ""


def _to_second_factor(request: PageRequest, shop: Shop) -> HttpResponse:
    messages.warning(request, f"{shop.tenant.name} opens only with a second factor. Set one up to go on.")
    return HttpResponseClientRedirect(reverse("mfa_index")) if request.htmx else redirect("mfa_index")


def _to_login(request: PageRequest) -> HttpResponse:
    if request.htmx:  # a fragment of the login page has no place inside another page
        return HttpResponseClientRedirect(redirect_to_login(request.htmx.current_url_abs_path or "/").url)
    return redirect_to_login(request.get_full_path() if request.method == "GET" else "/")
