"""The files of imports on disk, from the upload or the fetch until nobody can go on with the import any more.

`<store>/<slug>/<folder>/<import id>` is an import's file, where its kind has a folder; while it comes in, it is
`incoming-<random>`. Web processes and workers share the directory.
"""

import os
import secrets
import shutil
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from django.conf import settings

from recomengine.lib.errors import DomainError
from tenants.types import TenantRef

ABANDONED: Final = 24 * 3600.0  # seconds after which nobody is still sending
_INCOMING: Final = "incoming-"


@dataclass(frozen=True, slots=True)
class Files:
    """The files of one kind of imports; those of a kind without a folder lie beside the others' folders."""

    folder: str = ""

    def home(self, tenant: TenantRef) -> Path:
        return _store(tenant) / self.folder

    def path(self, tenant: TenantRef, import_id: int) -> Path:
        """Where the import's file lies, if it is there."""
        return self.home(tenant) / str(int(import_id))

    @contextmanager
    def incoming(self, tenant: TenantRef) -> Iterator[tuple[BinaryIO, Callable[[int], None]]]:
        """A new file to write to, and what makes it an import's; it goes with the block if nothing did."""
        directory = self.home(tenant)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = directory / f"{_INCOMING}{secrets.token_hex(8)}"

        def keep(import_id: int) -> None:
            file.flush()
            os.fsync(file.fileno())
            partial.replace(self.path(tenant, import_id))

        with partial.open("x+b") as file:
            try:
                yield file, keep
            finally:
                partial.unlink(missing_ok=True)

    def discard(self, tenant: TenantRef, import_id: int) -> None:
        """Remove an import's file; it may be gone already."""
        self.path(tenant, import_id).unlink(missing_ok=True)

    def sweep(self, tenant: TenantRef, kept: Collection[int]) -> int:
        """Remove the files of all imports but these, and what was begun and abandoned; returns how many."""
        removed = 0
        now = time.time()
        for each in self.home(tenant).iterdir() if self.home(tenant).exists() else ():
            is_new = now - each.stat().st_mtime < ABANDONED
            if (each.name.isdigit() and int(each.name) in kept) or is_new or each.is_dir():
                continue
            each.unlink(missing_ok=True)
            removed += 1
        return removed


def receive(chunks: Iterable[bytes], to: BinaryIO) -> None:
    """Write an upload to a file, never all of it in memory; raises `payload_too_large`, and `invalid` for nothing."""
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > settings.MAX_IMPORT_BYTES:
            raise DomainError("payload_too_large", f"A file holds at most {settings.MAX_IMPORT_BYTES:,} bytes.")
        to.write(chunk)
    if not size:
        raise DomainError("invalid", "The file is empty.")


def remove(tenant: TenantRef) -> None:
    """Remove every file of a tenant; there may be none."""
    if _store(tenant).exists():
        shutil.rmtree(_store(tenant))


def _store(tenant: TenantRef) -> Path:
    return Path(settings.IMPORT_STORE) / tenant.slug
