"""How DRF endpoints learn who calls, and what the caller may do."""

from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from recomengine.lib.errors import DomainError
from tenants import actors, directory, keys, limits, people, tokens
from tenants.models import User
from tenants.types import Actor, Caller, Scope

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class PersonAuthentication(BaseAuthentication):
    """`Authorization: Bearer <access token>`; `request.user` is the person.

    An `X-Tenant` that names a tenant that is not open to the person is refused, also where none is needed.
    """

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        token = keys.presented_bearer(request.headers.get("Authorization"))
        if not token or token.startswith("rec_"):
            return None
        person, named = tokens.person_of(token), request.headers.get("X-Tenant")
        if named is not None:
            directory.get_model(named, people.open_to(person))
        return person, None

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


class TenantAuthentication(BaseAuthentication):
    """An API key (`X-API-Key`, `Authorization: Bearer rec_…`, `?key=rec_pub_…`), or a person's token with `X-Tenant`.

    `request.auth` is the `Caller`, and `request.user` the person if it is one.
    """

    def authenticate(self, request: Request) -> tuple[User | None, Caller] | None:
        text = keys.presented_key(
            request.headers.get("X-API-Key"),
            request.headers.get("Authorization"),
            keys.only(request.query_params.getlist("key")),
        )
        named = request.headers.get("X-Tenant")
        if text is not None:
            return None, keys.authenticate(text, request.headers.get("Origin"), named)
        person = PersonAuthentication().authenticate(request)
        return None if person is None else (person[0], people.caller(person[0], named))

    def authenticate_header(self, request: Request) -> str:
        return 'ApiKey realm="api"'


class AnyAuthentication(TenantAuthentication):
    """A key as above, or a person, whatever tenants are open to her."""

    def authenticate(self, request: Request) -> tuple[User | None, Caller | None] | None:  # type: ignore[override]
        return PersonAuthentication().authenticate(request) or super().authenticate(request)


def caller_of(request: Request) -> Caller:
    """Who calls: authentication and `HasScope` have let nobody through without being known."""
    caller = request.auth
    if not isinstance(caller, Caller):
        raise DomainError("authentication_required", "Send a key in the X-API-Key header.")
    return caller


def person_of(request: Request) -> User:
    """The person who calls; keys are none."""
    if not isinstance(request.user, User):
        raise DomainError("authentication_required", "Log in, and send the access token as Authorization: Bearer.")
    return request.user


def actor_of(request: Request) -> Actor:
    """Who the audit log names for what this request does."""
    if isinstance(request.auth, Caller):
        return actors.of_caller(request._request, request.auth)
    return actors.of_person(request._request, person_of(request).email)


class HasScope(BasePermission):
    """Reading needs `read`, anything else `write`, unless the view names another scope in `required_scope`."""

    def has_permission(self, request: Request, view: Any) -> bool:
        caller = caller_of(request)
        if caller.suspended:
            raise DomainError("tenant_suspended")
        usual = Scope.READ if request.method in SAFE else Scope.WRITE
        if not caller.allows(getattr(view, "required_scope", usual)):
            raise DomainError("forbidden", f"{caller.title} may not do that.")
        return True


class IsKnown(BasePermission):
    """A key or a person, of whatever scope; the view decides the rest."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if request.auth is None:
            person_of(request)
        return True


class IsPerson(BasePermission):
    def has_permission(self, request: Request, view: Any) -> bool:
        person_of(request)
        return True


class WithinLimits(BaseThrottle):
    """The limits on requests of the caller and of its tenant."""

    def allow_request(self, request: Request, view: Any) -> bool:
        if isinstance(request.auth, Caller):
            limits.take(request.auth)
        return True
