"""The files of archived months: Parquet, one folder a month, in a directory or wherever fsspec reaches.

A file is named by its content (`<archive>/<slug>/2026-10/events-<sha256>.parquet`) and never changed: a month that is
written anew is another file, and the row of `ArchivedMonth` says which one counts.
"""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import BinaryIO, Final, cast

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from django.conf import settings
from fsspec import AbstractFileSystem
from fsspec.core import url_to_fs

from events.models import ArchivedMonth
from recomengine.lib.errors import DomainError
from recomengine.lib.stores import Digested
from tenants import tenancy
from tenants.types import TenantRef

_INSTANT: Final = pa.timestamp("us", tz="UTC")
SCHEMA: Final = pa.schema(
    [
        ("id", pa.int64()), ("event_id", pa.string()), ("line", pa.int16()), ("type", pa.string()),
        ("occurred_at", _INSTANT), ("received_at", _INSTANT), ("visitor_id", pa.string()), ("user_id", pa.string()),
        ("session_id", pa.string()), ("item_id", pa.string()), ("quantity", pa.int32()),
        ("price", pa.decimal128(14, 4)), ("currency", pa.string()), ("order_id", pa.string()),
        ("recommendation_id", pa.string()), ("placement", pa.string()), ("position", pa.int32()),
        ("properties", pa.string()), ("consent", pa.bool_()), ("flag", pa.string()),
    ]
)  # fmt: skip
BATCH: Final = 50_000  # rows in memory at a time
_PIECE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was written and read back."""

    rows: int
    sha256: str
    received_until: datetime | None


def write(tenant: TenantRef, month: date, batches: Iterable[pa.RecordBatch]) -> Written:
    """Write a month's file aside, read it back, and move it to where its content names it.

    Nothing reads it before `ArchivedMonth` names it. Raises `archive_unavailable`.
    """
    files, folder = _folder(tenant, month)
    aside = f"{folder}/{secrets.token_hex(8)}.writing"
    try:
        files.makedirs(folder, exist_ok=True)
        written = _written(files, aside, batches)
        _check(files, aside, written.sha256, written.rows)
        files.mv(aside, f"{folder}/{_name(written.sha256)}")
    except OSError as error:
        raise _unavailable(error) from error
    finally:
        if files.exists(aside):
            files.rm_file(aside)
    return written


def _written(files: AbstractFileSystem, path: str, batches: Iterable[pa.RecordBatch]) -> Written:
    rows, latest = 0, None
    with files.open(path, "wb") as file:
        sink = Digested(cast(BinaryIO, file))
        with pq.ParquetWriter(sink, SCHEMA, compression="zstd", write_page_checksum=True) as writer:
            for batch in batches:
                writer.write_batch(batch)
                rows += batch.num_rows
                latest = max(filter(None, (latest, pc.max(batch["received_at"]).as_py())), default=None)
    return Written(rows, sink.digest.hexdigest(), latest)


def verify(tenant: TenantRef, row: ArchivedMonth) -> None:
    """Read a month's file whole; raises `archive_unavailable` unless it is what was written."""
    files, folder = _folder(tenant, row.month)
    try:
        _check(files, f"{folder}/{_name(row.sha256)}", row.sha256, row.rows)
    except OSError as error:
        raise _unavailable(error) from error


def _check(files: AbstractFileSystem, path: str, digest: str, rows: int) -> None:
    found = sha256()
    with files.open(path, "rb") as file:
        while piece := file.read(_PIECE):
            found.update(piece)
        if found.hexdigest() != digest:
            raise DomainError("archive_unavailable", f"{path} is not what was written: its SHA-256 differs.")
        file.seek(0)
        kept = pq.read_metadata(file).num_rows
    if kept != rows:
        raise DomainError("archive_unavailable", f"{path} holds {kept} rows instead of {rows}.")


def read(tenant: TenantRef, row: ArchivedMonth, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """A month's rows in the order of time, some ten thousand at a time; raises `archive_unavailable`."""
    files, folder = _folder(tenant, row.month)
    try:
        with files.open(f"{folder}/{_name(row.sha256)}", "rb") as file:
            found = pq.ParquetFile(file, page_checksum_verification=True)
            yield from found.iter_batches(BATCH, columns=list(columns or SCHEMA.names), use_threads=False)
    except (OSError, pa.ArrowException) as error:
        raise _unavailable(error) from error


def months(tenant: TenantRef) -> list[ArchivedMonth]:
    """The archived months, in order."""
    with tenancy.use(tenant):
        return list(ArchivedMonth.objects.order_by("month"))


def dropped(tenant: TenantRef) -> list[ArchivedMonth]:
    """The months whose rows are in the archive alone, in order."""
    return [row for row in months(tenant) if row.dropped_at is not None]


def remove_others(tenant: TenantRef, row: ArchivedMonth) -> None:
    """Remove what was written for a month before, and what an interruption left."""
    files, folder = _folder(tenant, row.month)
    for path in files.ls(folder, detail=False):
        if path.rsplit("/", 1)[-1] != _name(row.sha256):
            files.rm_file(path)


def remove(tenant: TenantRef, month: date | None = None) -> None:
    """Remove a month's files, or all of a tenant's."""
    files, folder = _folder(tenant, month)
    if files.exists(folder):
        files.rm(folder, recursive=True)


def address(tenant: TenantRef, row: ArchivedMonth) -> str:
    """Where a month's file is, for people."""
    files, folder = _folder(tenant, row.month)
    return str(files.unstrip_protocol(f"{folder}/{_name(row.sha256)}"))


def _folder(tenant: TenantRef, month: date | None) -> tuple[AbstractFileSystem, str]:
    files, root = url_to_fs(settings.EVENT_ARCHIVE)
    return files, "/".join(filter(None, (root.rstrip("/"), tenant.slug, f"{month:%Y-%m}" if month else "")))


def _name(digest: str) -> str:
    return f"events-{digest}.parquet"


def _unavailable(error: Exception) -> DomainError:
    detail = f"The archive of events cannot be read or written: {error}"
    return DomainError("archive_unavailable", detail, retry_after=60)
