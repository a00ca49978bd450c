"""What is asked of an import of events."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Format(StrEnum):
    """A file format that events are imported from."""

    CSV = "csv"
    JSONL = "jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewImport:
    """What is to be imported, and how it is read.

    `format` is found out from the file if None. `type` is that of rows without one. Instants without an offset are
    those of `timezone`; `date_format` is that of `strptime`, empty for ISO 8601 and Unix times. `mapping` names the
    event's field of columns that go elsewhere than their name says; "" leaves one out.
    """

    format: Format | None = None
    type: str = ""
    timezone: str = "UTC"
    date_format: str = ""
    mapping: Mapping[str, str] = field(default_factory=dict)
    filename: str = ""
