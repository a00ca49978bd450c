"""Items as a file, in any of the formats; reading it gives the same items again.

What other readers need stands in each format's own fields, and the rest in further ones that they pass over. Values are
never altered: a text that begins with "=" stays one, so a spreadsheet that opens a table may take it for a formula.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from catalog.feeds import merchant_writing, shopify_writing
from catalog.feeds.types import Format
from catalog.types import ItemIn
from recomengine.lib.feeds import tables
from recomengine.lib.feeds.pieces import joined

_FIELDS: Final = ItemIn.__struct_fields__


def write(items: Iterable[Mapping[str, Any]], format: Format) -> Iterator[bytes]:
    """The file, UTF-8, in pieces of some 64 KB; `items` are JSON objects as the API shows them."""
    match format:
        case Format.CSV:
            return joined(_csv(items))
        case Format.JSONL:
            return joined(map(_json_line, items))
        case Format.MERCHANT_XML:
            return joined(merchant_writing.xml(items))
        case Format.MERCHANT_TSV:
            return joined(merchant_writing.text(items))
        case Format.SHOPIFY:
            return joined(shopify_writing.document(items))


def _json_line(item: Mapping[str, Any]) -> str:
    return msgspec.json.encode({name: item[name] for name in _FIELDS if name in item}).decode() + "\n"


def _csv(items: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    yield tables.text_of([_FIELDS], ",")
    for item in items:
        yield tables.text_of([[_cell(name, item.get(name)) for name in _FIELDS]], ",")


def _cell(name: str, value: Any) -> str:
    if not value:  # no field has a value that is false and means something
        return ""
    if name == "categories":
        return _paths(value)
    return value if isinstance(value, str) else msgspec.json.encode(value).decode().strip('"')


def _paths(paths: list[str]) -> str:
    """Categories with "|" between, or as JSON where that could be misread."""
    odd = any("|" in path for path in paths) or paths[0].startswith("[")
    return msgspec.json.encode(paths).decode() if odd else " | ".join(paths)
