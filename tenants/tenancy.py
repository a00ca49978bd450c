"""The only place that points the database connection at a tenant's schema."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from django.db import connection as django_connection

from tenants.types import TenantRef

connection = cast(Any, django_connection)  # django-tenants' wrapper, which has no types


@contextmanager
def use(tenant: TenantRef) -> Iterator[None]:
    """Within the block, unqualified tables are this tenant's and no one else's.

    `public` is left out of the search path: a table missing from the schema is an error, never another table.
    """
    previous_tenant, previous_public = connection.tenant, connection.include_public_schema
    connection.set_schema(tenant.schema, include_public=False)
    try:
        yield
    finally:
        connection.set_tenant(previous_tenant, include_public=previous_public)


def leave() -> None:
    """Back to `public`, whatever was in use."""
    connection.set_schema_to_public()
