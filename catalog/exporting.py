"""The catalogue as a file, in any of the formats that it can be imported from."""

import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from catalog import cards
from catalog.feeds import writing
from catalog.feeds.types import Format
from catalog.models import Item
from tenants import tenancy
from tenants.types import TenantRef

_CHUNK: Final = 500
TYPES: Final[Mapping[Format, tuple[str, str]]] = {
    Format.CSV: ("csv", "text/csv; charset=utf-8"),
    Format.JSONL: ("jsonl", "application/x-ndjson"),
    Format.MERCHANT_XML: ("xml", "application/xml"),
    Format.MERCHANT_TSV: ("tsv", "text/tab-separated-values; charset=utf-8"),
    Format.SHOPIFY: ("json", "application/json"),
}
"""The ending of a file of each format, and its media type."""


def export(tenant: TenantRef, format: Format) -> Iterator[bytes]:
    """Every item in the order in which they were added, a piece of the file at a time."""
    return writing.write(_items(tenant), format)


def filename(tenant: TenantRef, format: Format) -> str:
    return f"{tenant.slug}-catalogue.{TYPES[format][0]}"


def gzipped(parts: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(wbits=31)
    for part in parts:
        if packed := packer.compress(part):
            yield packed
    yield packer.flush()


def _items(tenant: TenantRef) -> Iterator[dict[str, Any]]:
    """The items as the API shows them; a chunk is read at a time, so no transaction is held while a client reads."""
    last = 0
    while True:
        with tenancy.use(tenant):
            chunk = list(Item.objects.filter(pk__gt=last).order_by("pk").defer("document")[:_CHUNK])
        if not chunk:
            return
        yield from map(cards.product, chunk)
        last = chunk[-1].pk
