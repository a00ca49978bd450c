"""The only place that points the database connection at a tenant's schema."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection

from tenants.types import TenantRef


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
