"""PostgreSQL beside the ORM: plain connections for COPY in and out of a named schema, locks, keys that are taken."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeVar

import psycopg
from django.db import IntegrityError, connections, transaction
from django.db.models import Model, QuerySet
from psycopg import sql

from recomengine.lib.errors import DomainError

Row = TypeVar("Row", bound=Model)


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


def save_unless_taken(row: Model, kind: str, *, force_insert: bool = False) -> None:
    """Save a row that people know by its `key`, in a savepoint; `conflict` if another row of the kind has that key."""
    try:
        with transaction.atomic():
            row.save(force_insert=force_insert)
    except IntegrityError as error:
        raise DomainError("conflict", f"There is {kind} {row.key!r} already.") from error  # type: ignore[attr-defined]


def one(rows: QuerySet[Row], kind: str, **named: str) -> Row:
    """The row of that id or key, e.g. `key="sale"`; `not_found` if there is none. No text in PostgreSQL holds a NUL."""
    [name] = named.values()
    row = rows.filter(**named).first() if "\x00" not in name else None
    if row is None:
        raise DomainError("not_found", f"There is no {kind} {name!r} here.")
    return row


_IS_HELD: Final = """
    SELECT EXISTS (
        SELECT FROM pg_locks, hashtextextended(%s, 0) AS name
        WHERE locktype = 'advisory' AND granted AND objsubid = 1
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND classid::bigint = (name >> 32) & 4294967295 AND objid::bigint = name & 4294967295
    )
"""


@contextmanager
def held(name: str) -> Iterator[bool]:
    """Try to hold the lock of that name for the block, and tell whether it is; it ends with the process at the latest.

    It has a connection of its own, because it outlives transactions.
    """
    with connect(autocommit=True) as connection:
        row = connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", [name]).fetchone()
        try:
            yield bool(row and row[0])
        finally:  # now, and not when the server notices that the connection is closed, which takes a moment
            with suppress(psycopg.OperationalError):  # it is lost, and the lock with it
                connection.execute("SELECT pg_advisory_unlock_all()")


def is_held(name: str) -> bool:
    """Whether a process holds the lock of that name now."""
    with connections["default"].cursor() as cursor:
        cursor.execute(_IS_HELD, [name])
        return bool(cursor.fetchone()[0])
