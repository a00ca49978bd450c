"""What the readers and writers of catalogues share: formats, and how columns become an item's fields."""

from enum import StrEnum
from typing import Literal

import msgspec


class Format(StrEnum):
    """A file format in which catalogues are exchanged."""

    CSV = "csv"
    JSONL = "jsonl"
    MERCHANT_XML = "merchant_xml"
    MERCHANT_TSV = "merchant_tsv"
    SHOPIFY = "shopify"


Kind = Literal["text", "number", "boolean", "list"]


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a column goes: a field of the item, `attributes.<name>`, or nowhere (`""`).

    Two more fields exist: `attributes` takes an object (or its JSON), `sale_price_effective_date` both ends of a sale.
    `kind` is the type of an attribute made of a text.
    """

    field: str
    kind: Kind = "text"


Mapping = dict[str, Target]
"""By column; what it does not name goes where `catalog.feeds.mapping.proposed` would put it."""
