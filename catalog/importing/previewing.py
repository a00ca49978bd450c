"""What an import would make of a feed's first rows."""

from collections.abc import Iterator
from io import BytesIO
from itertools import islice
from typing import BinaryIO, Final

from catalog import addresses, fetching, sources
from catalog.feeds import converting, reading
from catalog.feeds import mapping as mappings
from catalog.feeds.types import Format, Mapping
from catalog.importing import requests
from catalog.importing.types import NewImport, Preview, PreviewRow
from catalog.models import Source
from catalog.types import ItemIn
from recomengine.lib.errors import DomainError
from recomengine.lib.feeds.types import FeedBroken, Record, RowError, shown
from tenants.types import TenantRef

ROWS: Final = 20
SAMPLES: Final = 3
_HEAD: Final = 1024 * 1024
Read = Record | RowError


def preview(tenant: TenantRef, new: NewImport, file: BinaryIO | None = None) -> Preview:
    """Read the first rows of an upload, or of what lies at a URL, and store nothing.

    `file` is seekable. Raises what `requests.start` and `fetching.fetch` raise.
    """
    source = sources.get(tenant, new.source) if new.source is not None else None
    url = new.url or (source.url if source else "")
    filename, content_type, is_whole = new.filename, new.content_type, True
    if file is None:
        file = BytesIO()
        filename, content_type = _fetched(url, file)
        is_whole = file.tell() < _HEAD
    chosen = new.mapping if new.mapping is not None else sources.mapping_of(source.mapping) if source else {}
    format = new.format or _format_of(source) or requests.detected(file, filename, content_type)
    file.seek(0)
    broken: list[FeedBroken] = []
    header: list[str] = []
    rows = list(_until_broken(islice(reading.read(file, format, url, header.extend), ROWS), broken))
    columns = _samples(header, rows)
    lacking = _lacking(header, format, chosen)
    to_item = converting.mapper(format, chosen, tenant.currency)
    return Preview(
        format=format,
        columns=columns,
        mapping=mappings.merged(columns, format, chosen),
        rows=[] if lacking else [_row(to_item(row) if isinstance(row, Record) else row, row.line) for row in rows],
        broken=lacking or (_told(broken[0]) if broken and is_whole else None),
    )


def _fetched(url: str, to: BinaryIO) -> tuple[str, str]:
    if not url:
        raise DomainError("invalid", "Send a file, a `url`, or the `source` of a feed that has a URL.")
    addresses.parse(url)
    found = fetching.fetch(url, to, head=_HEAD)
    return found.filename, found.content_type


def _format_of(source: Source | None) -> Format | None:
    return Format(source.format) if source else None


def _until_broken(rows: Iterator[Read], broken: list[FeedBroken]) -> Iterator[Read]:
    """The rows before the place where the feed breaks, if it does; `broken` is told."""
    try:
        yield from rows
    except FeedBroken as error:
        broken.append(error)


def _row(made: ItemIn | RowError, line: int) -> PreviewRow:
    return PreviewRow(line, error=made) if isinstance(made, RowError) else PreviewRow(line, item=made)


def _lacking(header: list[str], format: Format, chosen: Mapping) -> dict[str, object] | None:
    """Why an import would take no row, whatever stands in it; the columns are shown all the same, to map them."""
    try:
        if header:
            mappings.complete(format, chosen)(header)
    except FeedBroken as error:
        return _told(error)
    return None


def _samples(header: list[str], rows: list[Read]) -> dict[str, list[str]]:
    """Every column of the header and the rows, with the first values that it has."""
    found: dict[str, list[str]] = {column: [] for column in header}
    for row in rows:
        for column, value in row.columns.items() if isinstance(row, Record) else ():
            samples = found.setdefault(column, [])
            text = shown(value) if value is not None else ""
            if text and text not in samples and len(samples) < SAMPLES:
                samples.append(text)
    return found


def _told(error: FeedBroken) -> dict[str, object]:
    return {"code": error.code, "message": error.message, "line": error.line}
