"""Where a checkout's local services live.

Pure: nothing is started or created, so that settings may import it. The answers depend only on the checkout's path,
the account and (for root) the modes of the directories above the checkout.
"""

import hashlib
import os
import re
import stat
from pathlib import Path
from urllib.parse import quote

CHECKOUT = Path(__file__).resolve().parents[2]
POSTGRES_PORT = 5432  # only a part of the socket's name; nothing listens on TCP
DATABASE = "recomengine"

_SOCKET_PATH_BYTES = 103  # sun_path holds 104 bytes on macOS and 108 on Linux, the last of them zero
_SOCKET_NAME_BYTES = len(f"/.s.PGSQL.{POSTGRES_PORT}")
_PLAIN_PATH = re.compile(r"[\w./@+~-]+", re.ASCII)  # libpq splits at commas, Celery does not decode %20


def local_dir(root: Path) -> Path:
    """The checkout's own directory for everything local."""
    return root.resolve() / ".local"


def log_file(root: Path, name: str) -> Path:
    """The log of the service or process of that name."""
    return local_dir(root) / "log" / f"{name}.log"


def state_dir(root: Path) -> Path:
    """The directory of PostgreSQL's data.

    As root, PostgreSQL runs as an unprivileged account, which may not be able to enter the checkout; its data are then
    under /var/lib, because files in /var/tmp are deleted by age.
    """
    if os.geteuid() == 0 and not open_to_everyone(root.resolve()):
        return Path("/var/lib") / _own_name(root)
    return local_dir(root)


def postgres_data(root: Path) -> Path:
    """PostgreSQL's data directory."""
    return state_dir(root) / "postgres"


def valkey_data(root: Path) -> Path:
    """The directory of Valkey's append-only file."""
    return local_dir(root) / "valkey"


def socket_dir(root: Path) -> Path:
    """The directory of both sockets: beside the data, or under /tmp where that path is too long for a socket."""
    directory = state_dir(root) / "run"
    fits = len(os.fsencode(directory)) + _SOCKET_NAME_BYTES <= _SOCKET_PATH_BYTES
    return directory if fits and _PLAIN_PATH.fullmatch(str(directory)) else Path("/tmp") / _own_name(root)  # noqa: S108


def postgres_socket(root: Path) -> Path:
    """The socket that PostgreSQL listens on."""
    return socket_dir(root) / f".s.PGSQL.{POSTGRES_PORT}"


def valkey_socket(root: Path) -> Path:
    """The socket that Valkey listens on."""
    return socket_dir(root) / "valkey.sock"


def database_url(root: Path) -> str:
    """The address of the checkout's PostgreSQL database, for libpq and django-environ.

    The port is spelt out because libpq would otherwise take it from PGPORT.
    """
    return f"postgresql://{DATABASE}@/{DATABASE}?host={quote(str(socket_dir(root)))}&port={POSTGRES_PORT}"


def redis_url(root: Path, database: int = 0) -> str:
    """The address of one of the checkout's Valkey databases (0 to 15), for redis-py."""
    return f"unix://{quote(str(valkey_socket(root)))}?db={database}"


def open_to_everyone(directory: Path) -> bool:
    """Whether every account may enter this directory and all those above it."""
    return all(stat.S_IXOTH & each.stat().st_mode for each in (directory, *directory.parents))


def _own_name(root: Path) -> str:
    """A name for directories outside the checkout that no other checkout or account shares."""
    identity = b"%d:%b" % (os.geteuid(), os.fsencode(root.resolve()))
    return f"recomengine-{hashlib.sha256(identity).hexdigest()[:12]}"
