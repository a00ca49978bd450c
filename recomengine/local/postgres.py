"""The checkout's own PostgreSQL server."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg

from recomengine.local import paths, processes
from recomengine.local.accounts import Account, make_private_dir, postgres_account, remove_tree
from recomengine.local.errors import LocalServicesError, belongs_to_another, disk_full, failed
from recomengine.local.installation import postgres_programs, unsupported
from recomengine.local.server import Progress, Server

_SUPERUSER = "postgres"
_NEEDED_BYTES = 300_000_000
_SETTINGS = {
    "listen_addresses": "",
    "port": str(paths.POSTGRES_PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "effective_cache_size": "1GB",
    "random_page_cost": "1.1",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "fsync": "on",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %d ",
}
if sys.platform == "linux":
    _SETTINGS["recovery_init_sync_method"] = "syncfs"  # a thousand tenants have a quarter of a million files


def server(root: Path) -> Server:
    """The server of that checkout, running or not."""
    data = paths.postgres_data(root)
    return Server(
        name="PostgreSQL",
        command=("postgres", "-D", str(data)),
        data=data,
        socket=paths.postgres_socket(root),
        log=paths.log_file(root, "postgres"),
        answers=lambda: _answers(root),
        stop_signals=((signal.SIGINT, 60.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 5.0)),
    )


def start(root: Path, progress: Progress) -> bool:
    """Start the server unless it runs already; whether it had to be started.

    The caller holds the checkout's lock. Afterwards the role and the database `recomengine` exist.
    """
    postgres, programs, account = server(root), postgres_programs(root), postgres_account()
    postgres.stop_if_unreachable()
    make_private_dir(postgres.socket.parent, account)
    if not postgres.data.exists():
        progress("Creating the PostgreSQL data directory")
        _initialise(postgres.data, programs, account)
    _check_data(postgres.data, programs, account)
    if needed := not postgres.is_up():
        progress("Starting PostgreSQL")
        _launch(postgres, programs, account)
    _make_database(root)
    return needed


def delete_data(root: Path) -> None:
    """Delete the data of a stopped server."""
    remove_tree(paths.postgres_data(root))
    remove_tree(_unfinished(paths.postgres_data(root)))


def _initialise(data: Path, programs: Path, account: Account) -> None:
    """Make the data directory under another name first, so that an interrupted attempt is never taken for data."""
    unfinished = _unfinished(data)
    if shutil.disk_usage(data.parent).free < _NEEDED_BYTES:
        raise disk_full(data.parent)
    remove_tree(unfinished)
    make_private_dir(unfinished, account)
    options = "--encoding=UTF8 --locale=C --locale-provider=builtin --builtin-locale=C.UTF-8 --auth=trust"
    sync = ["--sync-method=syncfs"] if sys.platform == "linux" else []
    try:
        made = subprocess.run(  # noqa: S603
            [programs / "initdb", "-D", unfinished, "-U", _SUPERUSER, *options.split(), *sync],
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd="/",
            env=processes.bare_environment(),
            **account.identity,
        )
    except OSError as error:
        raise unsupported("PostgreSQL") from error
    if made.returncode:
        raise failed(f"initdb failed:\n{made.stdout.strip()}", data.parent)
    unfinished.rename(data)


def _check_data(data: Path, programs: Path, account: Account) -> None:
    if data.stat().st_uid != account.uid:
        raise belongs_to_another(data)
    found = (data / "PG_VERSION").read_text().strip()
    printed = subprocess.check_output([programs / "postgres", "--version"], text=True)  # noqa: S603
    installed = printed.split()[-1].partition(".")[0]
    if found != installed:
        raise LocalServicesError(
            f"The data in {data} were made by PostgreSQL {found}, but PostgreSQL {installed} is installed: "
            "run `manage.py services reset` to begin anew, or go back to the former version to save them."
        )


def _launch(postgres: Server, programs: Path, account: Account) -> None:
    """Start the server; try again while processes of a killed one are still ending."""
    settings = _SETTINGS | {"unix_socket_directories": str(postgres.socket.parent)}
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    for attempts_left in (2, 1, 0):
        _remove_stale_locks(postgres)
        output = postgres.launch(programs / "postgres", options, account)
        if output is None:
            return
        if "still in use" not in output or not attempts_left:
            raise failed(f"PostgreSQL did not start; {postgres.log} ends with:\n{output}", postgres.data)
        time.sleep(2.0)


def _remove_stale_locks(postgres: Server) -> None:
    """Remove what a killed server left: PostgreSQL would refuse if an unrelated process now had its number.

    A server that still runs was found before, and PostgreSQL's own check of its shared memory stays.
    """
    socket = postgres.socket
    for lock in (postgres.data / "postmaster.pid", socket, socket.with_name(f"{socket.name}.lock")):
        lock.unlink(missing_ok=True)


def _connect(root: Path) -> psycopg.Connection:
    return psycopg.connect(
        host=str(paths.socket_dir(root)),
        port=paths.POSTGRES_PORT,
        user=_SUPERUSER,
        dbname="postgres",
        connect_timeout=10,
        autocommit=True,
    )


def _answers(root: Path) -> bool:
    try:
        _connect(root).close()
    except psycopg.OperationalError:
        return False
    return True


def _make_database(root: Path) -> None:
    """Create the role and database; the role may make databases (tests do) but is no superuser, as in production."""
    name = paths.DATABASE
    with _connect(root) as connection:
        if not connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [name]).fetchall():
            connection.execute(f"CREATE ROLE {name} LOGIN CREATEDB")
        if not connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchall():
            connection.execute(f"CREATE DATABASE {name} OWNER {name}")


def _unfinished(data: Path) -> Path:
    return data.with_name(f"{data.name}.unfinished")
