"""Items in and out of the catalogue: validated row by row, written set by set, then shown to the serving path.

One statement writes a whole batch; rows are sorted by id so that concurrent batches cannot deadlock, and a row that
says what is stored already is left alone.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
from django.db import connection, transaction
from django.dispatch import Signal

from catalog import cards, documents, languages, reading
from catalog.models import Item
from catalog.types import MAX_BATCH, ItemIn
from recomengine.lib.decoding import Rejection, field_error, rows_of
from recomengine.lib.errors import DomainError
from recomengine.lib.postgres import one
from tenants import tenancy
from tenants.types import TenantRef

arrived: Final = Signal()
"""Sent with the `tenant` after items were committed that were not there before."""


@dataclass
class BatchResult:
    """What became of a batch, row by row; the counts and the rejections add up to its length."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: list[Rejection] = field(default_factory=list)


_COLUMNS: Final = (
    ("item_id", "text"), ("title", "text"), ("description", "text"), ("url", "text"), ("image_url", "text"),
    ("price", "numeric"), ("sale_price", "numeric"), ("sale_starts_at", "timestamptz"), ("sale_ends_at", "timestamptz"),
    ("currency", "text"), ("availability", "text"), ("brand", "text"), ("categories", "varchar[]"),
    ("attributes", "jsonb"), ("group_id", "text"), ("published_at", "timestamptz"), ("expires_at", "timestamptz"),
)  # fmt: skip
_NAMES: Final = ", ".join(name for name, _ in _COLUMNS)
_CHANGED: Final = ", ".join(f"{name} = excluded.{name}" for name, _ in _COLUMNS[1:])
_STORED: Final = ", ".join(f"stored.{name}" for name, _ in _COLUMNS)
_SENT: Final = ", ".join(f"sent.{name}" for name, _ in _COLUMNS)
_EXCLUDED: Final = ", ".join(f"excluded.{name}" for name, _ in _COLUMNS)
_TEXTS: Final = ", ".join(f"{name} {kind}" for name, kind in documents.COLUMNS)
_OLD_CONTENT, _NEW_CONTENT = (", ".join(f"{row}.{name}" for name in reading.CONTENT) for row in ("stored", "excluded"))
# Rows that say what is stored are left out first: they take no lock and no number of the sequence of ids. The words
# come after the items, whoever writes: writers that wait for each other in two orders would wait for good.
UPSERT: Final = f"""
    WITH changed AS MATERIALIZED (
        SELECT sent.*, {documents.UNSTEMMED} AS unstemmed
        FROM ROWS FROM (
            jsonb_to_recordset(%(items)s::jsonb) AS ({", ".join(f"{n} {t}" for n, t in _COLUMNS)}),
            jsonb_to_recordset(%(texts)s::jsonb) AS ({_TEXTS})
        ) AS sent
        WHERE NOT EXISTS (
            SELECT FROM catalog_item stored
            WHERE stored.item_id = sent.item_id AND ({_STORED}) IS NOT DISTINCT FROM ({_SENT})
        )
    ), written AS (
        INSERT INTO catalog_item AS stored ({_NAMES}, category_paths, document)
        SELECT {_NAMES}, paths, {documents.DOCUMENT} FROM changed
        ORDER BY item_id COLLATE "C"
        ON CONFLICT (item_id) DO UPDATE SET {_CHANGED}, category_paths = excluded.category_paths,
            document = excluded.document, updated_at = now(), content_changed_at = CASE
                WHEN ({_OLD_CONTENT}) IS DISTINCT FROM ({_NEW_CONTENT}) THEN now() ELSE stored.content_changed_at END
        WHERE ({_STORED}) IS DISTINCT FROM ({_EXCLUDED})
        RETURNING id, (xmax = 0) AS created
    ), words AS (
        {documents.NEW_WORDS.format(texts="(SELECT unstemmed FROM changed WHERE (SELECT count(*) FROM written) > 0) _")}
    )
    SELECT id, created FROM written
"""  # noqa: S608 - column names are ours
_IDS: Final = "SELECT id FROM catalog_item WHERE item_id = ANY(%s)"


