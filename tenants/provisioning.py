"""Making tenants: the row, the schema, and what every new shop starts with."""

import psycopg
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import IntegrityError, ProgrammingError, connection, transaction

from recomengine.lib.errors import DomainError
from tenants import live, tenancy
from tenants.models import Tenant


def create_tenant(slug: str, name: str, *, currency: str = "EUR", notice: str = "") -> Tenant:
    """Create a tenant with a migrated schema; nothing is left behind if that fails."""
    tenant = Tenant(slug=slug, name=name, currency=currency, notice=notice, schema_name="t_" + slug.replace("-", "_"))
    try:
        tenant.full_clean()
    except ValidationError as error:
        code = "conflict" if Tenant.objects.filter(slug=slug).exists() else "invalid"
        raise DomainError(code, "; ".join(error.messages)) from error
    _claim(tenant)
    try:
        call_command("migrate_schemas", schema_name=tenant.schema_name, interactive=False, verbosity=0)
    except BaseException:
        drop_schema(tenant.schema_name)
        tenant.delete()
        raise
    finally:
        tenancy.leave()
    return tenant


def _claim(tenant: Tenant) -> None:
    """Make the row and the empty schema, both or none; `conflict` if another was quicker or left its schema behind."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            tenant.save()
            cursor.execute(f"CREATE SCHEMA {connection.ops.quote_name(tenant.schema_name)}")
    except ValidationError as error:  # django-tenants looks once more before it saves
        raise DomainError("conflict", "; ".join(error.messages)) from error
    except (IntegrityError, ProgrammingError) as error:
        if isinstance(error.__cause__, psycopg.errors.UniqueViolation | psycopg.errors.DuplicateSchema):
            raise DomainError("conflict", f"There is a tenant or a schema for {tenant.slug!r} already.") from error
        raise


def drop_schema(schema: str) -> None:
    tenancy.leave()
    with connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {connection.ops.quote_name(schema)} CASCADE")


def suspend_tenant(tenant: Tenant) -> None:
    _set_status(tenant, Tenant.Status.SUSPENDED)


def activate_tenant(tenant: Tenant) -> None:
    _set_status(tenant, Tenant.Status.ACTIVE)


def _set_status(tenant: Tenant, status: Tenant.Status) -> None:
    tenant.status = status
    tenant.save(update_fields=["status"])
    transaction.on_commit(lambda: live.changed(tenant.slug, "auth"))
