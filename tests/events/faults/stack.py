"""A whole installation of a test's own, whose processes it may kill: servers, API, worker, and a shop with its key."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
import redis

from recomengine.local import lifecycle, paths, postgres, valkey
from recomengine.local.server import Server

PATIENCE: Final = 60.0
SHOP: Final = "shop"
SCHEMA: Final = "t_shop"
BOTH: Final = ("postgres", "valkey")


def eventually(look: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"nothing after {seconds:g} seconds"
        time.sleep(0.05)
    return found


def children(pid: int) -> list[int]:
    """The processes that a process started and that still run."""
    listed = subprocess.run(["ps", "-o", "pid=,stat=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    rows = [line.split() for line in listed.stdout.splitlines()]
    return [int(number) for number, state in rows if not state.startswith("Z")]


@dataclass
class Stack:
    """`root` is a checkout as far as the embedded servers are concerned; the code is this one's."""

    root: Path
    port: int = 0
    key: str = ""
    web: "subprocess.Popen[bytes] | None" = None

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "DATABASE_URL": paths.database_url(self.root),
            "REDIS_URL": paths.redis_url(self.root),
            "RECOMENGINE_MODEL_STORE": str(self.root / "models"),
            "RECOMENGINE_IMPORT_STORE": str(self.root / "imports"),
        }

    @property
    def redis(self) -> redis.Redis:
        return redis.Redis.from_url(paths.redis_url(self.root), decode_responses=True)

    @property
    def postgres_server(self) -> Server:
        return postgres.server(self.root)

    @property
    def valkey_server(self) -> Server:
        return valkey.server(self.root)

    def rows(self, statement: str, **options: Any) -> list[tuple[Any, ...]]:
        """The answer of this PostgreSQL to a statement; `{schema}` is the shop's."""
        with psycopg.connect(paths.database_url(self.root), autocommit=True, **options) as connection:
            cursor = connection.execute(statement.format(schema=SCHEMA).encode())
            return cursor.fetchall() if cursor.description else []

    def start_servers(self) -> None:
        lifecycle.start(self.root, services=BOTH)

    def run(self, module: str, *arguments: str) -> None:
        """Run a Python module to its end."""
        assert self.spawn(module, *arguments).wait(PATIENCE) == 0

    def manage(self, *arguments: str) -> Any:
        """What a command of `manage.py` answers with `--json`."""
        command = [sys.executable, "manage.py", *arguments, "--json"]
        done = subprocess.run(command, env=self.environment, cwd=paths.CHECKOUT, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout) if done.stdout.strip() else None

    def spawn(self, *command: str) -> "subprocess.Popen[bytes]":
        """A process group of its own, running a Python module."""
        return subprocess.Popen(
            [sys.executable, "-m", *command], env=self.environment, cwd=paths.CHECKOUT, start_new_session=True
        )

    def serve(self, ready: str = "/readyz") -> None:
        """Start the API on the same port each time, and wait until that path is answered with 200."""
        options = ["--interface", "asgi", "--port", str(self.port), "--workers", "2", "--no-ws"]
        options += ["--respawn-failed-workers", "--respawn-interval", "0.5", "--workers-kill-timeout", "10"]
        self.web = self.spawn("granian", *options, "recomengine.edge:application")
        eventually(lambda: self.answers(ready))

    def answers(self, path: str = "/readyz") -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def forget_events(self) -> None:
        """Empty the store, and with it what Redis holds of events, without it counting as lost."""
        self.rows("TRUNCATE {schema}.events_eventkey, {schema}.events_event, {schema}.events_cursor")
        moved = [key for key in self.redis.scan_iter() if not key.endswith((":live", ":config"))]
        if moved:
            self.redis.delete(*moved)

    def kill(self, server: Server) -> None:
        """End a server without any warning, with all its processes."""
        pid = server.pid()
        assert pid is not None
        for each in [pid, *children(pid)]:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        eventually(lambda: server.pid() is None)

    def kill_web(self) -> None:
        """End the API's processes, all at once."""
        assert self.web is not None
        os.killpg(self.web.pid, signal.SIGKILL)
        self.web.wait(60)

    def end(self) -> None:
        if self.web is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.web.pid, signal.SIGKILL)
            self.web.wait(60)
        lifecycle.reset(self.root)
        shutil.rmtree(self.root)


@contextmanager
def installed() -> Iterator[Stack]:
    """An installation with a shop on a plan without limits; nothing serves yet."""
    root = Path(tempfile.mkdtemp(prefix="checkout-"))
    root.chmod(0o755)  # PostgreSQL's account has to get in
    with socket.create_server(("127.0.0.1", 0)) as free:
        stack = Stack(root, int(free.getsockname()[1]))
    try:
        stack.start_servers()
        stack.manage("migrate_schemas")
        made = stack.manage("create_tenant", SHOP, "Shop", "--plan", "enterprise", "--with-keys")
        stack.key = made["keys"]["rw"]
        yield stack
    finally:
        stack.end()
