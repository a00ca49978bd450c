"""What a training has done so far, on disk: a folder for each stage, there once the stage is complete.

`<training directory>/<slug>/<version>/<stage>/`. A stage writes into a folder of another name that is renamed at its
end, so whoever goes on after a kill begins at the first stage that has no folder.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
from django.conf import settings
from pyarrow import parquet

from tenants.types import TenantRef

ABANDONED: Final = timedelta(hours=3)
"""After so long without a further stage nobody is still working there."""


@dataclass(frozen=True, slots=True)
class Work:
    """The work of one run; `attempt` tells the folders of a process from those of one that it took over from."""

    home: Path
    attempt: int = 1

    def has(self, stage: str) -> bool:
        """Whether the stage is complete."""
        return (self.home / stage).is_dir()

    @contextmanager
    def writing(self, stage: str) -> Iterator[Path]:
        """A new folder that becomes the stage's when the block ends, with all of it on disk, or goes if it fails."""
        partial = self.home / f"{stage}.{self.attempt}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(mode=0o700, parents=True)
        try:
            yield partial
            for path in (*partial.iterdir(), partial):
                _to_disk(path)
            partial.rename(self.home / stage)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise

    def file(self, stage: str, name: str) -> Path:
        """Where a complete stage has that file."""
        return self.home / stage / name

    def tables(self, stage: str) -> dict[str, pa.Table]:
        """Every table of a complete stage."""
        return {path.stem: parquet.read_table(path) for path in sorted((self.home / stage).glob("*.parquet"))}

    def notes(self, stage: str) -> Any:
        return json.loads((self.home / stage / "notes.json").read_text())

    def remove(self) -> None:
        shutil.rmtree(self.home, ignore_errors=True)


def of(tenant: TenantRef, version: str, attempt: int = 1) -> Work:
    return Work(_home(tenant) / version, attempt)


def keep_tables(folder: Path, tables: Mapping[str, pa.Table]) -> None:
    for name, table in tables.items():
        parquet.write_table(table, folder / f"{name}.parquet", compression="zstd")


def keep_notes(folder: Path, notes: Any) -> None:
    (folder / "notes.json").write_text(json.dumps(notes))


def sweep() -> None:
    """Remove what trainings of any tenant left and nobody goes on with."""
    before = time.time() - ABANDONED.total_seconds()
    for home in Path(settings.TRAINING_DIR).glob("*/*"):
        with suppress(FileNotFoundError):  # another process sweeps as well
            if home.stat().st_mtime < before:
                shutil.rmtree(home, ignore_errors=True)


def remove(tenant: TenantRef) -> None:
    """Remove all of a tenant's."""
    shutil.rmtree(_home(tenant), ignore_errors=True)


def _home(tenant: TenantRef) -> Path:
    return Path(settings.TRAINING_DIR) / tenant.slug


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
