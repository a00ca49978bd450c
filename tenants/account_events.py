"""What happens to accounts, from the signals of the libraries that do it, into the audit log.

With a second factor that comes, goes or changes, the person's other sessions and tokens end.
"""

from typing import Any

from allauth.account import signals as account
from allauth.mfa import signals as mfa
from allauth.mfa.models import Authenticator
from django.contrib.auth import signals as auth
from django.http import HttpRequest

from recomengine.lib import clock
from tenants import actors, audit, sessions
from tenants.models import User
from tenants.types import Actor

BEGAN = "began"


def connect() -> None:
    """Listen; called once, when the app is ready."""
    auth.user_logged_in.connect(_stamp)
    auth.user_login_failed.connect(_login_failed)
    auth.user_logged_out.connect(_logged_out)
    account.user_logged_in.connect(_logged_in)
    account.authentication_step_completed.connect(_renew_session)
    account.password_changed.connect(_password_changed)
    account.password_set.connect(_password_changed)
    account.password_reset.connect(_password_reset)
    account.email_confirmed.connect(_email_confirmed)
    account.email_changed.connect(_email_changed)
    mfa.authenticator_added.connect(_factor_added)
    mfa.authenticator_removed.connect(_factor_removed)
    mfa.authenticator_reset.connect(_codes_renewed)
    mfa.authentication_failed.connect(_code_failed)


def _by(request: HttpRequest, user: User) -> Actor:
    return actors.of_person(request, user.email)


def _stamp(request: HttpRequest, **_: Any) -> None:
    """A session lives from now on (`session_guards` reads it)."""
    request.session[BEGAN] = clock.now().timestamp()


def _login_failed(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    """Only of people who have an account: others mistype passwords into the field of the address."""
    user = User.objects.filter(email__iexact=str(credentials.get("email", ""))).first()
    if user is not None and request is not None:
        audit.record(_by(request, user), "person.login_failed", user)


def _logged_in(request: HttpRequest, user: User, **_: Any) -> None:
    audit.record(_by(request, user), "person.logged_in", user, after={"through": "the dashboard"})


def _logged_out(request: HttpRequest, user: User | None, **_: Any) -> None:
    if user is not None:
        audit.record(_by(request, user), "person.logged_out", user)


def _renew_session(request: HttpRequest, user: User, **extra: Any) -> None:
    """Who has just shown anew who she is gets a new session id, as at login."""
    if extra.get("reauthenticated"):
        former = request.session.session_key
        request.session.cycle_key()
        sessions.follow(request, former)


def _password_changed(request: HttpRequest, user: User, **_: Any) -> None:
    audit.record(_by(request, user), "person.password_changed", user)


def _password_reset(request: HttpRequest, user: User, **_: Any) -> None:
    audit.record(_by(request, user), "person.password_reset", user)


def _email_confirmed(request: HttpRequest, email_address: Any, **_: Any) -> None:
    user = email_address.user
    audit.record(_by(request, user), "person.email_verified", user, after={"email": email_address.email})


def _email_changed(request: HttpRequest, user: User, from_email_address: Any, to_email_address: Any, **_: Any) -> None:
    if from_email_address is None:  # it was only verified
        return
    before, after = {"email": from_email_address.email}, {"email": to_email_address.email}
    audit.record(_by(request, user), "person.email_changed", user, before=before, after=after)


def _factor_added(request: HttpRequest, user: User, authenticator: Authenticator, **_: Any) -> None:
    if authenticator.type == Authenticator.Type.TOTP:  # recovery codes come with it
        audit.record(_by(request, user), "person.second_factor_added", user)
        sessions.end_other_sessions(request, user, by=_by(request, user))


def _factor_removed(request: HttpRequest, user: User, authenticator: Authenticator, **_: Any) -> None:
    if authenticator.type == Authenticator.Type.TOTP:
        audit.record(_by(request, user), "person.second_factor_removed", user)
        sessions.end_other_sessions(request, user, by=_by(request, user))


def _codes_renewed(request: HttpRequest, user: User, **_: Any) -> None:
    audit.record(_by(request, user), "person.recovery_codes_made", user)
    sessions.end_other_sessions(request, user, by=_by(request, user))


def _code_failed(request: HttpRequest, user: User, **_: Any) -> None:
    audit.record(_by(request, user), "person.second_factor_failed", user)
