"""API keys: `rec_<type>_<key id>_<secret>`.

Only the HMAC-SHA256 of the secret, keyed with the server's pepper, is stored; the whole key is shown once. Peppers
rotate: a key whose digest was made with an old one gets a new digest when it is used.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Final, NamedTuple

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q

from recomengine.lib import clock
from recomengine.lib.api import field_errors
from recomengine.lib.errors import DomainError
from tenants import audit, live
from tenants.models import ApiKey, Tenant
from tenants.types import PLATFORM, Actor, Caller, KeyType

OVERLAP: Final = timedelta(hours=24)
MAX_OVERLAP: Final = timedelta(days=30)
USE_RECORDED_EVERY: Final = timedelta(minutes=1)
_KEY = re.compile(r"rec_(pub|ro|rw)_([a-z0-9]{12})_([a-z0-9]{48})\Z")
_TOLD = ["type", "name", "allowed_origins", "requests_per_second", "expires_at"]


class Token(NamedTuple):
    """The parts of a key as a caller sends it."""

    key_type: KeyType
    key_id: str
    secret: str

    def __str__(self) -> str:
        return f"rec_{self.key_type}_{self.key_id}_{self.secret}"


class Stored(NamedTuple):
    """What is known of a usable key: its caller, its digest, and the pepper the digest was made with."""

    caller: Caller
    digest: str
    pepper_id: str
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class KeySettings:
    """What a key's maker decides; no origins means those of the tenant."""

    name: str = ""
    origins: Sequence[str] = ()
    expires_at: datetime | None = None
    requests_per_second: int | None = None


def parse(text: str) -> Token | None:
    """The parts of a well-formed key; None for anything else."""
    match = _KEY.match(text)
    return Token(KeyType(match[1]), match[2], match[3]) if match else None


def digest(secret: str, pepper: str | None = None) -> str:
    """HMAC-SHA256 of a secret under a pepper (the server's current one), in hex."""
    return hmac.digest((pepper or settings.API_KEY_PEPPER).encode(), secret.encode(), "sha256").hex()


@cache
def name_of(pepper: str) -> str:
    """Eight characters that tell peppers apart and tell nothing of them."""
    return hmac.new(pepper.encode(), b"the name of a pepper", hashlib.sha256).hexdigest()[:8]


def matches(secret: str, stored: str, pepper_id: str = "") -> bool:
    """Whether the secret is the one behind a stored digest, in constant time."""
    return hmac.compare_digest(digest(secret, _old_pepper(pepper_id)), stored)


def _old_pepper(pepper_id: str) -> str | None:
    """The former pepper of that name; None for the present one's, or one that is forgotten."""
    return next((pepper for pepper in settings.API_KEY_OLD_PEPPERS if name_of(pepper) == pepper_id), None)


def create_key(
    tenant: Tenant, key_type: KeyType, chosen: KeySettings = KeySettings(), *, by: Actor = PLATFORM
) -> Token:
    """Make a key and return it whole, for the only time."""
    with transaction.atomic():
        return _make(tenant, key_type, chosen, by, "api_key.created")


def _make(tenant: Tenant, key_type: KeyType, chosen: KeySettings, by: Actor, action: str) -> Token:
    token = Token(key_type, secrets.token_hex(6), secrets.token_hex(24))
    row = ApiKey(
        tenant=tenant,
        key_id=token.key_id,
        type=key_type,
        name=chosen.name,
        digest=digest(token.secret),
        pepper_id=name_of(settings.API_KEY_PEPPER),
        allowed_origins=list(chosen.origins),
        expires_at=chosen.expires_at,
        requests_per_second=chosen.requests_per_second,
        made_by=ApiKey.objects.filter(tenant=tenant, key_id=by.name).first() if by.kind == Actor.KEY else None,
    )
    _validate(row)
    row.save()
    audit.record(by, action, row, tenant, after=audit.values(row, _TOLD))
    return token


def _validate(row: ApiKey) -> None:
    try:
        row.full_clean(validate_unique=False)
    except ValidationError as error:
        raise DomainError("invalid", errors=field_errors(error.message_dict)) from error
    if row.allowed_origins and row.type != KeyType.PUBLISHABLE:
        raise DomainError("invalid", "Only publishable keys have allowed origins; the others never belong in a page.")
    if row.expires_at is not None and row.expires_at <= clock.now():
        raise DomainError("invalid", "`expires_at` has passed already.")


def rotate_key(tenant: Tenant, key_id: str, overlap: timedelta = OVERLAP, *, by: Actor = PLATFORM) -> Token:
    """Make a key's successor and return it whole; the old one goes on for the overlap, then expires.

    Raises `not_found`, and `invalid` for an overlap that is negative or over `MAX_OVERLAP`.
    """
    if not timedelta(0) <= overlap <= MAX_OVERLAP:
        raise DomainError("invalid", f"The overlap lasts from 0 to {MAX_OVERLAP.days} days.")
    with transaction.atomic():
        row = _usable(tenant, key_id)
        chosen = KeySettings(row.name, row.allowed_origins, row.expires_at, row.requests_per_second)
        token = _make(tenant, KeyType(row.type), chosen, by, "api_key.created")
        ends = min(clock.now() + overlap, row.expires_at or datetime.max.replace(tzinfo=clock.now().tzinfo))
        before, row.expires_at = row.expires_at, ends
        row.save(update_fields=["expires_at"])
        told = {"expires_at": ends, "successor": token.key_id}
        audit.record(by, "api_key.rotated", row, tenant, before={"expires_at": before}, after=told)
        transaction.on_commit(lambda: live.changed(tenant.slug, "auth"))
    return token


