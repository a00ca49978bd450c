"""Writing Google Merchant's XML (RSS 2.0) and its tab-separated text."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from html import escape
from typing import Any, Final

from catalog.feeds import merchant
from catalog.feeds.mapping import PERIOD
from recomengine.lib.feeds import tables

_BEGIN: Final = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    f'<rss version="2.0" xmlns:g="{merchant.GOOGLE}" xmlns:r="{merchant.OURS}">\n'
    "<channel>\n<title>Products</title>\n"
)
_END: Final = "</channel>\n</rss>\n"
_NOT_XML: Final = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_OURS: Final = ("published_at", "sale_starts_at", "sale_ends_at", "currency", "attributes")
_HEADER: Final = (*merchant.COLUMNS.values(), PERIOD, *merchant.ATTRIBUTES, *_OURS)


def text(items: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Lines of tab-separated cells, the first with the columns' names."""
    yield tables.text_of([_HEADER], "\t")
    for item in items:
        row = _columns(item)
        row["product_type"] = merchant.unlisted(row["product_type"]) if row["product_type"] else ""
        yield tables.text_of([[row.get(name) or "" for name in _HEADER]], "\t")


def xml(items: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """An RSS document; what Merchant has no element for stands in a namespace of our own."""
    yield _BEGIN
    for item in items:
        row = _columns(item)
        lines = [line for name, value in row.items() if value for line in _elements(name, value)]
        exact = {name: value for name, value in row.items() if value and not _survives(value)}
        if exact:
            lines.append(f"<r:exact>{escape(json.dumps(exact), quote=False)}</r:exact>")
        yield "<item>\n{}\n</item>\n".format("\n".join(lines))
    yield _END


def _columns(item: Mapping[str, Any]) -> dict[str, Any]:
    """The row of an item: texts, and its categories as a list."""
    row: dict[str, Any] = {column: item.get(name) for name, column in merchant.COLUMNS.items()}
    currency = item.get("currency")
    for name in ("price", "sale_price"):
        if row[name] is not None and currency:
            row[name] = f"{row[name]} {currency}"
    attributes = dict(item.get("attributes") or {})
    row |= {name: attributes.pop(name) for name in merchant.ATTRIBUTES if _is_native(item, name)}
    row |= _sale(item)
    row["expiration_date"] = _instant(item.get("expires_at"))
    row["published_at"] = _instant(item.get("published_at"))
    row["currency"] = currency if row["price"] is None and row["sale_price"] is None else None
    row["attributes"] = json.dumps(attributes) if attributes else None
    return row


def _is_native(item: Mapping[str, Any], name: str) -> bool:
    """Whether an attribute can stand in Merchant's column and be read from there as it is.

    Of an item without categories, Google's category would be read as one.
    """
    value = (item.get("attributes") or {}).get(name)
    return (
        isinstance(value, str) and value != "" and (name != "google_product_category" or bool(item.get("categories")))
    )


def _sale(item: Mapping[str, Any]) -> dict[str, Any]:
    """When a sale is: Merchant knows only those with a beginning and an end."""
    start, end = _instant(item.get("sale_starts_at")), _instant(item.get("sale_ends_at"))
    return {PERIOD: f"{start}/{end}"} if start and end else {"sale_starts_at": start, "sale_ends_at": end}


def _instant(value: Any) -> str | None:
    return value.isoformat() if isinstance(value, datetime) else value


def _elements(name: str, value: Any) -> Iterator[str]:
    tag = f"r:{name}" if name in _OURS else f"g:{name}"
    for each in value if isinstance(value, list) else [value]:
        content = escape(_NOT_XML.sub("\ufffd", each), quote=False)
        yield f"<{tag}>{content}</{tag}>"


def _survives(value: Any) -> bool:
    """Whether XML can hold the text: it knows no control characters, and the space around a text means nothing."""
    texts = value if isinstance(value, list) else [value]
    return all(text == text.strip() and not _NOT_XML.search(text) for text in texts)
