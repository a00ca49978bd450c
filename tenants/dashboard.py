"""Who looks at which shop: login, the shops a person may open, and the switch between them.

The session remembers a slug and nothing more; whether the person may open that shop is asked of the database on every
request.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final, TypeVar, cast, overload
from zoneinfo import ZoneInfo

import structlog
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails
from redis.exceptions import RedisError

from recomengine.lib.errors import DomainError
from tenants import actors, people, quotas
from tenants.models import Tenant, User
from tenants.people import has_second_factor, is_verified, open_to
from tenants.types import Actor, Role, Scope, TenantRef

log = structlog.get_logger(__name__)
SESSION_KEY: Final = "shop"
IN_MENU: Final = 8
IN_LIST: Final = 100
Page = TypeVar("Page", bound=Callable[..., HttpResponseBase])


class PageRequest(HttpRequest):
    """A request as it reaches the dashboard's views, behind the middleware."""

    htmx: HtmxDetails


@dataclass(frozen=True, slots=True)
class Shop:
    """The tenant a page is about, with what only people need to know of it, and what the person may do there."""

    tenant: TenantRef
    timezone: str
    role: Role = Role.VIEWER

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)

    @property
    def may(self) -> Mapping[str, bool]:
        """Each scope's name, and whether the person has it; templates ask `shop.may.keys`."""
        return {str(scope): scope in self.role.scopes for scope in Scope}

    @property
    def usage(self) -> quotas.Use | None:
        """What is used of the plan; None while Redis, which counts, is away: pages go on without it."""
        try:
            return quotas.use(self.tenant)
        except RedisError as error:
            log.warning("usage not known", tenant=self.tenant.slug, error=str(error))
            return None


def current(request: HttpRequest) -> Tenant | None:
    """The tenant in use, or the person's first one, or None without any.

    Raises Http404 when the one in use is not, or no longer, open to the person, or X-Tenant names another.
    """
    tenant = _in_use(request)
    if tenant is None and SESSION_KEY in request.session:
        del request.session[SESSION_KEY]  # this request fails, the next one starts afresh
        raise Http404
    named = request.headers.get("X-Tenant")
    if named is not None and (tenant is None or named != tenant.slug):
        raise Http404
    return tenant


def _in_use(request: HttpRequest) -> Tenant | None:
    shops, slug = open_to(request.user), request.session.get(SESSION_KEY)
    return shops.filter(slug=slug).first() if slug else shops.order_by("status", "name").first()


def person_of(request: HttpRequest) -> User:
    """The person who is signed in; only for pages that nobody else reaches."""
    return cast(User, request.user)


def actor_of(request: HttpRequest) -> Actor:
    """Who the audit log names for what a page does."""
    return actors.of_person(request, person_of(request).email)


def row_of(shop: Shop) -> Tenant:
    """The row of a page's tenant, for what changes it."""
    return Tenant.objects.get(slug=shop.tenant.slug)


def go_to(request: HttpRequest, tenant: Tenant) -> None:
    """Make a tenant the one in use."""
    request.session[SESSION_KEY] = tenant.slug


@overload
def shop_page(view: Page) -> Page: ...
@overload
def shop_page(view: None = None, *, scope: Scope) -> Callable[[Page], Page]: ...
def shop_page(view: Any = None, *, scope: Scope = Scope.READ) -> Any:
    """Make `view(request, shop, …)` a page of the current shop: login first, membership checked, else the chooser.

    Whoever has not the scope is told so. Of what the view's domain call refuses, `not_found` and `forbidden` are pages.
    """
    return (lambda page: _shop_page(page, scope)) if view is None else _shop_page(view, scope)


