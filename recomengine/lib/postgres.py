"""Plain psycopg connections, for what the ORM is not for: COPY in and out of a named schema."""

from typing import Any

import psycopg
from django.db import connections
from psycopg import sql


def connect(**options: Any) -> "psycopg.Connection[Any]":
    """A new connection to the default database; the caller closes it.

    It has no search path of a tenant: statements name the schema (`table(schema, name)`).
    """
    params = connections["default"].get_connection_params()
    params.pop("cursor_factory", None)
    params.pop("context", None)
    params.pop("pool", None)
    return psycopg.connect(**params, **options)


def table(schema: str, name: str) -> sql.Identifier:
    """A table named with its schema, quoted."""
    return sql.Identifier(schema, name)


def lock_until_commit(name: str) -> None:
    """Wait until nobody else holds the lock of that name, then hold it to the end of Django's transaction."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])
