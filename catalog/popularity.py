"""How popular items are, for the order of what a search finds; the trainings know it."""

from collections.abc import Mapping
from math import log2
from typing import Final

from django.db import connection, transaction

from tenants import tenancy
from tenants.types import TenantRef

STEPS: Final = 8  # to every doubling: few items change at a training, and each that does is written to every index
MOST: Final = 32_767
_CHUNK: Final = 1_000

_CHANGED: Final = """
    SELECT item.id, coalesce(scored.popularity, 0)
    FROM catalog_item AS item LEFT JOIN unnest(%s::bigint[], %s::int[]) AS scored(id, popularity) USING (id)
    WHERE item.popularity <> coalesce(scored.popularity, 0) ORDER BY item.item_id
"""
# In the order in which batches of items take their locks.
_WRITTEN: Final = """
    WITH changed AS MATERIALIZED (
        SELECT item.id, scored.popularity
        FROM catalog_item AS item JOIN unnest(%s::bigint[], %s::int[]) AS scored(id, popularity) USING (id)
        ORDER BY item.item_id FOR UPDATE OF item
    )
    UPDATE catalog_item SET popularity = changed.popularity FROM changed WHERE catalog_item.id = changed.id
"""


def replace(tenant: TenantRef, scores: Mapping[int, float]) -> int:
    """Set every item's popularity from a score (0 and more) by `Item.id`, 0 where there is none.

    It is kept as a small number that grows by 8 when the score doubles. Returns how many items changed.
    """
    steps = {pk: min(MOST, round(STEPS * log2(1 + score))) for pk, score in scores.items()}
    with tenancy.use(tenant), connection.cursor() as cursor:
        cursor.execute(_CHANGED, [list(steps), list(steps.values())])
        changed = cursor.fetchall()
        for start in range(0, len(changed), _CHUNK):
            chunk = changed[start : start + _CHUNK]
            with transaction.atomic():
                cursor.execute(_WRITTEN, [[row[0] for row in chunk], [row[1] for row in chunk]])
    return len(changed)
