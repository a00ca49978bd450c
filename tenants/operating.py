"""What only operators do: accounts made for others, rights on the platform, locks taken off, roles given."""

import secrets
from collections.abc import Mapping
from typing import Any, Final

from allauth.core.internal import ratelimit
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest

from recomengine.lib.api import field_errors
from recomengine.lib.errors import DomainError
from tenants import audit, members, people, provisioning, sessions
from tenants.keys import Token
from tenants.models import Tenant, User
from tenants.provisioning import NewTenant
from tenants.types import Actor, KeyType, Role

EDITABLE: Final = ("name", *people.RIGHTS)


def person(email: str) -> User:
    """The person of that address; `not_found` if there is none."""
    found = User.objects.filter(email__iexact=email).first()
    if found is None:
        raise DomainError("not_found", f"There is no person {email!r}; create_person makes one.")
    return found


def new_password() -> str:
    return secrets.token_urlsafe(15)


def create_person(
    email: str, password: str, name: str = "", *, staff: bool = False, superuser: bool = False, by: Actor
) -> User:
    """Make an account whose address counts as verified; superusers are staff.

    Raises `invalid` for an address that is none, a weak password and a name that is too long, and `conflict`.
    """
    user = people.prepare(email, password, name)
    user.is_staff, user.is_superuser = staff or superuser, superuser
    _check_fields(user)
    people.add(user, verified=True, action="person.created", by=by)
    return user


def edit_person(user: User, changes: Mapping[str, Any], *, by: Actor) -> User:
    """Change a person's name or rights (`EDITABLE`)."""
    if not set(changes) <= set(EDITABLE):
        raise ValueError("an address or a password is changed by the person alone")
    with transaction.atomic():
        row = User.objects.select_for_update().get(pk=user.pk)
        before = audit.values(row, changes)
        for name, value in changes.items():
            setattr(row, name, value)
        _check_fields(row)
        row.save(update_fields=list(changes))
        old, new = audit.changed(before, changes)
        if new:
            audit.record(by, "person.edited", row, before=old, after=new)
    return row


def _check_fields(user: User) -> None:
    try:
        user.clean_fields(exclude=["password"])
    except ValidationError as error:
        raise DomainError("invalid", errors=field_errors(error.message_dict)) from error


def disable_person(user: User, *, by: Actor) -> User:
    """Let a person sign in no more, and end what is open for good."""
    with transaction.atomic():
        sessions.end_sessions(user, by=by)
        return _set_active(user, False, "person.disabled", by)


def enable_person(user: User, *, by: Actor) -> User:
    return _set_active(user, True, "person.enabled", by)


def _set_active(user: User, active: bool, action: str, by: Actor) -> User:
    with transaction.atomic():
        row = User.objects.select_for_update().get(pk=user.pk)
        before, row.is_active = row.is_active, active
        row.save(update_fields=["is_active"])
        if not active:  # or its sessions would open again with the account
            sessions.end_sessions(row, by=by)
        if before != active:
            audit.record(by, action, row, before={"is_active": before}, after={"is_active": active})
    return row


def unlock_person(email: str, *, by: Actor) -> bool:
    """Take the locks off an address's logins, also of the second factor; whether there was anything to take off.

    An address without an account is locked like any other. Limits on IP addresses stay.
    """
    user, address = User.objects.filter(email__iexact=email.strip()).first(), email.strip().lower()
    names = _counts(address) + (_counts(f"mfa-auth-user-{user.pk}") if user else [])
    counted = any(cache.get(name) for name in names)
    cache.delete_many(names)
    audit.record(by, "person.unlocked", ("user", address))
    return counted


def _counts(key: str) -> list[str]:
    """Where allauth counts the failed logins of a key."""
    rates = ratelimit.get_rates(app="allauth.account", action="login_failed")
    where = {"app": "allauth.account", "action": "login_failed", "key": key}
    return [ratelimit.get_cache_key(HttpRequest(), rate=rate, **where) for rate in rates if rate.per == "key"]


def open_shop(
    new: NewTenant, plan: str, *, owner: User | None = None, with_keys: bool = False, by: Actor
) -> tuple[Tenant, dict[KeyType, Token]]:
    """Create a tenant, if wanted with its first keys and a person who owns it, all or nothing."""
    with transaction.atomic():
        tenant = provisioning.create_tenant(
            new.slug, new.name, currency=new.currency, timezone=new.timezone, locale=new.locale, notice=new.notice,
            allowed_origins=new.allowed_origins, plan=plan, by=by,
        )  # fmt: skip
        made = provisioning.first_keys(tenant, by=by) if with_keys else {}
        if owner is not None:
            members.assign(tenant, owner, Role.OWNER, by=by)
    return tenant, made
