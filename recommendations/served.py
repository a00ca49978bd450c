"""Reading the serving log: one slate, a visitor's, or all since a moment as columns; and erasing a visitor's."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import pyarrow as pa
from django.db.models import Q, QuerySet
from psycopg import sql

from events.subjects import Subject
from recomengine.lib.errors import DomainError
from recomengine.lib.postgres import connect, table
from recommendations.models import ServedSlate
from recommendations.serving_log import SLATES, Served
from tenants import tenancy
from tenants.types import TenantRef

AT_ONCE: Final = 10_000
SCHEMA: Final = pa.schema(
    [
        ("recommendation_id", pa.string()), ("served_at", pa.timestamp("us", tz="UTC")), ("placement", pa.string()),
        ("strategy", pa.string()), ("model_version", pa.string()), ("experiment", pa.string()), ("phase", pa.int32()),
        ("variant", pa.string()), ("visitor_id", pa.string()), ("user_id", pa.string()),
        ("items_at_hand", pa.list_(pa.string())), ("session_items", pa.list_(pa.string())),
        ("item_ids", pa.list_(pa.string())), ("sources", pa.list_(pa.string())), ("scores", pa.list_(pa.float32())),
        ("propensities", pa.list_(pa.float32())), ("degraded", pa.bool_()), ("empty_reason", pa.string()),
        ("share", pa.float32()),
    ]
)  # fmt: skip
_HEX: Final = sql.SQL("encode(uuid_send(recommendation_id), 'hex')")
_SINCE: Final = sql.SQL("SELECT {} FROM {} WHERE served_at >= %s")


def get(tenant: TenantRef, recommendation_id: str) -> ServedSlate:
    """What was served under an id; `not_found` if it is not in the log."""
    try:
        number = UUID(hex=recommendation_id)
    except ValueError:
        number = None
    with tenancy.use(tenant):
        found = None if number is None else ServedSlate.objects.filter(recommendation_id=number).first()
    if found is None:
        raise DomainError("not_found", f"There is no recommendation {recommendation_id!r} in the log.")
    return found


def since(tenant: TenantRef, moment: datetime) -> Iterator[pa.RecordBatch]:
    """The slates served since a moment, in no order, as columns of `SCHEMA`; ids as the API told them."""
    columns = [_HEX if name == "recommendation_id" else sql.Identifier(name) for name in SCHEMA.names]
    statement = _SINCE.format(sql.SQL(", ").join(columns), table(tenant.schema, SLATES.name))
    with connect() as connection, connection.cursor("slates", binary=True) as cursor:
        cursor.execute(statement, [moment])
        while rows := cursor.fetchmany(AT_ONCE):
            yield pa.record_batch(list(map(pa.array, zip(*rows, strict=True), SCHEMA.types)), schema=SCHEMA)


def shown(row: ServedSlate) -> dict[str, Any]:
    """A row as JSON-ready data, its lists as one of items."""
    names = ("item_ids", "sources", "scores", "propensities")
    told = {name: getattr(row, name) for name in Served._fields if name not in names}
    lists: Iterable[tuple[Any, ...]] = zip(*(getattr(row, name) for name in names), strict=True)
    items = [
        {"position": place, "item_id": item, "source": source, "score": score, "propensity": propensity}
        for place, (item, source, score, propensity) in enumerate(lists, 1)
    ]
    return told | {"recommendation_id": row.recommendation_id.hex, "items": items}


def of_subject(tenant: TenantRef, subject: Subject) -> Iterator[dict[str, Any]]:
    """What an export of somebody tells of the log, oldest first."""
    with tenancy.use(tenant):
        rows = list(_of(subject).order_by("served_at"))
    return map(shown, rows)


def erase(tenant: TenantRef, subject: Subject) -> None:
    """Erase somebody's slates, and the anonymous ones of browsers that are nobody else's."""
    with tenancy.use(tenant):
        _of(subject).delete()


def _of(subject: Subject) -> "QuerySet[ServedSlate]":
    own = Q(visitor_id__in=subject.own_browsers, user_id__isnull=True)
    return ServedSlate.objects.filter(Q(visitor_id=subject.id) | Q(user_id=subject.id) | own)
