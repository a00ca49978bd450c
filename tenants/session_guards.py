"""What stands between a session and the pages: how long it lives, and the second factor that operators need."""

from collections.abc import Callable
from typing import Final

from allauth.account.adapter import get_adapter
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from recomengine.lib import clock
from tenants import people
from tenants.account_events import BEGAN

SEEN: Final = "seen"
NOTED_EVERY: Final = 60  # seconds; a write for each page would be too many
OPEN: Final = ("/account/", "/api/", "/static/", "/healthz", "/readyz")  # also to operators without a second factor
Handler = Callable[[HttpRequest], HttpResponse]


class SessionLifetime:
    """Ends a session that was not used for a while, or that is old; pages of people are never stored by a browser."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        signed_in = bool(request.session.session_key) and request.user.is_authenticated
        if signed_in and not _alive(request):
            logout(request)
            messages.info(request, "You were signed out, because your session was old or not used for a while.")
        response = self.get_response(request)
        if signed_in and not response.has_header("Cache-Control"):
            response["Cache-Control"] = "private, no-store"
        return response


class OperatorsSecondFactor:
    """Sends operators to set up a second factor before anything else opens, where the settings ask for it."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.OPERATORS_NEED_SECOND_FACTOR and not request.path.startswith(OPEN):
            user = request.user
            if user.is_authenticated and people.lacks_second_factor(user):
                messages.warning(request, "Operators need a second factor. Set one up to go on.")
                return redirect("mfa_index")
        return self.get_response(request)


def _alive(request: HttpRequest) -> bool:
    """Whether the session's time is not over; notes that it is used."""
    now, session = clock.now().timestamp(), request.session
    idle, longest = settings.STAFF_SESSION if request.user.is_staff else settings.SESSION
    began = float(session.get(BEGAN, 0))  # one without that is too old
    seen = float(session.get(SEEN, began))
    if now - began > longest or now - seen > idle:
        return False
    if SEEN not in session or now - seen > NOTED_EVERY:
        session[SEEN] = now
        address = get_adapter().get_client_ip(request)
        UserSession.objects.filter(session_key=session.session_key).update(last_seen_at=clock.now(), ip=address)
    return True
