"""The catalogue as a file, in any of the formats that it can be imported from."""

from array import array
from collections.abc import Iterator, Mapping
from typing import Final

from django.db import connection, transaction

from catalog import cards
from catalog.feeds import writing
from catalog.feeds.types import Format
from catalog.models import Item
from tenants import tenancy
from tenants.types import TenantRef

_CHUNK: Final = 500
_FETCHED: Final = 10_000
TYPES: Final[Mapping[Format, tuple[str, str]]] = {
    Format.CSV: ("csv", "text/csv; charset=utf-8"),
    Format.JSONL: ("jsonl", "application/x-ndjson"),
    Format.MERCHANT_XML: ("xml", "application/xml"),
    Format.MERCHANT_TSV: ("tsv", "text/tab-separated-values; charset=utf-8"),
    Format.SHOPIFY: ("json", "application/json"),
}
"""The ending of a file of each format, and its media type."""


def export(tenant: TenantRef, format: Format) -> Iterator[bytes]:
    """Every item in the order in which they were added, a piece of the file at a time.

    Where the format has products of several variants, the items of a group follow its first one.
    """
    rows = _by_group(tenant) if format is Format.SHOPIFY else _items(tenant)
    return writing.write(map(cards.product, rows), format)


def filename(tenant: TenantRef, format: Format) -> str:
    return f"{tenant.slug}-catalogue.{TYPES[format][0]}"


def _items(tenant: TenantRef) -> Iterator[Item]:
    """A chunk is read at a time, so no transaction is held while a client reads."""
    last = 0
    while True:
        with tenancy.use(tenant):
            chunk = list(Item.objects.filter(pk__gt=last).order_by("pk")[:_CHUNK])
        if not chunk:
            return
        yield from chunk
        last = chunk[-1].pk


def _by_group(tenant: TenantRef) -> Iterator[Item]:
    """The items that were there at the beginning, as they are when their turn comes, each once.

    Their order is settled before the first is read (eight bytes an item): an item that changes its group meanwhile,
    or whose group loses its first, is neither lost nor told twice.
    """
    order = _order(tenant)
    for start in range(0, len(order), _CHUNK):
        keys = order[start : start + _CHUNK]
        with tenancy.use(tenant):
            found = Item.objects.in_bulk(keys)
        yield from (found[key] for key in keys if key in found)


_ORDER: Final = """
    SELECT id FROM catalog_item LEFT JOIN (
        SELECT group_id, min(id) AS first FROM catalog_item WHERE group_id IS NOT NULL GROUP BY group_id
    ) AS groups USING (group_id) ORDER BY coalesce(first, id), id
"""


def _order(tenant: TenantRef) -> "array[int]":
    order = array("q")
    with tenancy.use(tenant), transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(_ORDER)
        while rows := cursor.fetchmany(_FETCHED):
            order.extend(key for (key,) in rows)
    return order
