"""People: their accounts, the tenants that are open to them, and what they may do there."""

from typing import Final

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from recomengine.lib.errors import DomainError, FieldError
from tenants import audit, directory
from tenants.models import Membership, Tenant, TenantQuerySet, User
from tenants.types import Actor, Caller, Role

RIGHTS: Final = ("is_staff", "is_superuser")


def prepare(email: str, password: str, name: str = "") -> User:
    """A person who is not saved yet; raises `invalid` for an address that is none and for a weak password."""
    user = User(email=User.objects.normalize_email(email).lower(), name=name)
    try:
        validate_email(user.email)
    except ValidationError as error:
        raise DomainError("invalid", errors=[_wrong("/email", error)]) from error
    check_password_strength(password, user)
    user.set_password(password)
    return user


def add(user: User, *, verified: bool = False, action: str = "person.registered", by: Actor) -> EmailAddress:
    """Save a new person with her address; `conflict` if the address has an account."""
    try:
        with transaction.atomic():
            user.save()
            address = EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=verified)
            audit.record(by, action, user, after=audit.values(user, RIGHTS) if user.is_staff else None)
    except IntegrityError as error:
        raise DomainError("conflict", "There is an account for that email address already; log in.") from error
    return address


def check_password_strength(password: str, user: User) -> None:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise DomainError("invalid", errors=[_wrong("/password", each) for each in error.error_list]) from error


def _wrong(pointer: str, error: ValidationError) -> FieldError:
    return {"pointer": pointer, "code": str(error.code or "invalid"), "message": " ".join(error.messages)}


def is_verified(user: User) -> bool:
    """Whether the person has shown that the email address is hers."""
    return bool(EmailAddress.objects.filter(user=user, email__iexact=user.email, verified=True).exists())


def has_second_factor(user: User) -> bool:
    return bool(is_mfa_enabled(user, [Authenticator.Type.TOTP]))


def lacks_second_factor(user: User) -> bool:
    """Whether the person is an operator who may not work as one before she has a second factor."""
    return bool(settings.OPERATORS_NEED_SECOND_FACTOR and user.is_staff and not has_second_factor(user))


def check_operator(user: User) -> None:
    if lacks_second_factor(user):
        raise DomainError("second_factor_required", "Operators need a second factor; set one up on the dashboard.")


def open_to(user: User | AnonymousUser) -> TenantQuerySet:
    """The tenants a person may open: those of the memberships, and every one for the platform's staff."""
    if not user.is_authenticated:
        return Tenant.objects.none()
    existing = Tenant.objects.existing()
    return existing if user.is_staff else existing.filter(memberships__user=user)


def role_in(user: User, tenant: Tenant) -> Role | None:
    """The person's role in a tenant; staff are owners everywhere, strangers nothing."""
    if user.is_staff:
        return Role.OWNER
    found = Membership.objects.filter(user=user, tenant=tenant).values_list("role", flat=True).first()
    return None if found is None else Role(found)


def caller(user: User, named: str | None) -> Caller:
    """The person as a caller about the tenant named, or about her only one.

    Raises `not_found` for one that is not open to her, `tenant_required` when none is named and it is not clear which
    one is meant, and `second_factor_required` where the tenant asks for one that she has not got.
    """
    tenant = _meant(user, named)
    found = caller_in(user, tenant)
    if tenant.requires_second_factor and not has_second_factor(user):
        raise DomainError("second_factor_required", f"{tenant.name} opens only with a second factor; set one up.")
    return found


def caller_in(user: User, tenant: Tenant) -> Caller:
    """The person as a caller about a tenant, whatever its status; `not_found` if it is not open to her."""
    role = role_in(user, tenant)
    if role is None:
        raise DomainError("not_found", f"There is no tenant {tenant.slug!r} here.")
    return Caller(
        tenant=tenant.ref,
        kind=Actor.PERSON,
        name=user.email,
        title=f"A member with the role '{role}'",
        scopes=role.scopes,
        suspended=tenant.status == Tenant.Status.SUSPENDED,
    )


def _meant(user: User, named: str | None) -> Tenant:
    if named is not None:
        return directory.get_model(named, open_to(user))
    mine = list(Tenant.objects.existing().filter(memberships__user=user).order_by("slug")[:20])
    if len(mine) != 1:
        slugs = ", ".join(tenant.slug for tenant in mine)
        detail = (
            f"Name one in X-Tenant: {slugs}." if mine else "You are no member of a tenant yet; POST tenants makes one."
        )
        raise DomainError("tenant_required", detail)
    return mine[0]
