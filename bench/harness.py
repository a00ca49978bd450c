"""What the benches share: the API as it runs, and tenants that are gone again afterwards."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recomengine.settings")
django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402

from tenants import changing  # noqa: E402
from tenants.models import Tenant  # noqa: E402
from tenants.provisioning import create_tenant  # noqa: E402


@contextmanager
def serving(workers: int = 2) -> Iterator[int]:
    """The API's port, served by granian with some processes."""
    with serving_processes(workers) as (port, _):
        yield port


@contextmanager
def serving_processes(
    workers: int = 2, application: str = "recomengine.edge:application", interface: str = "asgi"
) -> Iterator[tuple[int, list[int]]]:
    """The API's port (or another application's), and the numbers of the processes that serve it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    options = [
        "--interface",
        interface,
        "--port",
        str(port),
        "--workers",
        str(workers),
        "--no-ws",
        "--log-level",
        "warning",
    ]
    server = subprocess.Popen([sys.executable, "-m", "granian", *options, application])
    try:
        while socket.socket().connect_ex(("127.0.0.1", port)):
            time.sleep(0.1)
        listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(server.pid)], check=True, capture_output=True)
        yield port, [int(pid) for pid in listed.stdout.split()]
    finally:
        server.terminate()
        server.wait(20)


@contextmanager
def bench_tenants(*names: str, **fields: Any) -> Iterator[list[Tenant]]:
    """Tenants on a plan without limits, whose slugs begin with `bench-`; they are purged at the end."""
    settings.LOGGING_CONFIG = None
    call_command("migrate_schemas", verbosity=0, interactive=False)
    _purge()  # what a run that was killed left behind
    try:
        yield [create_tenant(f"bench-{name}", f"Bench {name}", plan="enterprise", **fields) for name in names]
    finally:
        _purge()


def _purge() -> None:
    for tenant in Tenant.objects.filter(slug__startswith="bench-"):
        changing.purge_tenant(changing.delete_tenant(tenant))


class Connection:
    """One keep-alive connection with at most one request under way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent_at = 0.0
        self.received = b""

    def send(self, payload: bytes) -> None:
        self.received, self.sent_at = b"", time.perf_counter()
        self.socket.sendall(payload)

    def answer(self) -> bytes | None:
        """The whole answer, or None as long as it is not complete."""
        self.received += self.socket.recv(65536)
        head, end, body = self.received.partition(b"\r\n\r\n")
        if not end:
            return None
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        return self.received if len(body) >= length else None


def processors() -> float:
    """Seconds that the machine's processors have computed since it started, for whomever; 0 where that is not told."""
    try:
        with open("/proc/stat") as told:
            user, nice, system, _idle, _waiting, *interrupts = map(int, told.readline().split()[1:8])
    except OSError:
        return 0.0
    return (user + nice + system + sum(interrupts[:2])) / os.sysconf("SC_CLK_TCK")


def cpu_of(pid: int) -> float:
    """Seconds that a process has computed so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
