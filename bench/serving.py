"""What the benches share: the API as it runs, and tenants that are gone again afterwards."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
def serving_processes(workers: int = 2) -> Iterator[tuple[int, list[int]]]:
    """The API's port, and the numbers of the processes that serve it."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    options = [
        "--interface",
        "asgi",
        "--port",
        str(port),
        "--workers",
        str(workers),
        "--no-ws",
        "--log-level",
        "warning",
    ]
    server = subprocess.Popen([sys.executable, "-m", "granian", *options, "recomengine.edge:application"])
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
