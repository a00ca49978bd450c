"""Making and removing the PostgreSQL schema of a tenant."""

from random import randrange
from typing import Final

from django.db import connection, transaction
from django_tenants.utils import quote_schema_name

from recomengine.lib import clock
from recomengine.lib.postgres import lock_until_commit
from tenants import scripts, tenancy

AT_ONCE: Final = 8  # schemas that are made at a time: each holds hundreds of the server's locks until it is committed


def create(schema: str) -> None:
    """Make a schema that equals a migrated one, with the caller's transaction if there is one; call it in `public`.

    How long it takes does not depend on the number of tenants.
    """
    script = scripts.current()
    with transaction.atomic():
        lock_until_commit(f"create schema {randrange(AT_ONCE)}")
        _fill(schema, scripts.at(script, clock.now()))


def _fill(schema: str, statements: str) -> None:
    with tenancy.use_schema(schema), connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {quote_schema_name(schema)}")
        cursor.execute(statements)


def drop(schema: str) -> None:
    """Remove a schema and everything in it, for good; nothing happens if there is none."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP SCHEMA IF EXISTS {quote_schema_name(schema)} CASCADE")
