"""Imports of events by real processes: killed in the middle, and of many rows in little memory."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project
from django.db import connection
from psycopg.conninfo import make_conninfo

from events import tasks
from events.importing.kind import EVENTS, FILES
from imports import running as imports
from tenants.types import TenantRef
from tests.api import Api
from tests.catalog.imports.test_processes import eventually, kill, peak_in, worker
from tests.events.conftest import Stored
from tests.events.past import counts, of, table, upload, views

pytestmark = pytest.mark.slow
LIMIT_MB = 260


@pytest.fixture
def environment(settings: Any, tmp_path: Path, tenant_a: TenantRef) -> dict[str, str]:
    """The processes work on this test run's own database, Redis and files."""
    settings.IMPORT_STORE = tmp_path / "imports"
    return os.environ | {
        "DATABASE_URL": make_conninfo(project.DATABASE_URL, dbname=connection.settings_dict["NAME"]),
        "REDIS_URL": project.REDIS_URL,
        "RECOMENGINE_IMPORT_STORE": str(settings.IMPORT_STORE),
        "DJANGO_SETTINGS_MODULE": "recomengine.settings",
    }


def test_a_worker_that_is_killed_loses_and_doubles_nothing(
    api_a: Api, tenant_a: TenantRef, environment: dict[str, str], stored: Stored
) -> None:
    """A worker is killed with SIGKILL at whatever it was doing; another process ends what it began."""
    bad = [each | {"type": "smile"} for each in views(range(700))]
    number = upload(api_a, table(*views(range(20_000)), *bad, *views(range(19_900, 20_300))))
    with worker(environment) as process:
        eventually(lambda: of(api_a, number)["progress"]["rows"] > 1_000)
        kill(process)
    eventually(lambda: not imports.is_running(EVENTS, tenant_a))  # PostgreSQL ends what it was doing for it
    stopped = of(api_a, number)
    assert (stopped["status"], stopped["progress"]["rows"] < 21_100) == ("running", True)
    assert len(stored("id")) == stopped["stored"]
    tasks.run_imports(tenant_a.slug)
    done = of(api_a, number)
    assert (done["status"], counts(done)) == ("completed", (20_300, 20_300, 100, 700))
    assert len(set(stored("event_id"))) == len(stored("id")) == 20_300
    report = api_a.get(f"events/imports/{number}/errors.csv").body.decode().splitlines()
    assert [line.split(",")[0] for line in report[1:]] == [str(n) for n in range(20_002, 20_702)]
    assert not FILES.path(tenant_a, number).exists()


def test_many_rows_take_little_memory(environment: dict[str, str], tmp_path: Path) -> None:
    """By the command, and back into a file; in a process of its own each."""
    file, out = tmp_path / "past.csv", tmp_path / "out.parquet"
    file.write_bytes(table(*views(range(50_000))))
    answers = [
        peak(environment, "import_events", "shop-a", str(file), "--json", "-v", "0"),
        peak(environment, "export_events", "shop-a", "--format", "parquet", "--to", str(out), "--json"),
    ]
    assert '"events": 50000' in answers[0][0]
    assert max(megabytes for _, megabytes in answers) < LIMIT_MB
    assert out.stat().st_size > 100_000


def peak(environment: dict[str, str], *command: str) -> tuple[str, int]:
    """What a command says, and the most memory that it held."""
    code = (
        "from pathlib import Path; from django.core.management import execute_from_command_line as run;"
        f"run(['manage.py', *{command!r}]); print(Path('/proc/self/status').read_text())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=project.BASE_DIR, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    answer, *lines = done.stdout.decode().splitlines()
    return answer, peak_in(lines)
