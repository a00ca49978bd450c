"""Reading events in bulk: COPY out of PostgreSQL straight into Arrow, and what only the archive has beside it."""

from collections.abc import Iterator
from datetime import datetime
from io import BytesIO
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql
from pyarrow import csv

from events import archive, identities, partitions
from events.models import Event
from recomengine.lib.postgres import connect, table
from tenants import tenancy
from tenants.types import TenantRef

INTERACTIONS: Final = pa.schema(
    [
        ("visitor", pa.string()),
        ("session", pa.string()),
        ("type", pa.string()),
        ("item_id", pa.string()),
        ("occurred_at", pa.timestamp("us", tz="UTC")),
        ("order_id", pa.string()),
        ("quantity", pa.int32()),
    ]
)
_COLUMNS: Final = ("visitor_id", "session_id", "type", "item_id", "occurred_at", "order_id", "quantity", "user_id")
_READ: Final = pa.schema([*INTERACTIONS, ("user", pa.string())])
_COPY: Final = """
    COPY (
        SELECT visitor_id, session_id, type, item_id,
               to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), order_id, quantity, user_id
        FROM {events} WHERE item_id IS NOT NULL AND flag IS NULL AND occurred_at >= {since}
    ) TO STDOUT (FORMAT CSV, NULL '\\N')
"""


def any_since(tenant: TenantRef, since: datetime | None) -> bool:
    """Whether any event was received since an instant (None: ever) that trainings count."""
    with tenancy.use(tenant):
        events = Event.objects.trusted()
        if (events if since is None else events.filter(received_at__gt=since)).exists():
            return True
    received = [row.received_until for row in archive.dropped(tenant) if row.received_until is not None]
    return any(since is None or moment > since for moment in received)


def interactions(tenant: TenantRef, since: datetime) -> pa.Table:
    """Every item line since an instant that trainings count, in the schema `INTERACTIONS`, each once.

    A logged-in visitor goes by the user id, and so does a browser that belongs to one user (`events.identities`).
    """
    found = pa.concat_tables([_stored(tenant, since), *_archived(tenant, since)])
    if not found.num_rows:
        return INTERACTIONS.empty_table()
    visitors, users = identities.belongings(tenant)
    owner = users.take(pc.index_in(found["visitor"], value_set=visitors))
    who = pc.coalesce(found["user"], owner, found["visitor"])
    return found.set_column(0, "visitor", who).select(INTERACTIONS.names)


def _stored(tenant: TenantRef, since: datetime) -> pa.Table:
    statement = sql.SQL(_COPY).format(events=table(tenant.schema, "events_event"), since=sql.Literal(since))
    buffer = BytesIO()
    with connect() as connection, connection.cursor() as cursor, cursor.copy(statement) as copy:
        for chunk in copy:
            buffer.write(chunk)
    if not buffer.tell():
        return _READ.empty_table()
    buffer.seek(0)
    return csv.read_csv(
        buffer,
        read_options=csv.ReadOptions(column_names=_READ.names),
        convert_options=csv.ConvertOptions(
            column_types=_READ, null_values=["\\N"], strings_can_be_null=True, quoted_strings_can_be_null=False
        ),
    )


def _archived(tenant: TenantRef, since: datetime) -> Iterator[pa.Table]:
    """The same of the months whose rows the database gave up; a month's later events are in the database."""
    for row in archive.dropped(tenant):
        if row.month < partitions.month_of(since):
            continue
        for batch in archive.read(tenant, row, (*_COLUMNS, "flag")):
            counts = pc.and_(pc.is_valid(batch["item_id"]), pc.is_null(batch["flag"]))
            some = batch.filter(pc.and_(counts, pc.greater_equal(batch["occurred_at"], pa.scalar(since))))
            yield pa.table([some[name] for name in _COLUMNS], schema=_READ)
