"""`manage.py migrate_schemas` in several processes: what fails, is interrupted or killed is gone on with."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from django.core.management import call_command
from django.db import connection

from recomengine.local.paths import CHECKOUT
from tenants import schemas
from tenants.provisioning import create_tenant
from tests.tenants.conftest import APP, TABLE, Late

pytestmark = pytest.mark.slow
SLUGS = [f"many-{number}" for number in range(6)]
SCHEMAS = ["t_shop_a", "t_shop_b", *(f"t_many_{number}" for number in range(6))]
SLOWLY = 'migrations.RunSQL("SELECT pg_sleep(1)")'
NAME = "migrating in a test"
OURS = "WHERE application_name = %s AND datname = current_database()"  # other test processes share the server


@pytest.fixture
def many(late: Late) -> Iterator[Late]:
    """Eight tenants, and nothing to migrate yet."""
    for slug in SLUGS:
        create_tenant(slug, slug)
    yield late
    for schema in SCHEMAS[2:]:
        schemas.drop(schema)


def start(late: Late) -> "subprocess.Popen[str]":
    """The command in a process and a session of its own, with this run's database and these migrations."""
    settings = f"from recomengine.settings import *\nMIGRATION_MODULES = {{{APP!r}: {late.module!r}}}\n"
    (late.directory.parent / "late_settings.py").write_text(settings)
    params = connection.get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    own = {
        "DATABASE_URL": " ".join(f"{name}='{params[name]}'" for name in names if params.get(name)),
        "DJANGO_SETTINGS_MODULE": "late_settings",
        "PYTHONPATH": str(late.directory.parent),
        "PGAPPNAME": NAME,
    }
    command = [sys.executable, "manage.py", "migrate_schemas", "--processes", "2", "--skip-checks"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=CHECKOUT, env=os.environ | own, start_new_session=True, **pipes)


def migrated() -> list[str]:
    found = []
    with connection.cursor() as cursor:
        for schema in SCHEMAS:
            cursor.execute(f"SELECT 1 FROM {schema}.django_migrations WHERE app = %s", [APP])
            found += [schema] if cursor.fetchone() else []
    return found


def connected() -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM pg_stat_activity {OURS}", [NAME])
        return int(cursor.fetchone()[0])


def under_way() -> int:
    """How many tenants are in the middle of their slow migration."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM pg_stat_activity {OURS} AND wait_event = 'PgSleep'", [NAME])
        return int(cursor.fetchone()[0])


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} seconds"
        time.sleep(0.02)


def test_those_under_way_are_finished_when_one_fails(many: Late) -> None:
    many.add(TABLE, SLOWLY)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE t_many_2.widgets_late (in_the_way int)")
    process = start(many)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "t_many_2: widgets.0001_late: ProgrammingError" in err
    assert "Traceback" not in err
    done = migrated()
    assert {"t_many_0", "t_many_1", "t_many_3"} <= set(done) or {"t_many_0", "t_many_1"} == set(done)
    assert f"tenants: 8, {len(done)} migrated, {8 - len(done)} behind (t_many_2, " in out


def test_after_a_kill_the_next_run_goes_on(many: Late) -> None:
    many.add(TABLE, SLOWLY)
    process = start(many)
    until(lambda: len(migrated()) >= 2)
    process.kill()
    process.communicate(timeout=120)
    until(lambda: connected() == 0)
    assert 2 <= len(migrated()) < 8
    call_command("migrate_schemas", processes=1, verbosity=0)
    assert migrated() == SCHEMAS


def test_ctrl_c_finishes_those_under_way_and_leaves_the_rest(many: Late) -> None:
    many.add(TABLE, SLOWLY)
    process = start(many)
    until(lambda: len(migrated()) >= 2 and under_way() == 2)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 1
    until(lambda: connected() == 0)
    assert "Stopped.\nRun the command again to go on." in err
    assert "Traceback" not in err
    assert 4 <= len(migrated()) < 8
    assert out.startswith("public: up to date")


def test_the_end_of_a_process_is_said(many: Late) -> None:
    many.add(TABLE, SLOWLY)
    process = start(many)
    until(lambda: len(migrated()) >= 2)
    children = subprocess.check_output(["pgrep", "-P", str(process.pid), "-f", "spawn_main"], text=True).split()
    os.kill(int(children[0]), signal.SIGKILL)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "A process was ended from outside" in err
    until(lambda: connected() == 0)
