"""The pages of a person's own account that allauth has none of: sign-up, profile, sessions."""

from allauth.account.adapter import get_adapter
from allauth.account.decorators import reauthentication_required
from allauth.account.internal.flows.email_verification import send_verification_email_for_user
from allauth.account.utils import perform_login
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from recomengine.lib.errors import DomainError
from tenants import actors, audit, people, sessions
from tenants.account_forms import InvitedForm, ProfileForm, SignUpForm
from tenants.dashboard import PageRequest
from tenants.models import User
from tenants.signup import SignedUp, sign_up
from tenants.types import KeyType


class PersonRequest(PageRequest):
    """A request of somebody who is logged in."""

    user: User


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def sign_up_page(request: PageRequest) -> HttpResponse:
    """Open an account with a shop; the answer to the form is the one page that ever shows the first keys.

    Who comes from an invitation gets an account alone, and goes back there.
    """
    if request.user.is_authenticated:
        return redirect(settings.LOGIN_REDIRECT_URL)
    invited = request.session.get("account_verified_email") or ""
    if not get_adapter().is_open_for_signup(request):
        return render(request, "account/signup_closed.html")
    form = (InvitedForm if invited else SignUpForm)(request.POST or None, invited=invited)
    if not form.is_valid():
        return render(request, "account/signup.html", {"form": form, "invited": invited})
    try:
        done = _sign_up(request, form, bool(invited))
    except DomainError as error:
        form.refuse(error)
        return _refused(request, form, error)
    perform_login(request, done.user)
    if invited:
        get_adapter().unstash_verified_email(request)
        return redirect(_safe(request, request.GET.get("next", "")) or settings.LOGIN_REDIRECT_URL)
    return _welcome(request, done)


def _sign_up(request: HttpRequest, form: InvitedForm, invited: bool) -> SignedUp:
    email, password, name = (form.cleaned_data[field] for field in ("email", "password", "name"))
    by = actors.of_person(request, email)
    return sign_up(request, email, password, name, form.new_tenant(), by=by, invited=invited)


def _safe(request: HttpRequest, address: str) -> str:
    """The address if it is one of ours, else nothing."""
    ours = url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure())
    return address if ours else ""


def _refused(request: HttpRequest, form: InvitedForm, error: DomainError) -> HttpResponse:
    response = render(request, "account/signup.html", {"form": form}, status=429 if error.retry_after else 200)
    if error.retry_after:
        response["Retry-After"] = str(error.retry_after)
    return response


def _welcome(request: HttpRequest, done: SignedUp) -> HttpResponse:
    context = {
        "tenant": done.tenant,
        "keys": {kind.name.lower(): str(token) for kind, token in done.keys.items()},
        "publishable": str(done.keys[KeyType.PUBLISHABLE]),
        "writing": str(done.keys[KeyType.READ_WRITE]),
        "api_url": settings.API_URL,
    }
    return render(request, "account/welcome.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def account(request: PersonRequest) -> HttpResponse:
    """Who one is here, and the way to everything else of the account."""
    before = {"name": request.user.name}
    form = ProfileForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid():
        user = form.save()
        by = actors.of_person(request, user.email)
        audit.record(by, "person.changed", user, before=before, after={"name": user.name})
        messages.success(request, "Your name was changed.")
        return redirect("account")
    context = {
        "form": form,
        "verified": people.is_verified(request.user),
        "second_factor": people.has_second_factor(request.user),
        "sessions": len(UserSession.objects.purge_and_list(request.user)),
    }
    return render(request, "account/account.html", context)


@login_required
@reauthentication_required(allow_get=True)  # type: ignore[untyped-decorator]
@require_http_methods(["GET", "HEAD", "POST"])
def sessions_page(request: PersonRequest) -> HttpResponse:
    """Where one is signed in; ends one session, or all others with the tokens of the API."""
    if request.method == "POST":
        return _end(request)
    found = UserSession.objects.purge_and_list(request.user)
    found.sort(key=lambda each: (each.is_current(), each.last_seen_at), reverse=True)
    return render(request, "account/sessions.html", {"found": found})


def _end(request: PersonRequest) -> HttpResponse:
    by = actors.of_person(request, request.user.email)
    if "session" in request.POST:
        try:
            sessions.end_session(request, request.user, request.POST["session"], by=by)
            messages.success(request, "That session was ended.")
        except DomainError as error:
            messages.error(request, str(error))
    else:
        sessions.end_other_sessions(request, request.user, by=by)
        messages.success(request, "All other sessions were ended, and all logins to the API.")
    return redirect("account_sessions" if request.user.is_authenticated else "account_login")


@login_required
@require_POST
def send_verification(request: PersonRequest) -> HttpResponse:
    """Send the message that verifies the email address once more, at most every few minutes."""
    if not people.is_verified(request.user) and not send_verification_email_for_user(request, request.user):
        messages.info(request, "A message is on its way already. Look into your mail, also under spam.")
    return redirect(_safe(request, request.POST.get("next", "")) or "account")
