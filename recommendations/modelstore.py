"""Trained tables on disk: durable, checksummed, versioned. Redis is filled from here and can be lost at any time.

`<store>/<slug>/<version>/` holds one Parquet file a table and `manifest.json` with their SHA-256 sums, written last.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pyarrow as pa
from django.conf import settings
from pyarrow import parquet

from tenants.types import TenantRef

KEPT: Final = 3
SCHEMA: Final = pa.schema(
    [("key", pa.string()), ("item", pa.int64()), ("score", pa.float32()), ("count", pa.int64()), ("rank", pa.int64())]
)
"""A row is one entry of the list of `key` (an item id, or a strategy); lists are contiguous and in rank order."""

REPURCHASES: Final = pa.schema(
    [
        ("key", pa.string()), ("item", pa.int64()), ("count", pa.int64()), ("probability", pa.float32()),
        ("days", pa.float32()), ("spread", pa.float32()),
    ]
)  # fmt: skip
"""A row is an item that is bought again, under its id."""
SCHEMAS: Final[Mapping[str, pa.Schema]] = {"repurchases": REPURCHASES}
"""Of the tables that are no lists."""


class BrokenModel(Exception):
    """A stored version is incomplete or not what was written; train again."""


def directory(tenant: TenantRef, version: str) -> Path:
    return Path(settings.MODEL_STORE) / tenant.slug / version


def save(tenant: TenantRef, version: str, tables: Mapping[str, pa.Table]) -> None:
    """Write a version; it exists once its manifest does."""
    home = directory(tenant, version)
    home.mkdir(parents=True)
    sums = {}
    for name, table in tables.items():
        path = home / f"{name}.parquet"
        parquet.write_table(table, path, compression="zstd")
        sums[name] = _sum(path)
        _to_disk(path)
    partial = home / "manifest.partial"
    partial.write_text(json.dumps({"tables": sums}, indent=1))
    _to_disk(partial)
    partial.rename(home / "manifest.json")


def load(tenant: TenantRef, version: str) -> dict[str, pa.Table]:
    """The tables of a version; raises BrokenModel if any byte differs from what was saved."""
    home = directory(tenant, version)
    try:
        sums: dict[str, str] = json.loads((home / "manifest.json").read_text())["tables"]
        if any(_sum(home / f"{name}.parquet") != wanted for name, wanted in sums.items()):
            raise BrokenModel(f"{home}: a table's checksum is wrong.")
    except FileNotFoundError as error:
        raise BrokenModel(f"{home}: {error.filename} is missing.") from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise BrokenModel(f"{home}: the manifest is damaged.") from error
    return {name: parquet.read_table(home / f"{name}.parquet", schema=SCHEMAS.get(name, SCHEMA)) for name in sums}


def prune(tenant: TenantRef, live: str) -> None:
    """Remove all but the newest `KEPT` versions and the live one."""
    versions = sorted(path.name for path in directory(tenant, "").iterdir())
    for version in versions[:-KEPT]:
        if version != live:
            shutil.rmtree(directory(tenant, version))


def remove(tenant: TenantRef) -> None:
    """Remove every version of a tenant; there may be none."""
    home = directory(tenant, "")
    if home.exists():
        shutil.rmtree(home)


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _to_disk(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
