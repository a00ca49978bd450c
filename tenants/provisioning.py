"""Making tenants: the row, the schema, and what every new shop starts with."""

import re
import secrets
import unicodedata
from dataclasses import dataclass
from typing import Final

import psycopg
from django.core.exceptions import ValidationError
from django.db import IntegrityError, ProgrammingError, transaction

from recomengine.lib.api import field_errors
from recomengine.lib.errors import DomainError
from tenants import audit, keys, plans, schemas
from tenants.models import Membership, Tenant, User
from tenants.types import PLATFORM, Actor, KeyType, Role

TOLD: Final = ["slug", "name", "currency", "timezone", "locale", "plan"]
FIRST_KEYS: Final = {
    KeyType.PUBLISHABLE: "Browser SDK",
    KeyType.READ_ONLY: "Server, reading",
    KeyType.READ_WRITE: "Server, writing",
}
MAX_OWN: Final = 5  # shops that one person may open by herself


@dataclass(frozen=True, slots=True)
class NewTenant:
    """What a shop starts with; a slug is made from the name if there is none."""

    name: str
    slug: str = ""
    currency: str = "EUR"
    timezone: str = "UTC"
    locale: str = "en"
    allowed_origins: tuple[str, ...] = ()
    notice: str = ""


@transaction.atomic
def create_tenant(
    slug: str, name: str, *, currency: str = "EUR", notice: str = "", plan: str = plans.BY_OPERATORS,
    timezone: str = "UTC", locale: str = "en", allowed_origins: tuple[str, ...] = (), by: Actor = PLATFORM,
) -> Tenant:  # fmt: skip
    """Create a tenant with its schema; nothing is left behind if that fails."""
    tenant = Tenant(
        slug=slug, name=name, currency=currency, notice=notice, plan=plan, timezone=timezone, locale=locale,
        allowed_origins=list(allowed_origins), schema_name="t_" + slug.replace("-", "_"),
    )  # fmt: skip
    validate(tenant)
    _claim(tenant)
    audit.record(by, "tenant.created", tenant, tenant, after=audit.values(tenant, TOLD))
    return tenant


def validate(tenant: Tenant) -> None:
    """Refuse wrong values by their names, and a slug that is taken as a `conflict`."""
    try:
        tenant.full_clean()
    except ValidationError as error:
        taken = Tenant.objects.filter(slug=tenant.slug).exclude(pk=tenant.pk).exists()
        if taken:
            raise DomainError("conflict", f"There is a tenant {tenant.slug!r} already.") from error
        wrong = field_errors(error.message_dict)
        raise DomainError("invalid", "; ".join(each["message"] for each in wrong), errors=wrong) from error


def open_shop(owner: User, new: NewTenant, *, by: Actor) -> tuple[Tenant, dict[KeyType, keys.Token]]:
    """Create a tenant on the plan of sign-ups that a person owns, with a first key of each type.

    Raises `too_many_tenants` for a person who owns `MAX_OWN` already, and whatever `create_tenant` does.
    """
    with transaction.atomic():
        User.objects.select_for_update().get(pk=owner.pk)  # one after the other, or the limit is none
        if owner.memberships.filter(role=Role.OWNER).count() >= MAX_OWN:
            raise DomainError("too_many_tenants", f"A person may open {MAX_OWN} shops; ask the operators for more.")
        tenant, made = open_for_others(new, plans.SIGN_UP, by=by)
        member = Membership.objects.create(user=owner, tenant=tenant, role=Role.OWNER)
        audit.record(by, "member.joined", ("membership", owner.email), tenant, after={"role": member.role})
    return tenant, made


def open_for_others(
    new: NewTenant, plan: str = plans.BY_OPERATORS, *, by: Actor
) -> tuple[Tenant, dict[KeyType, keys.Token]]:
    """Create a tenant that nobody owns yet, with a first key of each type."""
    with transaction.atomic():
        tenant = _create(new, plan, by)
        return tenant, first_keys(tenant, by=by)


def _create(new: NewTenant, plan: str, by: Actor) -> Tenant:
    """Create under the slug that was chosen, else under a free one, which somebody else may take in the meantime."""
    for slug in [new.slug] if new.slug else [free_slug(new.name), random_slug(new.name), random_slug(new.name)]:
        try:
            return create_tenant(
                slug, new.name, currency=new.currency, timezone=new.timezone, locale=new.locale,
                allowed_origins=new.allowed_origins, notice=new.notice, plan=plan, by=by,
            )  # fmt: skip
        except DomainError as error:
            if error.code != "conflict":
                raise
            taken = error
    raise taken


def first_keys(tenant: Tenant, *, by: Actor) -> dict[KeyType, keys.Token]:
    """A key of each type for a new tenant."""
    return {kind: keys.create_key(tenant, kind, keys.KeySettings(name), by=by) for kind, name in FIRST_KEYS.items()}


def free_slug(name: str) -> str:
    """A slug that reads like the name; with a few random characters if it is taken or names nothing."""
    slug = _readable(name)
    return slug if len(slug) >= 2 and not Tenant.objects.filter(slug=slug).exists() else random_slug(name)


def random_slug(name: str) -> str:
    return f"{_readable(name) or 'shop'}-{secrets.token_hex(3)}"


def _readable(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-0123456789")[:32].strip("-")


def _claim(tenant: Tenant) -> None:
    """Make the row and the schema; `conflict` if another was quicker or left its schema behind."""
    try:
        tenant.save()
        schemas.create(tenant.schema_name)
    except ValidationError as error:  # django-tenants looks once more before it saves
        raise DomainError("conflict", "; ".join(error.messages)) from error
    except (IntegrityError, ProgrammingError) as error:
        if isinstance(error.__cause__, psycopg.errors.UniqueViolation | psycopg.errors.DuplicateSchema):
            raise DomainError("conflict", f"There is a tenant or a schema for {tenant.slug!r} already.") from error
        raise
