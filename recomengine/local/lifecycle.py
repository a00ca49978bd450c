"""Starting, stopping and deleting the services of a checkout; safe against several processes doing so at once."""

import errno
import fcntl
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from recomengine.local import paths, postgres, valkey
from recomengine.local.accounts import remove_tree
from recomengine.local.errors import LocalServicesError, belongs_to_another, disk_full
from recomengine.local.server import Progress, Server

_STARTERS: dict[str, Callable[[Path, Progress], bool]] = {"postgres": postgres.start, "valkey": valkey.start}
_SERVERS: dict[str, Callable[[Path], Server]] = {"postgres": postgres.server, "valkey": valkey.server}
_SETTINGS = {"postgres": "DATABASE_URL", "valkey": "REDIS_URL"}


@dataclass(frozen=True)
class Status:
    """One service: its process if it runs, and where its data and log are."""

    name: str
    pid: int | None
    data: Path
    log: Path


def needed() -> list[str]:
    """The services for which the environment names no server of its own, of "postgres" and "valkey"."""
    return [name for name, setting in _SETTINGS.items() if not os.environ.get(setting)]


def start(root: Path, progress: Progress = lambda _: None, services: Collection[str] | None = None) -> bool:
    """Start the services (by default those needed) and wait until they are ready; whether any had to be started.

    They go on after the caller ends, until they are stopped. Raises LocalServicesError.
    """
    wanted = needed() if services is None else services
    with _errors_explained(root), _exclusive(root, progress):
        _prepare(root)
        started = [_STARTERS[name](root, progress) for name in wanted]
    return any(started)


def stop(root: Path, progress: Progress = lambda _: None) -> bool:
    """Stop whichever services run; whether any did. Raises LocalServicesError."""
    with _errors_explained(root), _exclusive(root, progress):
        stopped = [server(root).stop() for server in _SERVERS.values()]
    return any(stopped)


def reset(root: Path, progress: Progress = lambda _: None) -> None:
    """Stop the services and delete their data. Raises LocalServicesError."""
    with _errors_explained(root), _exclusive(root, progress):
        for server in _SERVERS.values():
            server(root).stop()
        progress("Deleting the data")
        postgres.delete_data(root)
        remove_tree(paths.valkey_data(root))
        remove_tree(paths.socket_dir(root))
        if paths.state_dir(root) != paths.local_dir(root):
            remove_tree(paths.state_dir(root))
            remove_tree(_link_to_data(root))


def status(root: Path) -> list[Status]:
    """Every service of the checkout, running or not."""
    servers = {name: server(root) for name, server in _SERVERS.items()}
    return [Status(name, server.pid(), server.data, server.log) for name, server in servers.items()]


@contextmanager
def running(root: Path, progress: Progress = lambda _: None) -> Iterator[None]:
    """Have the services run during a `with`; stop them afterwards if it started them and nobody else uses them so."""
    with _errors_explained(root):
        paths.local_dir(root).mkdir(exist_ok=True)
    with (paths.local_dir(root) / "users.lock").open("a") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        started = start(root, progress)
        try:
            yield
        finally:
            if started and _try_lock(users):
                stop(root, progress)


@contextmanager
def _exclusive(root: Path, progress: Progress) -> Iterator[None]:
    """Hold the checkout's lock; the kernel releases it should this process be killed."""
    paths.local_dir(root).mkdir(exist_ok=True)
    with (paths.local_dir(root) / "services.lock").open("a") as lock:
        if not _try_lock(lock):
            progress("Waiting for another process that is starting or stopping the services")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _prepare(root: Path) -> None:
    """Make the directories that everything else is in, and leave a link to data that are kept elsewhere."""
    local, state = paths.local_dir(root), paths.state_dir(root)
    for directory in (local, state):
        directory.mkdir(exist_ok=True)
        if os.geteuid() == 0:
            directory.chmod(0o755)  # PostgreSQL's account must be able to enter, whatever the umask
    (local / "log").mkdir(exist_ok=True)
    link = _link_to_data(root)
    if state != local and not link.exists():
        link.unlink(missing_ok=True)
        link.symlink_to(paths.postgres_data(root))


def _link_to_data(root: Path) -> Path:
    return paths.local_dir(root) / "postgres"


@contextmanager
def _errors_explained(root: Path) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise belongs_to_another(Path(error.filename or paths.local_dir(root))) from error
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise disk_full(paths.local_dir(root)) from error
        raise LocalServicesError(f"The local services cannot be used: {error}.") from error
