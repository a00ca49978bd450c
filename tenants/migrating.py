"""Migrating every tenant: which schemas are behind, found with one query, and the way for all of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from django.db import connection
from django.db.migrations.exceptions import InconsistentMigrationHistory
from psycopg import sql

from recomengine.lib.postgres import connect
from tenants import history, parallel
from tenants.history import Key
from tenants.models import Tenant

PUBLIC: Final = "public"
AT_ONCE: Final = 1000  # schemas in a query: each costs a few of the server's locks
_BROKEN: Final = """
    SELECT name, CASE WHEN to_regnamespace(quote_ident(name)) IS NULL THEN 'there is no such schema'
                      ELSE 'it has no table django_migrations' END
    FROM unnest(%s::text[]) name WHERE to_regclass(quote_ident(name) || '.django_migrations') IS NULL
"""
_APPLIED: Final = sql.SQL("SELECT {schema}, array_agg(app || '.' || name) FROM {table}")


class Stale(NamedTuple):
    """A schema with migrations still to come, and those it has had."""

    schema: str
    applied: frozenset[Key]


@dataclass(slots=True)
class Survey:
    """The schemas of all tenants, suspended and deleted ones too; `broken` says why one cannot be migrated."""

    count: int = 0
    stale: list[Stale] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)


def survey(schemas: Sequence[str]) -> Survey:
    """Which of the schemas are behind the migrations on disk, and which are not as a tenant's should be."""
    found = Survey(len(schemas))
    for first in range(0, len(schemas), AT_ONCE):
        batch = schemas[first : first + AT_ONCE]
        found.broken |= _broken(batch)
        for schema, applied in _applied([name for name in batch if name not in found.broken]).items():
            try:
                if history.point(applied).pending:
                    found.stale.append(Stale(schema, applied))
            except InconsistentMigrationHistory as error:
                found.broken[schema] = str(error)
    return found


def of_tenants() -> list[str]:
    """The schemas of all tenants, whatever their status; none where `public` has not been migrated yet."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('tenants_tenant')")
        if cursor.fetchone() == (None,):
            return []
    return list(Tenant.objects.order_by("schema_name").values_list("schema_name", flat=True))


def pending_in_public() -> list[str]:
    """The migrations still to come for the tables in `public`."""
    applied = {} if _broken([PUBLIC]) else _applied([PUBLIC])
    return history.Point(applied.get(PUBLIC, frozenset()), shared=True).pending


def migrate(stale: Sequence[Stale], processes: int) -> Iterator[str]:
    """Migrate, and name each schema when it is done; raises MigrationFailed for the first one that fails.

    Those under way are finished then, the rest is left as it is.
    """
    return parallel.each(_migrate, stale, processes)


def _broken(schemas: Sequence[str]) -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(_BROKEN, [list(schemas)])
        return dict(cursor.fetchall())


def _applied(schemas: Sequence[str]) -> dict[str, frozenset[Key]]:
    """Which migrations each schema has had, with one query for all of them."""
    if not schemas:
        return {}
    asked = [_APPLIED.format(schema=name, table=sql.Identifier(name, "django_migrations")) for name in schemas]
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(" UNION ALL ").join(asked).as_string(cursor.connection))
        return {schema: frozenset(map(_key, names or ())) for schema, names in cursor.fetchall()}


def _key(name: str) -> Key:
    label, _, migration = name.partition(".")
    return label, migration


def _migrate(stale: Stale) -> str:
    history.point(stale.applied).migrate(stale.schema)
    return stale.schema


@contextmanager
def alone() -> Iterator[None]:
    """Wait until nobody else migrates, then keep others waiting during the block; the lock ends with the process."""
    with connect(autocommit=True) as own:
        own.execute("SELECT pg_advisory_lock(hashtextextended('migrate', 0))")
        yield