def _shop_page(view: Page, scope: Scope) -> Page:
    @wraps(view)
    def page(request: PageRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return to_login(request)
        tenant = current(request)
        if tenant is None:
            return redirect("shops")
        closed = _closed(request, tenant)
        return closed or _shown(view, request, _opened(request, tenant, scope), *args, **kwargs)

    return cast(Page, page)


def _shown(view: Page, request: PageRequest, shop: Shop, *args: Any, **kwargs: Any) -> HttpResponseBase:
    try:
        return view(request, shop, *args, **kwargs)
    except DomainError as error:
        if error.code == "not_found":
            raise Http404 from error
        if error.code == "forbidden":
            raise PermissionDenied(error.detail) from error
        raise


def _opened(request: HttpRequest, tenant: Tenant, scope: Scope) -> Shop:
    role = people.role_in(person_of(request), tenant)
    if role is None:  # the membership ended a moment ago
        raise Http404
    if scope not in role.scopes:
        raise PermissionDenied(
            f"Your role in {tenant.name} is {role}, which does not open this page. An owner can change that."
        )
    return Shop(tenant.ref, tenant.timezone, role)


def _closed(request: PageRequest, tenant: Tenant) -> HttpResponse | None:
    """What is answered for every page of a shop that is suspended, or asks for a second factor; else None."""
    why = _closed_to(request, tenant)
    if why == "suspended":
        context = {"closed": tenant, "role": people.role_in(person_of(request), tenant)}
        return render(request, "shop/suspended.html", context, status=403)
    return _to_second_factor(request, tenant) if why else None


def _closed_to(request: HttpRequest, tenant: Tenant) -> str:
    """Why the shop's pages do not open to the person: `suspended`, `second factor`, or nothing."""
    person = person_of(request)
    if tenant.status == Tenant.Status.SUSPENDED and not person.is_staff:
        return "suspended"
    return "second factor" if tenant.requires_second_factor and not has_second_factor(person) else ""


def signed_in(view: Page) -> Page:
    """Make `view(request, …)` a page for whoever is signed in, of no shop in particular."""

    @wraps(view)
    def page(request: PageRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return to_login(request)
        named = request.headers.get("X-Tenant")
        if named is not None:
            get_object_or_404(open_to(request.user), slug=named)
        return view(request, *args, **kwargs)

    return cast(Page, page)


@require_safe
@signed_in
def shops(request: PageRequest) -> HttpResponse:
    """Every shop the person may open, to search and choose from."""
    words = request.GET.get("q", "").replace("\x00", "").strip()
    found = open_to(request.user).filter(name__icontains=words).order_by("name")
    context = {"found": found[:IN_LIST], "more": max(0, found.count() - IN_LIST), "q": words}
    return render(request, "shops.html", context)


@require_POST
@signed_in
def switch_shop(request: PageRequest) -> HttpResponse:
    """Look at another shop; one that is not open to the person does not exist for them."""
    slug = request.POST.get("shop", "").replace("\x00", "")
    go_to(request, get_object_or_404(open_to(request.user), slug=slug))
    return redirect("overview")


def shop_menu(request: HttpRequest) -> dict[str, Any]:
    """Context of every page, read only if a template asks: the first few shops for the menu, the one in use, and the
    email address if it still has to be verified.
    """
    return {
        "shop_menu": SimpleLazyObject(lambda: list(open_to(request.user).order_by("name")[:IN_MENU])),
        "shop_in_use": SimpleLazyObject(lambda: _shop_in_use(request)),
        "email_to_verify": SimpleLazyObject(lambda: _to_verify(request)),
    }


def _shop_in_use(request: HttpRequest) -> Shop | None:
    """For the menu of pages that are about no shop; None where no page of the shop would open."""
    tenant = _in_use(request)
    role = people.role_in(person_of(request), tenant) if tenant else None
    return Shop(tenant.ref, tenant.timezone, role) if tenant and role and not _closed_to(request, tenant) else None


def _to_verify(request: HttpRequest) -> str:
    user = request.user
    return user.email if user.is_authenticated and not is_verified(user) else ""


def _to_second_factor(request: PageRequest, tenant: Tenant) -> HttpResponse:
    messages.warning(request, f"{tenant.name} opens only with a second factor. Set one up to go on.")
    return HttpResponseClientRedirect(reverse("mfa_index")) if request.htmx else redirect("mfa_index")


def to_login(request: PageRequest) -> HttpResponse:
    if request.htmx:  # a fragment of the login page has no place inside another page
        return HttpResponseClientRedirect(redirect_to_login(request.htmx.current_url_abs_path or "/").url)
    return redirect_to_login(request.get_full_path() if request.method == "GET" else "/")
