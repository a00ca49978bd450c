"""People's tokens for the API: a short-lived access token and a refresh token that is used once.

All tokens of one login carry its `sid` and when it `began`. Logging out ends the login, and so does a refresh token
that comes a second time, because then somebody else has it too (RFC 9700, section 4.14.2). `auth` is what the person's
sessions have to agree with as well (`User.get_session_auth_hash`), so that another password, or
`sessions.end_sessions`, ends every login at once.
"""

import secrets
import time
from datetime import timedelta
from typing import Any, Final, NamedTuple, TypeVar, cast

from allauth.account.adapter import get_adapter
from allauth.core import ratelimit
from allauth.mfa.base.forms import AuthenticateForm
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, Token

from recomengine.lib.errors import DomainError
from tenants import actors, audit, people
from tenants.models import User

T = TypeVar("T", bound=Token)
_SID: Final = "sid"
_BEGAN: Final = "began"
_AUTH: Final = "auth"
LONGEST: Final = timedelta(days=30)  # of a login, however often its tokens are renewed
LOCKED_FOR: Final = 600  # seconds, as ACCOUNT_RATE_LIMITS says


class Refresh(RefreshToken):
    """A refresh token; that it was spent is for `renew` to find, which then ends the whole login."""

    def check_blacklist(self) -> None:
        pass


class Pair(NamedTuple):
    access: str
    refresh: str


def log_in(request: HttpRequest, email: str, password: str, code: str = "") -> tuple[User, Pair]:
    """Tokens for a person's email address, password and, where she has one, second factor.

    Raises `invalid_credentials`, `second_factor_required` and `throttled`; the dashboard's login counts the same
    attempts.
    """
    if not ratelimit.consume(request, action="login"):
        raise DomainError("throttled", "Too many logins from this address.", retry_after=60)
    try:
        user = get_adapter().authenticate(request, email=email, password=password)
    except ValidationError as error:
        raise DomainError("throttled", "; ".join(error.messages), retry_after=LOCKED_FOR) from error
    if user is None:
        raise DomainError("invalid_credentials")
    people.check_operator(user)
    if people.has_second_factor(user):
        _check_code(user, code)
    audit.record(actors.of_person(request, user.email), "person.logged_in", user, after={"through": "the API"})
    return user, issue(user)


def _check_code(user: User, code: str) -> None:
    if not code:
        raise DomainError(
            "second_factor_required", "Send the code of your authenticator, or a recovery code, as `code`."
        )
    form = AuthenticateForm(data={"code": code}, user=user)
    if form.is_valid():
        form.authenticator.record_usage()
    elif form.has_error("code", "too_many_login_attempts"):
        raise DomainError("throttled", "Too many wrong codes.", retry_after=LOCKED_FOR)
    else:
        raise DomainError("invalid_credentials", "That code is not right, or was used already.")


def issue(user: User, former: Refresh | None = None) -> Pair:
    """Tokens of a login, a new one unless a token of it is given."""
    with transaction.atomic():
        refresh = Refresh.for_user(user)
        refresh[_SID] = former[_SID] if former else secrets.token_hex(16)
        # The library keeps the token itself, which nobody who reads the database should have; its login will do.
        OutstandingToken.objects.filter(jti=refresh["jti"]).update(token=refresh[_SID])
    refresh[_BEGAN] = former[_BEGAN] if former else int(time.time())
    refresh[_AUTH] = user.get_session_auth_hash()
    refresh["exp"] = min(refresh["exp"], refresh[_BEGAN] + int(LONGEST.total_seconds()))
    return Pair(str(refresh.access_token), str(refresh))


def renew(text: str) -> Pair:
    """New tokens for a refresh token, which is spent by that; `invalid_token` for any that is not good (any more)."""
    refresh, user = _checked(Refresh, text)
    _, first_time = cast(tuple[object, bool], refresh.blacklist())
    if not first_time:
        _end(refresh)
        raise DomainError("invalid_token", "That refresh token was used already; log in again.")
    return issue(user, refresh)


def log_out(text: str) -> None:
    """End the login that a refresh token belongs to, at once and everywhere."""
    refresh, _ = _checked(Refresh, text)
    _end(refresh)


def person_of(text: str) -> User:
    """The person behind an access token; `invalid_token` if it is none, or ended."""
    return _checked(AccessToken, text)[1]


def _checked(kind: type[T], text: str) -> tuple[T, User]:
    try:
        token = kind(cast(Any, text))
    except TokenError as error:
        raise DomainError("invalid_token") from error
    user = User.objects.filter(pk=token.get(api_settings.USER_ID_CLAIM), is_active=True).first()
    if user is None or any(name not in token for name in (_SID, _BEGAN, _AUTH)):
        raise DomainError("invalid_token")
    if cache.get(_ended(token)) is not None or not constant_time_compare(token[_AUTH], user.get_session_auth_hash()):
        raise DomainError("invalid_token", "That login was ended; log in again.")
    people.check_operator(user)
    return token, user


def _end(token: Token) -> None:
    """End a login: its refresh tokens in PostgreSQL, for good, and its access tokens in Redis, while they live."""
    for each in OutstandingToken.objects.filter(token=token[_SID], blacklistedtoken=None):
        BlacklistedToken.objects.get_or_create(token=each)
    cache.set(_ended(token), True, api_settings.REFRESH_TOKEN_LIFETIME.total_seconds())


def _ended(token: Token) -> str:
    return f"ended-login:{token[_SID]}"
