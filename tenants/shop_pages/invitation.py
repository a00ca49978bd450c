"""Where the link of an invitation leads."""

from typing import Final

from allauth.account.adapter import get_adapter
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from recomengine.lib.errors import DomainError
from tenants import invitations
from tenants.dashboard import PageRequest, actor_of, go_to, person_of
from tenants.models import Invitation
from tenants.types import Role

MAY: Final = {
    Role.VIEWER: "see everything of the shop",
    Role.EDITOR: "see everything of the shop and change what it shows",
    Role.ADMIN: "do all in the shop but what concerns its owners",
    Role.OWNER: "do all in the shop, like every owner",
}


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: PageRequest, token: str) -> HttpResponse:
    """Joining is a POST; strangers sign in or sign up first, and come back."""
    try:
        found = invitations.find(token)
        if not request.user.is_authenticated:
            return _to_account(request, found, token)
        if request.method == "POST":
            return _join(request, token)
    except DomainError as error:
        return render(request, "shop/invitation_ended.html", {"error": error}, status=error.status)
    mine = invitations.is_for(found, person_of(request))
    context = {"invitation": found, "mine": mine, "may": MAY[Role(found.role)], "here": request.path}
    return render(request, "shop/invitation.html", context, status=200 if mine else 403)


def _to_account(request: PageRequest, found: Invitation, token: str) -> HttpResponse:
    """The token has shown that the address is hers, so a new account's address needs no other proof."""
    request.session["invitation"] = token
    known = invitations.has_account(found)
    if not known:
        get_adapter().stash_verified_email(request, found.email)
    back = urlencode({"next": reverse("invitation", args=[token])})
    return redirect(f"{reverse('account_login' if known else 'account_signup')}?{back}")


def _join(request: PageRequest, token: str) -> HttpResponse:
    person = person_of(request)
    member = invitations.accept(token, person, by=actor_of(request))
    request.session.pop("invitation", None)
    go_to(request, member.tenant)
    messages.success(request, f"You are a member of {member.tenant.name} now; your role is {member.role}.")
    return redirect("overview")
