"""How far a schema has come in the history of the migrations, and its way from there to the newest.

Django's executor asks three times whether a schema has `django_migrations`, each time by listing the tables of every
tenant, and builds graph, plan and models anew for each: with a thousand tenants that is nearly all of the time. So it
is told here what it would ask, and what does not depend on the schema is made once for all that have come equally far.
"""

from collections.abc import Collection, Iterable
from functools import cache, cached_property
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connection
from django.db.migrations import Migration
from django.db.migrations.exceptions import InconsistentMigrationHistory
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import ProjectState

from tenants import tenancy

Key = tuple[str, str]
"""An app's label and the name of one of its migrations."""


class MigrationFailed(Exception):
    """A schema could not be migrated; the message names it, the migration and the error."""


def labels(*, shared: bool = False) -> frozenset[str]:
    """The apps whose tables are in every tenant's schema, or those whose tables are in `public`."""
    return frozenset(
        config.label for config in apps.get_app_configs() if (config.name in settings.TENANT_APPS) is not shared
    )


class _Loader(MigrationLoader):
    """Django's graph of the migrations on disk, told what is applied; apps without tables in the schema are done."""

    def __init__(self, own: Collection[str], applied: Iterable[Key]) -> None:
        self._own, self._known = own, dict.fromkeys(applied)
        super().__init__(None)

    def load_disk(self) -> None:
        super().load_disk()
        self._known |= dict.fromkeys(key for key in self.disk_migrations if key[0] not in self._own)

    @property
    def applied_migrations(self) -> dict[Key, Any]:
        return self._known

    @applied_migrations.setter
    def applied_migrations(self, _: Any) -> None:
        """Django empties it, because it has no connection to ask."""


class _Recorder(MigrationRecorder):
    def has_table(self) -> bool:
        return True


class _Executor(MigrationExecutor):
    def __init__(self, loader: _Loader) -> None:
        """Django's would build a graph of its own."""
        self.connection, self.loader, self.recorder = connection, loader, _Recorder(connection)
        self.progress_callback = None
        self.at: Migration | None = None

    def apply_migration(self, state: ProjectState, migration: Migration, *args: Any, **kwargs: Any) -> ProjectState:
        self.at = migration
        return super().apply_migration(state, migration, *args, **kwargs)


class Point:
    """A point in the history of a tenant's schema (or of `public`, if `shared`), given by what is applied.

    Raises InconsistentMigrationHistory if a migration was applied before one that it depends on.
    """

    def __init__(self, applied: frozenset[Key], *, shared: bool = False) -> None:
        self._loader = _Loader(labels(shared=shared), applied)
        self._check()
        self._plan = _Executor(self._loader).migration_plan(self._loader.graph.leaf_nodes())

    @property
    def pending(self) -> list[str]:
        """The migrations that are still to come, in their order."""
        return [f"{migration.app_label}.{migration.name}" for migration, _ in self._plan]

    def migrate(self, schema: str) -> None:
        """Bring a schema that stands at this point to the newest; raises MigrationFailed.

        Each migration is a transaction, so whatever ends this leaves the schema at a point from which to go on.
        """
        executor = _Executor(self._loader)
        try:
            with tenancy.use_schema(schema):
                executor.migrate([], plan=list(self._plan), state=self._state.clone())
        except Exception as error:
            raise MigrationFailed(f"{schema}: {executor.at}: {type(error).__name__}: {error}".rstrip()) from error

    @cached_property
    def _state(self) -> ProjectState:
        graph = self._loader.graph
        state = self._loader.project_state([key for key in self._loader.applied_migrations if key in graph.nodes])
        _ = state.apps  # rendering the models is what takes long; clones share it
        return state

    def _check(self) -> None:
        """Django has the same check, which asks the database again."""
        applied, graph = self._loader.applied_migrations, self._loader.graph
        for key in applied:
            for parent in graph.node_map[key].parents if key in graph.nodes else ():
                if parent.key not in applied:
                    first, second = ".".join(key), ".".join(parent.key)
                    raise InconsistentMigrationHistory(f"{first} is applied, but not {second}, on which it depends")


@cache
def point(applied: frozenset[Key]) -> Point:
    """The point of a tenant's schema, made once in each process."""
    return Point(applied)


def begin(schema: str) -> None:
    """Give an empty schema its `django_migrations`, and so a place in the history."""
    with tenancy.use_schema(schema), connection.schema_editor() as editor:
        editor.create_model(MigrationRecorder.Migration)
