"""The only place that points the database connection at a tenant's schema."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, cast

from django.db import connection as django_connection

from tenants.types import TenantRef

connection = cast(Any, django_connection)  # django-tenants' wrapper, which has no types


def use(tenant: TenantRef) -> AbstractContextManager[None]:
    """Within the block, unqualified tables are this tenant's and no one else's.

    `public` is left out of the search path: a table missing from the schema is an error, never another table.
    """
    return use_schema(tenant.schema)


@contextmanager
def use_schema(schema: str) -> Iterator[None]:
    """The same by the schema's name, for what makes and migrates schemas."""
    previous_tenant, previous_public = connection.tenant, connection.include_public_schema
    connection.set_schema(schema, include_public=False)
    try:
        yield
    finally:
        connection.set_tenant(previous_tenant, include_public=previous_public)


def leave() -> None:
    """Back to `public`, whatever was in use."""
    connection.set_schema_to_public()
