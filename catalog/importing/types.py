"""What is asked of an import, and what a preview shows."""

from dataclasses import dataclass, field
from typing import Any

from catalog.feeds.types import Format, Mapping
from catalog.types import ItemIn
from recomengine.lib.feeds.types import RowError

MAX_SHARE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class NewImport:
    """What is to be imported, and how; what is None comes from the source, or is found out from the file.

    `source` is the key of one; `url` is empty if a file is given or the source has one. `mode` is `delta` or
    `replace`. `max_deleted_share` is the part of the catalogue, 0 to 1, that a replacing import may delete unasked.
    `filename` and `content_type` are the upload's.
    """

    format: Format | None = None
    mode: str | None = None
    mapping: Mapping | None = None
    source: str | None = None
    url: str = ""
    max_deleted_share: float = MAX_SHARE
    filename: str = ""
    content_type: str = ""


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """A row as it would be imported, or why it would not."""

    line: int
    item: ItemIn | None = None
    error: RowError | None = None


@dataclass(frozen=True, slots=True)
class Preview:
    """What an import would make of a file's first rows; nothing of it is stored.

    `columns` are the feed's, each with up to three different values that it has; `mapping` has an entry for each of
    them. `broken` says why the file cannot be read beyond the rows, if that is so, or why no row of it could become an
    item; then there are no rows.
    """

    format: Format
    columns: dict[str, list[str]]
    mapping: Mapping
    rows: list[PreviewRow] = field(default_factory=list)
    broken: dict[str, Any] | None = None