def revoke_key(tenant: Tenant, key_id: str, *, by: Actor = PLATFORM) -> list[str]:
    """End a key now, in every process, and with it the keys that it made, except the one that asks.

    Whoever found a key may have made others with it. Returns the ids of all that ended.
    """
    with transaction.atomic():
        row = _usable(tenant, key_id)
        asking = by.name if by.kind == Actor.KEY and by.name != key_id else None
        ended = [row, *made_with(row, asking)]
        now = clock.now()
        ApiKey.objects.filter(pk__in=[each.pk for each in ended]).update(revoked_at=now)
        for each in ended:
            audit.record(by, "api_key.revoked", each, tenant, after={"revoked_at": now})
        transaction.on_commit(lambda: live.changed(tenant.slug, "auth"))
    return [each.key_id for each in ended]


def made_with(row: ApiKey, asking: str | None = None) -> list[ApiKey]:
    """The keys, not revoked, that a key made, and those that they made, and so on; without the one that asks."""
    found: list[ApiKey] = []
    makers = [row.pk]
    while makers:
        made = list(ApiKey.objects.filter(made_by__in=makers).exclude(key_id=asking or ""))
        found += [each for each in made if each.revoked_at is None]
        makers = [each.pk for each in made]
    return found


def pepper_of(row: ApiKey) -> str:
    """Which pepper a key's digest was made with: `current`, `old`, `unknown`, or `lost`, which no caller can match."""
    if row.pepper_id == name_of(settings.API_KEY_PEPPER):
        return "current"
    if row.pepper_id in map(name_of, settings.API_KEY_OLD_PEPPERS):
        return "old"
    return "lost" if row.pepper_id else "unknown"


def get(tenant: Tenant, key_id: str) -> ApiKey:
    """The tenant's key of that id, ended or not; `not_found` if there is none."""
    row = ApiKey.objects.filter(tenant=tenant, key_id=key_id).first()
    if row is None:
        raise DomainError("not_found", f"There is no key {key_id!r} here.")
    return row


def _usable(tenant: Tenant, key_id: str) -> ApiKey:
    """The tenant's usable key of that id, locked; `not_found` if there is none."""
    row = ApiKey.objects.usable().filter(tenant=tenant, key_id=key_id).select_for_update(of=("self",)).first()
    if row is None:
        raise DomainError("not_found", f"There is no usable key {key_id!r} here.")
    return row


def find(key_id: str, key_type: KeyType) -> Stored | None:
    """A usable key, by its id and type."""
    row = ApiKey.objects.usable().select_related("tenant").filter(key_id=key_id, type=key_type).first()
    return None if row is None else Stored(row.caller, row.digest, row.pepper_id, row.last_used_at)


def record_use(token: Token) -> None:
    """Note that a key was used, at most once a minute, and move it to the current pepper."""
    row = ApiKey.objects.filter(key_id=token.key_id)
    before = clock.now() - USE_RECORDED_EVERY
    row.filter(Q(last_used_at=None) | Q(last_used_at__lt=before)).update(last_used_at=clock.now())
    current = name_of(settings.API_KEY_PEPPER)
    row.exclude(pepper_id=current).update(digest=digest(token.secret), pepper_id=current)


def authenticate(text: str, origin: str | None = None, named: str | None = None) -> Caller:
    """The caller behind a key, or the error the contract names; its use is recorded."""
    token = parse(text)
    found = find(token.key_id, token.key_type) if token else None
    caller = check(token, found, origin, named)
    if token and found and (found.last_used_at is None or clock.now() - found.last_used_at > USE_RECORDED_EVERY):
        record_use(token)
    return caller


def check(token: Token | None, found: Stored | None, origin: str | None, named: str | None = None) -> Caller:
    """The rules of authentication, given what is stored about the key; `named` is the tenant that X-Tenant names.

    An unknown key takes as long as a wrong secret: it is compared with a digest that nothing has. A suspended tenant's
    caller is returned as such.
    """
    stored, pepper_id = (found.digest, found.pepper_id) if found else ("0" * 64, "")
    same = matches(token.secret if token else "", stored, pepper_id)
    if found is None or not same:
        raise DomainError("invalid_key")
    caller = found.caller
    if caller.expires_at is not None and caller.expires_at <= clock.now():
        raise DomainError("invalid_key")
    if named is not None and named != caller.tenant.slug:
        raise DomainError("not_found", f"There is no tenant {named!r} here.")
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
    bearer = presented_bearer(authorization)
    if bearer is not None:
        return bearer if bearer.startswith("rec_") else None
    if parameter is not None and not parameter.startswith(f"rec_{KeyType.PUBLISHABLE}_"):
        raise DomainError("invalid_key", "The parameter `key` takes publishable keys; send this one in X-API-Key.")
    return parameter


def only(values: Sequence[str]) -> str | None:
    """The value of a parameter; one that comes twice is no key, whichever of the two others would have read."""
    return values[0] if len(values) == 1 else "" if values else None


def presented_bearer(authorization: str | None) -> str | None:
    """What stands behind `Bearer` in an Authorization header: a key, or a person's token."""
    if authorization and authorization[:7].lower() == "bearer ":
        return authorization[7:].strip()
    return None
