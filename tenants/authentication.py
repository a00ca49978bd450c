"""How DRF endpoints learn who calls, and what the caller may do."""

from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from recomengine.lib.errors import DomainError
from tenants import keys
from tenants.types import Caller, Scope

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class ApiKeyAuthentication(BaseAuthentication):
    """`X-API-Key`, `Authorization: Bearer rec_…` or `?key=rec_pub_…`; `request.auth` is the `Caller`."""

    def authenticate(self, request: Request) -> tuple[None, Caller] | None:
        text = keys.presented_key(
            request.headers.get("X-API-Key"), request.headers.get("Authorization"), request.query_params.get("key")
        )
        return None if text is None else (None, keys.authenticate(text, request.headers.get("Origin")))

    def authenticate_header(self, request: Request) -> str:
        return 'ApiKey realm="api"'


def caller_of(request: Request) -> Caller:
    """Who calls: authentication and `HasScope` have let nobody through without a key."""
    caller = request.auth
    if not isinstance(caller, Caller):
        raise DomainError("authentication_required", "Send a key in the X-API-Key header.")
    return caller


class HasScope(BasePermission):
    """Reading needs `read`, anything else `write`, unless the view names another scope in `required_scope`."""

    def has_permission(self, request: Request, view: Any) -> bool:
        caller = caller_of(request)
        usual = Scope.READ if request.method in _SAFE else Scope.WRITE
        if not caller.allows(getattr(view, "required_scope", usual)):
            raise DomainError("forbidden", f"A key of type '{caller.key_type}' may not do that.")
        return True
