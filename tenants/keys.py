"""API keys: `rec_<type>_<key id>_<secret>`.

Only the HMAC-SHA256 of the secret, keyed with the server's pepper, is stored; the whole key is shown once.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from recomengine.lib import clock
from recomengine.lib.errors import DomainError
from tenants import live
from tenants.models import ApiKey, Tenant
from tenants.types import Caller, KeyType

_KEY = re.compile(r"rec_(pub|ro|rw)_([a-z0-9]{12})_([a-z0-9]{48})\Z")
_USE_RECORDED_EVERY = timedelta(minutes=1)


class Token(NamedTuple):
    """The parts of a key as a caller sends it."""

    key_type: KeyType
    key_id: str
    secret: str

    def __str__(self) -> str:
        return f"rec_{self.key_type}_{self.key_id}_{self.secret}"


def parse(text: str) -> Token | None:
    """The parts of a well-formed key; None for anything else."""
    match = _KEY.match(text)
    return Token(KeyType(match[1]), match[2], match[3]) if match else None


def digest(secret: str) -> str:
    """HMAC-SHA256 of a secret under the server's pepper, in hex."""
    return hmac.new(settings.API_KEY_PEPPER.encode(), secret.encode(), hashlib.sha256).hexdigest()


def matches(secret: str, stored: str) -> bool:
    """Whether the secret is the one behind a stored digest, in constant time."""
    return hmac.compare_digest(digest(secret), stored)


def create_key(tenant: Tenant, key_type: KeyType, name: str = "", origins: Sequence[str] = ()) -> Token:
    """Make a key and return it whole, for the only time."""
    token = Token(key_type, secrets.token_hex(6), secrets.token_hex(24))
    ApiKey.objects.create(
        tenant=tenant,
        key_id=token.key_id,
        type=key_type,
        name=name,
        digest=digest(token.secret),
        allowed_origins=list(origins),
    )
    return token


def revoke_key(tenant: Tenant, key_id: str) -> None:
    """End a key now, in every process."""
    with transaction.atomic():
        revoked = ApiKey.objects.usable().filter(tenant=tenant, key_id=key_id).update(revoked_at=clock.now())
        if not revoked:
            raise DomainError("not_found", f"Tenant {tenant.slug} has no usable key {key_id}.")
        transaction.on_commit(lambda: live.changed(tenant.slug, "auth"))


def find(key_id: str, key_type: KeyType) -> tuple[Caller, str] | None:
    """A usable key's caller and stored digest; its use is recorded at most once a minute."""
    row = ApiKey.objects.usable().select_related("tenant").filter(key_id=key_id, type=key_type).first()
    if row is None:
        return None
    before = clock.now() - _USE_RECORDED_EVERY
    stale = Q(last_used_at=None) | Q(last_used_at__lt=before)
    ApiKey.objects.filter(stale, pk=row.pk).update(last_used_at=clock.now())
    return row.caller, row.digest


def authenticate(text: str, origin: str | None = None) -> Caller:
    """The caller behind a key, or the error the contract names."""
    token = parse(text)
    found = find(token.key_id, token.key_type) if token else None
    return check(token, found, origin)


def check(token: Token | None, found: tuple[Caller, str] | None, origin: str | None) -> Caller:
    """The rules of authentication, given what is stored about the key."""
    if token is None or found is None or not matches(token.secret, found[1]):
        raise DomainError("invalid_key")
    caller = found[0]
    if caller.expires_at is not None and caller.expires_at <= clock.now():
        raise DomainError("invalid_key")
    if caller.suspended:
        raise DomainError("tenant_suspended")
    if not caller.allows_origin(origin):
        raise DomainError("origin_not_allowed", f"Add {origin} to the key's allowed origins.")
    return caller


def presented_key(api_key_header: str | None, authorization: str | None, parameter: str | None = None) -> str | None:
    """The key a request carries: `X-API-Key`, or `Authorization: Bearer rec_…`, or the query parameter `key`.

    The parameter is for browsers, which ask permission first for a request with headers of its own. It takes
    publishable keys only: addresses end up in logs and histories.
    """
    if api_key_header:
        return api_key_header.strip()
    if authorization and authorization[:7].lower() == "bearer ":
        candidate = authorization[7:].strip()
        return candidate if candidate.startswith("rec_") else None
    if parameter is not None and not parameter.startswith(f"rec_{KeyType.PUBLISHABLE}_"):
        raise DomainError("invalid_key", "The parameter `key` takes publishable keys; send this one in X-API-Key.")
    return parameter
