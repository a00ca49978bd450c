"""Making tenants: the row, the schema, and what every new shop starts with."""

from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import connection, transaction

from recomengine.lib.errors import DomainError
from tenants import live, tenancy
from tenants.models import Tenant


def create_tenant(slug: str, name: str, *, currency: str = "EUR", notice: str = "") -> Tenant:
    """Create a tenant with a migrated schema; nothing is left behind if that fails."""
    tenant = Tenant(slug=slug, name=name, currency=currency, notice=notice, schema_name="t_" + slug.replace("-", "_"))
    try:
        tenant.full_clean()
    except ValidationError as error:
        raise DomainError(
            "conflict" if Tenant.objects.filter(slug=slug).exists() else "invalid", "; ".join(error.messages)
        ) from error
    tenant.save()
    try:
        create_schema(tenant.schema_name)
    except BaseException:
        drop_schema(tenant.schema_name)
        tenant.delete()
        raise
    return tenant


def create_schema(schema: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {connection.ops.quote_name(schema)}")
    call_command("migrate_schemas", schema_name=schema, interactive=False, verbosity=0)
    tenancy.leave()


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
