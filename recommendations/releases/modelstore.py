"""Trained tables where they last: checksummed, versioned. Redis is filled from here and can be lost at any time.

`<store>/<slug>/<version>/` holds one Parquet file a table and `manifest.json` with their SHA-256 sums, written last: a
version exists once its manifest does. The store is a directory or wherever fsspec reaches. Beside a model's own tables
lie those of its twin, the same model trained on nothing newer than `split_at`, by which later ones are judged.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import Any, BinaryIO, Final, NamedTuple

import msgspec
import pyarrow as pa
from django.conf import settings
from pyarrow import parquet

from recomengine.lib.errors import DomainError
from recomengine.lib.stores import Folder
from recommendations.types import USUAL, ServingParameters
from tenants.types import TenantRef

KEPT: Final = 3
MANIFEST: Final = "manifest.json"
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
Tables = Mapping[str, pa.Table]


class Model(NamedTuple):
    """A model's tables, and how to serve them."""

    tables: Tables
    serving: ServingParameters = USUAL


class BrokenModel(Exception):
    """A stored version is incomplete or not what was written; train again."""


class Twin(NamedTuple):
    """A model that has seen nothing after `split_at`."""

    split_at: datetime
    model: Model


def folder(tenant: TenantRef, *version: str) -> Folder:
    return Folder.at(str(settings.MODEL_STORE), tenant.slug, *version)


def save(tenant: TenantRef, version: str, model: Model, twin: Twin | None = None) -> None:
    """Write a version, anew if it was begun before; raises `model_store_unavailable` and leaves nothing then."""
    home = folder(tenant, version)
    with _reachable():
        try:
            manifest = _write(home, "", model)
            if twin is not None:
                manifest["twin"] = {"split_at": twin.split_at.isoformat(), **_write(home, "twin-", twin.model)}
            home.write(MANIFEST, lambda file: file.write(json.dumps(manifest, indent=1).encode()))
        except OSError:
            with suppress(OSError):  # what was written only takes room
                home.remove()
            raise


def load(tenant: TenantRef, version: str) -> Model:
    """The model of a version; raises BrokenModel if any byte differs from what was saved."""
    home = folder(tenant, version)
    with _readable(home):
        return _read(home, "", _manifest(home))


def load_twin(tenant: TenantRef, version: str) -> Twin | None:
    """A version's twin, None if it has none; raises BrokenModel as `load`."""
    home = folder(tenant, version)
    with _readable(home):
        twin = _manifest(home).get("twin")
        return twin and Twin(datetime.fromisoformat(twin["split_at"]), _read(home, "twin-", twin))


def has(tenant: TenantRef, version: str) -> bool:
    """Whether the version was written to its end, and is still kept."""
    with _reachable():
        return folder(tenant, version).has(MANIFEST)


def prune(tenant: TenantRef, kept: Collection[str]) -> None:
    """Remove all versions but the newest `KEPT` and those named."""
    with _reachable():
        for version in folder(tenant).names()[:-KEPT]:
            if version not in kept:
                folder(tenant, version).remove()


def remove(tenant: TenantRef) -> None:
    """Remove every version of a tenant; there may be none."""
    with _reachable():
        folder(tenant).remove()


def _write(home: Folder, prefix: str, model: Model) -> dict[str, Any]:
    sums = {name: home.write(f"{prefix}{name}.parquet", partial(_fill, table)) for name, table in model.tables.items()}
    return {"tables": sums, "serving": asdict(model.serving)}


def _fill(table: pa.Table, file: BinaryIO) -> None:
    with parquet.ParquetWriter(file, table.schema, compression="zstd") as writer:
        writer.write_table(table)


def _manifest(home: Folder) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads(home.read(MANIFEST))
    return manifest


def _read(home: Folder, prefix: str, manifest: Mapping[str, Any]) -> Model:
    tables = {name: _table(home, prefix, name, wanted) for name, wanted in manifest["tables"].items()}
    return Model(tables, msgspec.convert(manifest.get("serving", {}), ServingParameters))


def _table(home: Folder, prefix: str, name: str, wanted: str) -> pa.Table:
    file = f"{prefix}{name}.parquet"
    content = home.read(file)
    if sha256(content).hexdigest() != wanted:
        raise BrokenModel(f"{home.address}/{file} is not what was written: its SHA-256 differs.")
    return parquet.read_table(pa.BufferReader(content), schema=SCHEMAS.get(name, SCHEMA))


@contextmanager
def _readable(home: Folder) -> Iterator[None]:
    try:
        with _reachable():
            yield
    except FileNotFoundError as error:
        raise BrokenModel(f"{home.address} is not whole: {error}.") from error
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise BrokenModel(f"{home.address}: the manifest is damaged.") from error


@contextmanager
def _reachable() -> Iterator[None]:
    """Say of a store that cannot be read or written that it is so; a file that is missing is another matter."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        detail = f"The model store at {settings.MODEL_STORE} cannot be read or written: {error}."
        raise DomainError("model_store_unavailable", detail, retry_after=60) from error
