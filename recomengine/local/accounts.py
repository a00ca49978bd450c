"""The account that PostgreSQL runs as, and directories made for it."""

import os
import pwd
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recomengine.local.errors import LocalServicesError, belongs_to_another

_UNPRIVILEGED = "nobody"


@dataclass(frozen=True)
class Account:
    """A user and its main group, by number."""

    uid: int
    gid: int

    @property
    def identity(self) -> dict[str, Any]:
        """The arguments that make subprocess run a command as this account."""
        if self.uid == os.geteuid():
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def calling_account() -> Account:
    """The account of this process."""
    return Account(os.geteuid(), os.getegid())


def postgres_account() -> Account:
    """The calling user, or `nobody` when that is root, as whom PostgreSQL refuses to run."""
    if os.geteuid() != 0:
        return calling_account()
    try:
        entry = pwd.getpwnam(_UNPRIVILEGED)
    except KeyError:
        raise LocalServicesError(
            f"PostgreSQL does not run as root and there is no account '{_UNPRIVILEGED}' to run it as: "
            "add that account, or run this command as an ordinary user."
        ) from None
    return Account(entry.pw_uid, entry.pw_gid)


def make_private_dir(path: Path, account: Account) -> None:
    """Make (or accept) a directory that only the account can enter; refuse one that belongs to somebody else.

    The check is what makes a predictable name under /tmp safe.
    """
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() == 0:
        _give(path, account)
    elif not stat.S_ISDIR(found.st_mode) or found.st_uid != account.uid:
        raise belongs_to_another(path)
    path.chmod(0o700)


def _give(path: Path, account: Account) -> None:
    try:
        os.chown(path, account.uid, account.gid)
    except OSError as error:
        raise LocalServicesError(
            f"PostgreSQL does not run as root, and {path} cannot be given to '{_UNPRIVILEGED}' ({error.strerror}): "
            "run this command as an ordinary user."
        ) from error


def remove_tree(path: Path) -> None:
    """Delete a directory and everything in it, if it exists; of a symbolic link, only the link."""
    if path.is_symlink():
        path.unlink()
        return
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except PermissionError as error:
        raise belongs_to_another(path) from error
