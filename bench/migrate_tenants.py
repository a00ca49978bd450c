"""What tenants cost: making them one by one and several at once, and migrating all of them.

Run with `manage.py services run -- .venv/bin/python -m bench.migrate_tenants --tenants 1000`. It works in a database
of its own, which it makes and drops. Before migrating, every tenant gets partitions for three months of events, as beat
makes them. The migration that is measured adds a column with a default to `catalog_item`; it is written into a
temporary directory, which takes the place of the catalogue's migrations. Django's own way is timed on a few tenants and
multiplied.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from importlib import invalidate_caches
from pathlib import Path
from typing import Final, LiteralString

import django
import psycopg
from psycopg.conninfo import make_conninfo

from recomengine.local import paths

DATABASE: Final = "bench_migrate_tenants"
THREADS: Final = 8
STOCK: Final = 20  # tenants that are migrated in Django's own way
SETTINGS: Final = """
from recomengine.settings import *
MIGRATION_MODULES = {"catalog": "bench_catalog_migrations"}
"""
MIGRATION: Final = """
from django.db import migrations, models

class Migration(migrations.Migration):
    dependencies = [("catalog", "%s")]
    operations = [migrations.AddField("item", "%s", models.IntegerField(default=1))]
"""


@contextmanager
def database(server: str, name: LiteralString = DATABASE) -> Iterator[None]:
    """A database of the bench's own, named in the environment of this process and of those it starts."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name}")
        os.environ["DATABASE_URL"] = make_conninfo(server, dbname=name)
        try:
            yield
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def migrations() -> Iterator[Path]:
    """A directory that the catalogue's migrations are read from instead of the checkout's, with Django set up so."""
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "bench_settings.py").write_text(SETTINGS)
        copies = Path(directory) / "bench_catalog_migrations"
        shutil.copytree(paths.CHECKOUT / "catalog" / "migrations", copies)
        os.environ |= {"DJANGO_SETTINGS_MODULE": "bench_settings", "PYTHONPATH": directory}
        os.environ.pop(
            "PYTHONDONTWRITEBYTECODE", None
        )  # an installation keeps compiled modules; so do the processes here
        os.environ["PYTHONPYCACHEPREFIX"] = f"{directory}/compiled"
        sys.path.insert(0, directory)
        django.setup()
        yield copies


def add_migration(directory: Path, column: str) -> None:
    newest = sorted(path.stem for path in directory.glob("0*.py"))[-1]
    name = f"{int(newest[:4]) + 1:04d}_{column}.py"
    (directory / name).write_text(MIGRATION % (newest, column))
    invalidate_caches()


def manage(*arguments: str) -> float:
    """The seconds a command takes, its process's start included."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "manage.py", *arguments], check=True, cwd=paths.CHECKOUT, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def provision(number: int) -> float:
    """The seconds it takes to make a tenant."""
    from tenants.provisioning import create_tenant

    began = time.perf_counter()
    create_tenant(f"shop-{number}", f"Shop {number}")
    return time.perf_counter() - began


def measure_provisioning(tenants: int) -> None:
    at_once = tenants // 2
    with ThreadPoolExecutor(THREADS) as pool:
        began = time.perf_counter()
        list(pool.map(provision, range(at_once)))
        rate = at_once / (time.perf_counter() - began)
    print(f"{at_once} made by {THREADS} threads: {rate:.1f} a second", flush=True)
    seconds = [provision(number) for number in range(at_once, tenants)]
    p95 = statistics.quantiles(seconds, n=20)[-1]
    tenth = max(1, len(seconds) // 10)
    print(f"{len(seconds)} made one by one: median {statistics.median(seconds):.3f} s, 95th percentile {p95:.3f} s")
    first, last = statistics.median(seconds[:tenth]), statistics.median(seconds[-tenth:])
    print(f"  median of the first {tenth}: {first:.3f} s, of the last {tenth}: {last:.3f} s", flush=True)


def add_partitions(tenants: int, months: int) -> None:
    """What tenants have after some months: a table and its indexes for each."""
    from events import partitions
    from recomengine.lib.postgres import connect

    first = date(2026, 1, 1)
    wanted = [first.replace(year=first.year + n // 12, month=1 + n % 12) for n in range(months)]
    with connect(autocommit=True) as connection:
        for number in range(tenants):
            partitions.ensure(connection, f"t_shop_{number}", wanted)
        (relations,) = connection.execute("SELECT count(*) FROM pg_class").fetchone() or (0,)
    print(f"with {months} months of partitions each, the catalogue has {relations:,} relations", flush=True)


def measure_migrating(directory: Path, tenants: int) -> None:
    add_migration(directory, "weight")
    print(f"migrate_schemas, one migration for {tenants} tenants: {manage('migrate_schemas'):.1f} s", flush=True)
    seconds = sorted(manage("migrate_schemas") for _ in range(3))
    print(f"migrate_schemas, nothing to do (median of 3): {seconds[1]:.1f} s", flush=True)
    print(f"migrate_schemas --check: {manage('migrate_schemas', '--check'):.1f} s", flush=True)


def measure_stock(directory: Path, tenants: int) -> None:
    """Django's command as django-tenants runs it for each tenant, in this one process."""
    from django.core.management import call_command

    def migrate() -> float:
        began = time.perf_counter()
        for number in range(STOCK):
            call_command("migrate", schema_name=f"t_shop_{number}", verbosity=0, interactive=False)
        return (time.perf_counter() - began) / STOCK

    migrate()  # notes the migrations of the shared apps in these schemas, where ours leaves them out
    add_migration(directory, "height")
    call_command("migrate", shared=True, verbosity=0, interactive=False)
    each = migrate()
    print(
        f"Django's command, {STOCK} tenants: {each:.2f} s each; "
        f"extrapolated, {tenants} tenants in 2 processes: {each * tenants / 2 / 60:.1f} minutes"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tenants", type=int, default=1000)
    parser.add_argument("--months", type=int, default=3)
    options = parser.parse_args()
    tenants: int = options.tenants
    with database(os.environ.get("DATABASE_URL") or paths.database_url(paths.CHECKOUT)), migrations() as directory:
        manage("migrate_schemas")
        measure_provisioning(tenants)
        add_partitions(tenants, options.months)
        measure_migrating(directory, tenants)
        measure_stock(directory, tenants)


if __name__ == "__main__":
    main()
