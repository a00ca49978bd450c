"""Ending sessions, tokens and second factors: by the person herself, and by operators.

A person's epoch is part of what every session and token has to agree with, so raising it ends all of them at once,
wherever they are kept; the rows are deleted to tidy up, and so that no list shows them.
"""

from allauth.account.internal.flows.logout import logout
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib.auth import update_session_auth_hash
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import F
from django.http import HttpRequest
from django.template.loader import render_to_string

from recomengine.lib.errors import DomainError
from recomengine.lib.mail import deliver
from tenants import audit
from tenants.models import User
from tenants.types import Actor


def end_sessions(user: User, *, by: Actor) -> None:
    """End every session and token of a person, at once and everywhere."""
    with transaction.atomic():
        _raise_epoch(user)
        for each in UserSession.objects.filter(user=user):
            each.end()
        audit.record(by, "person.sessions_ended", user)


def end_other_sessions(request: HttpRequest, user: User, *, by: Actor) -> None:
    """The same, but for the session of this request, which goes on under a new id."""
    with transaction.atomic():
        _raise_epoch(user)
        for each in UserSession.objects.filter(user=user).exclude(session_key=request.session.session_key):
            each.end()
        former = request.session.session_key
        update_session_auth_hash(request, user)
        follow(request, former)
        audit.record(by, "person.other_sessions_ended", user)


def end_session(request: HttpRequest, user: User, number: str, *, by: Actor) -> None:
    """End one of a person's sessions; `not_found` if she has none of that number."""
    found = UserSession.objects.filter(user=user, pk=number).first() if number.isdecimal() else None
    if found is None:
        raise DomainError("not_found", "There is no such session any more.")
    if found.session_key == request.session.session_key:
        logout(request)
    found.end()
    audit.record(by, "person.session_ended", user, after={"address": found.ip, "client": found.user_agent})


def follow(request: HttpRequest, former: str | None) -> None:
    """Have the row of a session that was given a new id name that one."""
    UserSession.objects.filter(session_key=former).update(session_key=request.session.session_key)


def reset_second_factor(user: User, reason: str, *, by: Actor) -> None:
    """Take a lost second factor off a person, end all of her sessions, and tell her by email.

    Raises `conflict` for a person without one. Who asks for it has to be known as well as somebody who signs in with
    it: docs/security.md says how.
    """
    with transaction.atomic():
        _, deleted = Authenticator.objects.filter(user=user).delete()
        if not deleted:
            raise DomainError("conflict", f"{user.email} has no second factor.")
        end_sessions(user, by=by)
        audit.record(by, "person.second_factor_reset", user, after={"reason": reason})
        text = render_to_string("account/email/second_factor_reset.txt", {"email": user.email})
        deliver(lambda: send_mail("Your second factor was taken off", text, None, [user.email]))


def _raise_epoch(user: User) -> None:
    User.objects.filter(pk=user.pk).update(login_epoch=F("login_epoch") + 1)
    user.refresh_from_db(fields=["login_epoch"])
