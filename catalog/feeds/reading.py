"""A feed of any format as a stream of records."""

import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final

from catalog.feeds import merchant, shopify, xml
from catalog.feeds.types import Format
from recomengine.lib.feeds import documents, tables
from recomengine.lib.feeds.opening import decoded
from recomengine.lib.feeds.types import Look, Record, RowError

_SHOPIFY: Final = re.compile(r'\s*(\{\s*"products?"\s*:|\[\s*\{(?s:.)*"(body_html|variants)"\s*:)')
_TABLE_TYPES: Final = {"text/csv": Format.CSV, "text/tab-separated-values": Format.MERCHANT_TSV}
_ENDINGS: Final = {
    ".csv": Format.CSV,
    ".tsv": Format.MERCHANT_TSV,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
}


def read(
    file: BinaryIO, format: Format, base_url: str = "", look: Look = lambda _: None
) -> Iterator[Record | RowError]:
    """The file's rows, in order and in bounded memory, and the rows that cannot be read.

    `file` is seekable and read from its beginning, gzipped or not; `file.tell()` says how far it was read (some 200 KB
    ahead of the row at hand). `base_url` is where a Shopify feed came from: its items' addresses lie there. `look` is
    told the columns of a format whose rows all have the same. Raises FeedBroken where the file cannot be read on; the
    rows before that place were yielded.
    """
    match format:
        case Format.CSV:
            return tables.records(file, look)
        case Format.MERCHANT_TSV:
            return tables.records(file, look, merchant.text_header, merchant.text_columns)
        case Format.JSONL:
            return documents.records(file)
        case Format.MERCHANT_XML:
            return xml.records(file)
        case Format.SHOPIFY:
            return shopify.records(file, base_url)


def detect(head: bytes, filename: str = "", content_type: str = "") -> Format | None:
    """The format of a file from its first bytes (some 64 KB; gzipped or not), then from its name and its type.

    None if it looks like none of them.
    """
    text = decoded(_unpacked(head)).lstrip("\ufeff \t\r\n") if head else ""
    if text.startswith("<"):
        return None if re.match(r"(?i)<(!doctype\s+html|html)", text) else Format.MERCHANT_XML
    if text.startswith(("{", "[")):
        return Format.SHOPIFY if _SHOPIFY.match(text) else Format.JSONL
    return _table(text) or _named(filename, content_type)


def _unpacked(head: bytes) -> bytes:
    if not head.startswith(b"\x1f\x8b"):
        return head
    try:
        return zlib.decompressobj(31).decompress(head, 1 << 16)
    except zlib.error:
        return b""


def _table(text: str) -> Format | None:
    """A Merchant text feed if the first line has its columns, a CSV if it has several columns."""
    header = re.split(r"[\r\n]", text, maxsplit=1)[0][:20_000]
    names = {merchant.column_name(name) for name in tables.names_in(header)} if "\x00" not in header else set()
    if "id" in names and names & {"link", "image_link", "product_type", "item_group_id"}:
        return Format.MERCHANT_TSV
    return Format.CSV if len(names) > 1 else None


def _named(filename: str, content_type: str) -> Format | None:
    name = filename.lower().removesuffix(".gz")
    by_name = next((format for ending, format in _ENDINGS.items() if name.endswith(ending)), None)
    return by_name or _TABLE_TYPES.get(content_type.partition(";")[0].strip().lower())
