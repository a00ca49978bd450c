"""The files of archived months: Parquet, one folder a month, in a directory or wherever fsspec reaches.

A file is named by its content (`<archive>/<slug>/2026-10/events-<sha256>.parquet`) and never changed: a month that is
written anew is another file, and the row of `ArchivedMonth` says which one counts.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import BinaryIO, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from django.conf import settings

from events.models import ArchivedMonth
from recomengine.lib.errors import DomainError
from recomengine.lib.stores import Folder
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


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was written and read back."""

    rows: int
    sha256: str
    received_until: datetime | None


def write(tenant: TenantRef, month: date, batches: Iterable[pa.RecordBatch]) -> Written:
    """Write a month's file, which nothing reads before `ArchivedMonth` names it. Raises `archive_unavailable`."""
    rows, latest = 0, None

    def fill(file: BinaryIO) -> None:
        nonlocal rows, latest
        with pq.ParquetWriter(file, SCHEMA, compression="zstd", write_page_checksum=True) as writer:
            for batch in batches:
                writer.write_batch(batch)
                rows += batch.num_rows
                latest = max(filter(None, (latest, pc.max(batch["received_at"]).as_py())), default=None)

    try:
        digest = folder(tenant, month).write(_name, fill)
    except OSError as error:
        raise _unavailable(error) from error
    return Written(rows, digest, latest)


def verify(tenant: TenantRef, row: ArchivedMonth) -> None:
    """Read a month's file whole; raises `archive_unavailable` unless it is what was written."""
    home, name = folder(tenant, row.month), _name(row.sha256)
    try:
        found = home.digest_of(name)
    except OSError as error:
        raise _unavailable(error) from error
    if found != row.sha256:
        raise DomainError("archive_unavailable", f"{home.path_of(name)} is not what was written: its SHA-256 differs.")


def read(tenant: TenantRef, row: ArchivedMonth, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """A month's rows in the order of time, some ten thousand at a time; raises `archive_unavailable`."""
    try:
        with folder(tenant, row.month).open(_name(row.sha256)) as file:
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
    home = folder(tenant, row.month)
    for name in home.names():
        if name != _name(row.sha256):
            home.remove_file(name)


def remove(tenant: TenantRef, month: date | None = None) -> None:
    """Remove a month's files, or all of a tenant's."""
    folder(tenant, month).remove()


def address(tenant: TenantRef, row: ArchivedMonth) -> str:
    """Where a month's file is, for people."""
    return f"{folder(tenant, row.month).address}/{_name(row.sha256)}"


def folder(tenant: TenantRef, month: date | None) -> Folder:
    return Folder.at(settings.EVENT_ARCHIVE, tenant.slug, *([f"{month:%Y-%m}"] if month else []))


def _name(digest: str) -> str:
    return f"events-{digest}.parquet"


def _unavailable(error: Exception) -> DomainError:
    detail = f"The archive of events cannot be read or written: {error}"
    return DomainError("archive_unavailable", detail, retry_after=60)
