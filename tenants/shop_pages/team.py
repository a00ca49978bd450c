"""The page of a shop's people: members, their roles, and invitations."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django_htmx.http import HttpResponseClientRedirect

from recomengine.lib import clock
from recomengine.lib.errors import DomainError
from tenants import invitations, members, people
from tenants.dashboard import SESSION_KEY, PageRequest, Shop, actor_of, person_of, row_of, shop_page
from tenants.models import Membership
from tenants.shop_pages.forms import ShopForm
from tenants.types import Role, Scope

EXPLAINED = {
    Role.VIEWER: "sees everything",
    Role.EDITOR: "also changes what the shop shows",
    Role.ADMIN: "also manages keys, people and settings",
    Role.OWNER: "also sees the audit log, manages owners, and may delete the shop",
}
NAMES = {Role.VIEWER: "Viewer", Role.EDITOR: "Editor", Role.ADMIN: "Admin", Role.OWNER: "Owner"}


class InviteForm(ShopForm):
    email = forms.EmailField(label="Email address", max_length=254)
    role = forms.ChoiceField(initial=Role.VIEWER)

    def __init__(self, shop: Shop, data: Any = None) -> None:
        super().__init__(data)
        choices = [(role.value, f"{NAMES[role]}: {EXPLAINED[role]}") for role in roles(shop)]
        self.fields["role"].choices = choices  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Member:
    """A member as the list shows her, and whether whoever looks may change her."""

    row: Membership
    name: str
    mine: bool
    open: bool


def roles(shop: Shop) -> list[Role]:
    """The roles that whoever looks may give."""
    return [role for role in Role if role is not Role.OWNER or shop.may["own"]]


@require_safe
@shop_page
def page(request: PageRequest, shop: Shop) -> HttpResponse:
    return _page(request, shop, InviteForm(shop))


@require_POST
@shop_page(scope=Scope.MANAGE)
def invite(request: PageRequest, shop: Shop) -> HttpResponse:
    form = InviteForm(shop, request.POST)
    if form.is_valid():
        address, role = form.cleaned_data["email"], Role(form.cleaned_data["role"])
        try:
            invitations.invite(row_of(shop), person_of(request), address, role, by=actor_of(request))
        except DomainError as error:
            if error.code == "forbidden":
                raise
            form.refuse(error)
        else:
            messages.success(request, f"{address} has been sent an invitation.")
            return redirect("team")
    return _page(request, shop, form, status=400)


@require_POST
@shop_page(scope=Scope.MANAGE)
def withdraw(request: PageRequest, shop: Shop, invitation: int) -> HttpResponse:
    address = invitations.withdraw(row_of(shop), person_of(request), invitation, by=actor_of(request))
    messages.success(request, f"The invitation of {address} is withdrawn; its link no longer works.")
    return redirect("team")


@require_POST
@shop_page(scope=Scope.MANAGE)
def change_role(request: PageRequest, shop: Shop, member: int) -> HttpResponse:
    """Of htmx' the answer is the list alone."""
    said, wrong = "", False
    try:
        row = members.change_role(row_of(shop), person_of(request), member, _role(request), by=actor_of(request))
    except DomainError as error:
        if error.code != "last_owner":
            raise
        said, wrong = str(error), True
    else:
        said = f"{row.user.email} is {row.role} now."
        if row.user_id == request.user.pk and request.htmx:  # what the page offers is another now
            return HttpResponseClientRedirect(reverse("team"))
    if request.htmx:
        return render(request, "shop/members.html", {**_people(request, shop), "said": said, "wrong": wrong})
    (messages.error if wrong else messages.success)(request, said)
    return redirect("team")


def _role(request: PageRequest) -> Role:
    try:
        return Role(request.POST.get("role", ""))
    except ValueError as error:
        raise BadRequest("There is no such role.") from error


@require_http_methods(["GET", "HEAD", "POST"])
@shop_page(scope=Scope.MANAGE)
def remove(request: PageRequest, shop: Shop, member: int) -> HttpResponse:
    """Asks once more."""
    tenant, person = row_of(shop), person_of(request)
    row = members.get(tenant, member)
    members.check_may_give(person, tenant, Role(row.role))
    if request.method == "POST":
        return _ended(
            request,
            lambda: members.remove(tenant, person, member, by=actor_of(request)),
            f"{row.user.email} is no member any more.",
        )
    return render(request, "shop/member_remove.html", {"shop": shop, "member": row})


@require_http_methods(["GET", "HEAD", "POST"])
@shop_page
def leave(request: PageRequest, shop: Shop) -> HttpResponse:
    """Asks once more."""
    tenant, person = row_of(shop), person_of(request)
    row = members.of(tenant, person)
    if row is None:
        raise DomainError("not_found")
    if request.method == "POST":
        return _ended(
            request, lambda: members.leave(tenant, person, by=actor_of(request)), f"You have left {tenant.name}."
        )
    return render(request, "shop/leave.html", {"shop": shop, "member": row})


def _ended(request: PageRequest, end: Any, said: str) -> HttpResponse:
    """End a membership, then go where the person still may; the last owner's stays."""
    tenant_slug = request.session.get(SESSION_KEY)
    try:
        end()
    except DomainError as error:
        if error.code != "last_owner":
            raise
        messages.error(request, str(error))
        return redirect("team")
    messages.success(request, said)
    if people.open_to(request.user).filter(slug=tenant_slug).exists() or tenant_slug is None:
        return redirect("team")
    del request.session[SESSION_KEY]
    return redirect("shops")


def _page(request: PageRequest, shop: Shop, form: InviteForm, status: int = 200) -> HttpResponse:
    tenant, now = row_of(shop), clock.now()
    context = {
        **_people(request, shop),
        "form": form,
        "verified": people.is_verified(person_of(request)),
        "explained": [(NAMES[role], text) for role, text in EXPLAINED.items()],
        "invitations": [
            (row, row.expires_at <= now, row.role != Role.OWNER or shop.may["own"])
            for row in invitations.open_of(tenant)
        ]
        if shop.may["manage"]
        else [],
    }
    return render(request, "shop/team.html", context, status=status)


def _people(request: PageRequest, shop: Shop) -> dict[str, Any]:
    found = Membership.objects.filter(tenant__slug=shop.tenant.slug).select_related("user").order_by("user__email")
    listed = [
        Member(
            row,
            NAMES[Role(row.role)],
            row.user_id == request.user.pk,
            shop.may["manage"] and (row.role != Role.OWNER or shop.may["own"]),
        )
        for row in found
    ]
    choices = [(role.value, NAMES[role]) for role in roles(shop)]
    return {"shop": shop, "members": listed, "roles": choices, "member_here": any(each.mine for each in listed)}
