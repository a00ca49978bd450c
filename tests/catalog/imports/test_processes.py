"""Imports by real processes: killed in the middle, of many rows in little memory, and sent over a real connection."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from psycopg.conninfo import make_conninfo

from catalog import reading, tasks
from catalog.importing import running as imports
from catalog.importing.kind import FILES
from tenants.types import TenantRef
from tests.api import Api
from tests.catalog.imports.feeds import BOUNDARY, counts, csv_of, form, of, upload
from tests.conftest import new_key

pytestmark = pytest.mark.slow
PATIENCE = 90.0
LIMIT_MB = 220  # one that imports nothing takes some 100


@pytest.fixture
def environment(store: Path, tenant_a: TenantRef) -> dict[str, str]:
    """The processes work on this test run's own database, Redis and files."""
    return os.environ | {
        "DATABASE_URL": make_conninfo(settings.DATABASE_URL, dbname=connection.settings_dict["NAME"]),
        "REDIS_URL": settings.REDIS_URL,
        "RECOMENGINE_IMPORT_STORE": str(store),
    }


@contextmanager
def running(*command: str, environment: dict[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    """A process group of its own, killed with all its children at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command], env=environment, cwd=settings.BASE_DIR, start_new_session=True
    )
    try:
        yield process
    finally:
        kill(process)


def kill(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(60)


def worker(environment: dict[str, str]) -> Any:
    options = ["--concurrency", "1", "--loglevel", "WARNING", "--without-mingle", "--without-gossip"]
    return running("celery", "-A", "recomengine.celery", "worker", *options, environment=environment)


def eventually(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < deadline, f"nothing after {PATIENCE:g} seconds"
        time.sleep(0.02)
    return found


def status(api: Api, number: int) -> str:
    return str(of(api, number)["status"])


def test_a_worker_that_is_killed_loses_and_doubles_nothing(
    api_a: Api, tenant_a: TenantRef, environment: dict[str, str]
) -> None:
    """A worker is killed with SIGKILL at whatever it was doing; another process ends what it began."""
    bad = b"".join(b"bad%d,,1.00,red\n" % n for n in range(700))
    number = upload(api_a, csv_of(range(6_000)) + bad + csv_of(range(5_900, 6_300))[len(csv_of([])) :])
    with worker(environment) as process:
        eventually(lambda: of(api_a, number)["progress"]["rows"] > 700)
        kill(process)
    eventually(lambda: not imports.is_running(tenant_a))  # PostgreSQL ends what it was doing for it
    stopped = of(api_a, number)
    assert (stopped["status"], stopped["progress"]["rows"] < 7_100) == ("running", True)
    tasks.run_imports(tenant_a.slug)
    done = of(api_a, number)
    assert (done["status"], counts(done)) == ("completed", (6_300, 0, 100, 700, 0))
    assert reading.count(tenant_a) == 6_300
    table = api_a.get(f"catalog/imports/{number}/errors.csv").body.decode().splitlines()
    assert [line.split(",")[0] for line in table[1:]] == [str(n) for n in range(6_002, 6_702)]
    assert not FILES.path(tenant_a, number).exists()


def test_many_rows_take_little_memory(
    api_a: Api, tenant_a: TenantRef, environment: dict[str, str], store: Path
) -> None:
    """A feed of 120 MB, by the command and in a process of its own."""
    feed = store.parent / "feed.csv"
    with feed.open("w") as file:
        file.write("id,title,description\n")
        file.writelines(f"{n},Item {n},{'some words and ' * 200}\n" for n in range(40_000))
    code = (
        "from pathlib import Path; from django.core.management import execute_from_command_line as run;"
        f"run(['manage.py', 'import_catalogue', 'shop-a', {str(feed)!r}, '--json', '-v', '0']);"
        "print(Path('/proc/self/status').read_text())"
    )
    own = environment | {"DJANGO_SETTINGS_MODULE": "recomengine.settings"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=own, cwd=settings.BASE_DIR, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    answer, *lines = done.stdout.decode().splitlines()
    assert '"created": 40000' in answer
    assert peak_in(lines) < LIMIT_MB
    assert reading.count(tenant_a) == 40_000


@pytest.mark.parametrize("server", ["asgi", "wsgi"])
def test_a_large_upload_passes_through_either_server_in_little_memory(
    tenant_a: TenantRef, environment: dict[str, str], server: str
) -> None:
    key, application = new_key(tenant_a), {"asgi": "recomengine.edge", "wsgi": "recomengine.wsgi"}[server]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--interface", server, "--port", str(port), "--workers", "1", "--no-ws", f"{application}:application"]
    with running("granian", *options, environment=environment) as process:
        eventually(lambda: is_up(port))
        before = memory_of(process)
        body = form(csv_of(range(2)) + b'"' + b"x" * 150_000_000)
        assert sent(port, key, body) == 202
        assert memory_of(process) - before < 60
        if server == "asgi":  # the other one ends the connection without having read
            assert sent(port, "rec_rw_000000000000_" + "0" * 48, body[:20_000_000]) == 401
    [stored] = FILES.home(tenant_a).iterdir()
    assert stored.stat().st_size > 150_000_000


def is_up(port: int) -> bool:
    try:
        return ask(port, "GET", "/healthz", None, {}) == 200
    except OSError:
        return False


def sent(port: int, key: str, body: bytes) -> int:
    headers = {"X-API-Key": key, "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    return ask(port, "POST", "/api/v1/catalog/imports", body, headers)


def ask(port: int, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> int:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    client.request(method, path, body, headers)
    status = client.getresponse().status
    client.close()
    return status


def memory_of(process: "subprocess.Popen[bytes]") -> int:
    """The most that any process of the group has held, in MB; files in the cache are not counted."""
    found = [0]
    for path in Path("/proc").glob("[0-9]*/status"):
        try:
            if os.getpgid(int(path.parent.name)) == process.pid:
                found.append(peak_in(path.read_text().splitlines()))
        except (OSError, StopIteration):
            continue  # it has ended
    return max(found)


def peak_in(status: list[str]) -> int:
    """The most memory that a process has held, in MB, from what the kernel tells; `getrusage` counts its parent's."""
    return next(int(line.split()[1]) // 1024 for line in status if line.startswith("VmHWM"))