def upsert_body(tenant: TenantRef, body: bytes) -> BatchResult:
    """Take a batch request's body: `{"items": […]}`, at most 500 rows."""
    return upsert(tenant, rows_of(body, "items", MAX_BATCH))


def upsert(tenant: TenantRef, rows: Sequence[msgspec.Raw]) -> BatchResult:
    """Create or replace items; a bad row is reported and never sinks the others."""
    result = BatchResult()
    items = list(_accepted(rows, result))
    if items:
        created, updated = write(tenant, items)
        result.created, result.updated = created, updated
        result.unchanged = len(items) - created - updated
    return result


def _accepted(rows: Sequence[msgspec.Raw], result: BatchResult) -> Iterable[ItemIn]:
    seen: set[str] = set()
    for index, row in enumerate(rows):
        try:
            item = msgspec.json.decode(row, type=ItemIn)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            found = field_error(error) if isinstance(error, msgspec.ValidationError) else None
            code = found["code"] if found else "malformed_json"
            result.rejected.append(Rejection(index, code, str(error), found["pointer"] if found else ""))
            continue
        if item.item_id in seen:
            message = f"Item {item.item_id} stands earlier in this batch."
            result.rejected.append(Rejection(index, "duplicate_in_batch", message, "/item_id"))
            continue
        seen.add(item.item_id)
        yield item


def write(tenant: TenantRef, items: Sequence[ItemIn]) -> tuple[int, int]:
    """Store items that were validated; returns how many were created and how many changed."""
    for item in items:
        item.currency = item.currency or tenant.currency
    with tenancy.use(tenant), transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(UPSERT, _parameters(tenant, items))
            written = cursor.fetchall()
            # Unchanged items as well: repeating a request mends what is shown if Redis was away the first time.
            cursor.execute(_IDS, [[item.item_id for item in items]])
            ids = [pk for (pk,) in cursor.fetchall()]
        transaction.on_commit(lambda: cards.refresh(tenant, ids))
        created = sum(row[1] for row in written)
        if created:
            transaction.on_commit(lambda: arrived.send(sender=Item, tenant=tenant))
    return created, len(written) - created


def _parameters(tenant: TenantRef, items: Sequence[ItemIn]) -> dict[str, str]:
    return {
        "items": msgspec.json.encode(items).decode(),
        "texts": documents.rows(items),
        "language": languages.configuration(tenant.locale),
    }


def create(tenant: TenantRef, item: ItemIn) -> Item:
    """Add one item; `conflict` if the id is taken."""
    with transaction.atomic():
        created, _ = write(tenant, [item])
        if not created:  # and nothing is changed: the transaction ends here
            raise DomainError("conflict", f"Item {item.item_id} exists already; PUT replaces it.")
    return get(tenant, item.item_id)


def change(tenant: TenantRef, item_id: str, changed: Callable[[Item], ItemIn]) -> Item:
    """Replace an item by what `changed` makes of it, with no other change in between."""
    with tenancy.use(tenant), transaction.atomic():
        write(tenant, [changed(one(Item.objects.select_for_update(), "item", item_id=item_id))])
    return get(tenant, item_id)


def get(tenant: TenantRef, item_id: str) -> Item:
    with tenancy.use(tenant):
        return one(Item.objects.all(), "item", item_id=item_id)


def delete(tenant: TenantRef, item_id: str) -> None:
    """Remove an item; it leaves every recommendation at once."""
    item = get(tenant, item_id)
    with tenancy.use(tenant), transaction.atomic():
        Item.objects.filter(pk=item.pk).delete()
        transaction.on_commit(lambda: cards.refresh(tenant, [item.pk]))
