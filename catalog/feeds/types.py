"""What the readers and writers of feeds share: formats, records, and how columns become an item's fields."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

import msgspec


class Format(StrEnum):
    """A file format in which catalogues are exchanged."""

    CSV = "csv"
    JSONL = "jsonl"
    MERCHANT_XML = "merchant_xml"
    MERCHANT_TSV = "merchant_tsv"
    SHOPIFY = "shopify"


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a feed: its columns as they stand there, and the line (from 1) on which it begins.

    A value is a text, or in formats that have them a list, an object, a number or a flag.
    """

    line: int
    columns: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row was not taken: the item's field and the feed's value if it is about one.

    `item_id` is the row's, where that could be read.
    """

    line: int
    code: str
    message: str
    field: str = ""
    value: str = ""
    item_id: str = ""


class FeedBroken(Exception):
    """The file cannot be read on from here; the rows before it were good."""

    def __init__(self, code: str, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.line = line


Kind = Literal["text", "number", "boolean", "list"]


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a column goes: a field of the item, `attributes.<name>`, or nowhere (`""`).

    `kind` is the type of an attribute made of a text.
    """

    field: str
    kind: Kind = "text"


Mapping = dict[str, Target]
"""By column; what it does not name goes where `catalog.feeds.mapping.proposed` would put it."""
