"""Making every item's search document and the vocabulary anew, after the shop's language changed."""

from typing import Any, Final

from django.db import connection, transaction

from catalog import documents, languages
from catalog.models import DocumentsLanguage, Item, Word
from recomengine.lib.postgres import held
from tenants import tenancy
from tenants.types import TenantRef

_CHUNK: Final = 1_000
_TEXTS: Final = ", ".join(f"{name} {kind}" for name, kind in documents.COLUMNS)
_REBUILT: Final = f"""
    WITH described AS MATERIALIZED (
        SELECT sent.*, {documents.UNSTEMMED} AS unstemmed FROM ROWS FROM (
            unnest(%(ids)s::bigint[]), unnest(%(item_ids)s::text[]), unnest(%(group_ids)s::text[]),
            jsonb_to_recordset(%(texts)s::jsonb) AS ({_TEXTS})
        ) AS sent(id, item_id, group_id)
    ), written AS (
        UPDATE catalog_item SET category_paths = paths, document = made
        FROM (SELECT id AS of_id, paths, {documents.DOCUMENT} AS made FROM described) AS _ WHERE id = of_id
    )
    {documents.NEW_WORDS.format(texts="described")}
"""  # noqa: S608 - column names are ours


def is_needed(tenant: TenantRef) -> bool:
    """Whether the documents are of another language than the shop's, or were never all made."""
    with tenancy.use(tenant):
        return not DocumentsLanguage.objects.filter(configuration=languages.configuration(tenant.locale)).exists()


def rebuild(tenant: TenantRef) -> int | None:
    """Make all documents anew and return how many; None, and nothing done, if another process is at it.

    Items can be searched and written meanwhile; until it is over, mistyped words may find no correction. An
    interrupted one is needed still.
    """
    with held(f"rebuild search {tenant.schema}") as alone, tenancy.use(tenant):
        if not alone:
            return None
        with transaction.atomic():
            DocumentsLanguage.objects.all().delete()
            Word.objects.all().delete()
        configuration, count, last = languages.configuration(tenant.locale), 0, ""
        while items := _chunk(last, configuration):
            count, last = count + len(items), items[-1].item_id
        DocumentsLanguage.objects.create(configuration=configuration)
    return count


def _chunk(after: str, configuration: str) -> list[Item]:
    """The next items, in the order in which batches of them take their locks."""
    with transaction.atomic(), connection.cursor() as cursor:
        items = list(Item.objects.filter(item_id__gt=after).order_by("item_id").select_for_update()[:_CHUNK])
        ids: dict[str, Any] = {
            "ids": [item.pk for item in items],
            "item_ids": [item.item_id for item in items],
            "group_ids": [item.group_id for item in items],
        }
        cursor.execute(_REBUILT, ids | {"texts": documents.rows(items), "language": configuration})
    return items
