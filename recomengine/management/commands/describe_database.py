"""`manage.py describe_database > docs/database.md`: the page about the tables, from the models and their migrations.

Needs no database. What a migration makes with SQL of its own is shown as that SQL, because the models do not know it.
"""

from collections.abc import Iterable, Iterator
from inspect import cleandoc
from pathlib import Path
from typing import Any, Final

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connection
from django.db.migrations import CreateModel, RunSQL, SeparateDatabaseAndState
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.models import BaseConstraint, Index, Model, UniqueConstraint

INTRODUCTION: Final = """
# The database

<!-- Written by `manage.py describe_database > docs/database.md`; a test fails when it is out of date. -->

PostgreSQL holds every fact. The schema `public` holds tenants, people and keys. Every tenant has a schema of its own,
named `t_` and its slug with underscores for hyphens. Nothing in a tenant's schema refers to another schema, and items
are referred to by the shop's own `item_id`, not by a foreign key ([why](architecture.md#tenancy)).

Every schema also has Django's `django_migrations`. Defaults marked "Django" are filled in by the ORM, the others by
PostgreSQL. A unique or indexed `varchar` has a second index, named `…_like`, for searches by prefix.
"""
BY_SQL: Final = "Made by SQL, because it has what the ORM cannot declare (`{path}`):\n\n```sql\n{sql}\n```"
HEADINGS: Final = ("column", "type", "null", "default", "notes")
Column = Any  # a concrete field; the stubs know too little of it
Statements = dict[tuple[str, str], list[tuple[str, str]]]
"""(app, model name in small letters) → (path of a migration, its SQL), in their order."""


class Command(BaseCommand):
    help = "Print docs/database.md: every table with its columns, indexes and constraints, from the models."
    requires_system_checks = []

    def handle(self, *_: Any, **__: Any) -> None:
        self.stdout.write(page(), ending="")


def page() -> str:
    """The whole page, as Markdown."""
    statements = made_by_sql()
    public = [config for config in apps.get_app_configs() if config.name not in settings.TENANT_APPS]
    private = [config for config in apps.get_app_configs() if config.name in settings.TENANT_APPS]
    packages = [f"`{model._meta.db_table}`" for config in public if not is_ours(config) for model in models_of(config)]
    parts = [
        INTRODUCTION.strip(),
        "## Schema `public`: the platform",
        *tables([config for config in public if is_ours(config)], statements),
        f"### Tables of Django's own apps\n\n{', '.join(packages)}.",
        "## Schema of a tenant: what a shop owns",
        *tables(private, statements),
    ]
    return "\n\n".join(parts) + "\n"


def is_ours(config: AppConfig) -> bool:
    return Path(config.path).parent == settings.BASE_DIR


def models_of(config: AppConfig) -> Iterator[type[Model]]:
    return config.get_models(include_auto_created=True)


def made_by_sql() -> Statements:
    """The statements of those migrations that make a model's table, or more columns of it, themselves."""
    statements: Statements = {}
    for (app, name), migration in sorted(MigrationLoader(None).disk_migrations.items()):
        for operation in migration.operations:
            if isinstance(operation, SeparateDatabaseAndState):
                sql = "\n".join(str(o.sql).strip() for o in operation.database_operations if isinstance(o, RunSQL))
                for model in {_model_of(change) for change in operation.state_operations}:
                    statements.setdefault((app, model), []).append((f"{app}/migrations/{name}.py", sql))
    return statements


def _model_of(change: Operation) -> str:
    return str(change.name if isinstance(change, CreateModel) else getattr(change, "model_name", "")).lower()


def tables(configs: Iterable[AppConfig], statements: Statements) -> Iterator[str]:
    """A section for every table."""
    for config in configs:
        for model in models_of(config):
            made = statements.get((config.label, model._meta.model_name or ""))
            by_sql = [BY_SQL.format(path=path, sql=sql) for path, sql in made or ()]
            shape = "\n\n".join(by_sql) or shape_of(model)
            yield "\n\n".join(part for part in (f"### `{model._meta.db_table}`", purpose(model), shape) if part)


def purpose(model: type[Model]) -> str:
    """The model's docstring; Django's own, which lists the fields, says nothing more than the table does."""
    if model._meta.auto_created:
        return "Links " + " with ".join(f"`{field.related_model._meta.db_table}`" for field in _references(model)) + "."
    written = cleandoc(model.__doc__ or "")
    return "" if written.startswith(f"{model.__name__}(") else written


def shape_of(model: type[Model]) -> str:
    """Columns, indexes and constraints."""
    rows = [HEADINGS, ("---",) * len(HEADINGS), *(column(field) for field in model._meta.local_concrete_fields)]
    written = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    together = (f"unique over {_over(fields, ())}" for fields in model._meta.unique_together)
    further = [*map(index, model._meta.indexes), *map(constraint, model._meta.constraints), *together]
    return written + ("\n\n" + "\n".join(f"- {line}" for line in further) if further else "")


def _references(model: type[Model]) -> list[Column]:
    return [field for field in model._meta.local_concrete_fields if field.remote_field]


def column(field: Column) -> tuple[str, ...]:
    """A column's row in the table."""
    null = "yes" if field.null else "no"
    return (f"`{field.column}`", field.db_type(connection) or "", null, default(field), "; ".join(notes(field)))


def default(field: Column) -> str:
    if field.has_db_default():
        sql, _ = connection.schema_editor().db_default_sql(field)
        return f"`{sql[1:-1] if sql.startswith('(') else sql}`"
    if getattr(field, "auto_now", False):
        return "time of saving (Django)"
    if not field.has_default():
        return ""
    value = field.get_default()
    return f"`{getattr(value, 'value', value)!r}` (Django)"


def notes(field: Column) -> Iterator[str]:
    """What else is known of a column."""
    if field.primary_key:
        yield "primary key" + (", counted by PostgreSQL" if field.db_type_suffix(connection) else "")
    if field.remote_field:
        yield f"refers to `{field.related_model._meta.db_table}`"
    if field.unique and not field.primary_key:
        yield "unique"
    elif field.db_index:
        yield "indexed"
    if collation := getattr(field, "db_collation", None):
        yield f"collation `{collation}`"
    if checked := field.db_check(connection):
        yield f"check `{checked}`"
    if field.choices:
        yield "one of " + ", ".join(f"`{value}`" for value, _ in field.flatchoices)
    if field.help_text:
        yield str(field.help_text).rstrip(".")


def index(made: Index) -> str:
    return f"{type(made).__name__} `{made.name}` over {_over(made.fields, made.expressions)}"


def constraint(made: BaseConstraint) -> str:
    if isinstance(made, UniqueConstraint):
        return f"unique `{made.name}` over {_over(made.fields, made.expressions)}"
    return f"{type(made).__name__} `{made.name}`"


def _over(fields: Iterable[str], expressions: Iterable[Any]) -> str:
    return ", ".join(f"`{part}`" for part in (*fields, *expressions))
