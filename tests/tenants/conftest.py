"""Migrations that come after the product's own: of an app whose tables nobody else uses."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import invalidate_caches
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tenants import history, scripts

APP = "widgets"
TEMPLATE = """
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.utils import timezone

{before}

class Migration(migrations.Migration):
    dependencies = [{dependency}]
    atomic = {atomic}
    operations = [{operations}]
"""
TABLE = 'migrations.CreateModel("Late", [("id", models.BigAutoField(primary_key=True))])'
_numbers = count(1)


@dataclass
class Late:
    """A package that the app's migrations are read from, to add to."""

    directory: Path
    app: str = APP

    @property
    def module(self) -> str:
        return self.directory.name

    def add(self, *operations: str, before: str = "", atomic: bool = True) -> str:
        """Write the next migration with these operations; its name."""
        names = sorted(path.stem for path in self.directory.glob("0*.py"))
        name = f"{len(names) + 1:04d}_late"
        dependency = f'("{self.app}", "{names[-1]}")' if names else ""
        source = TEMPLATE.format(before=before, dependency=dependency, atomic=atomic, operations=", ".join(operations))
        (self.directory / f"{name}.py").write_text(source)
        forget()
        return name


@pytest.fixture
def late(tenants: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Late]:
    yield package(APP, tmp_path, monkeypatch, settings)
    remove(APP, "public", "t_shop_a", "t_shop_b")


@pytest.fixture
def late_in_public(tenants: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Late]:
    """The same for an app of the platform."""
    yield package("recomengine", tmp_path, monkeypatch, settings)
    remove("recomengine", "public")


def package(app: str, directory: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Late:
    """An empty package as the place of the app's migrations."""
    made = directory / f"late_migrations_{next(_numbers)}"
    made.mkdir()
    (made / "__init__.py").touch()
    monkeypatch.syspath_prepend(directory)
    settings.MIGRATION_MODULES = {app: made.name}
    forget()
    return Late(made, app)


def remove(app: str, *schemas: str) -> None:
    connection.set_schema_to_public()
    with connection.cursor() as cursor:
        for schema in schemas:
            cursor.execute(f"DROP TABLE IF EXISTS {schema}.{app}_late")
            cursor.execute(f"DELETE FROM {schema}.django_migrations WHERE app = %s", [app])
    forget()


def forget() -> None:
    """What a process remembers of the migrations on disk."""
    invalidate_caches()
    history.point.cache_clear()
    scripts.fingerprint.cache_clear()
