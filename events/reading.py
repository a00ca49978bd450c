"""Reading events in bulk: COPY out of PostgreSQL straight into Arrow."""

from datetime import datetime
from io import BytesIO
from typing import Final

import pyarrow as pa
from psycopg import sql
from pyarrow import csv

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
_COPY: Final = """
    COPY (
        SELECT coalesce(user_id, visitor_id), session_id, type, item_id,
               to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), order_id, quantity
        FROM {events} WHERE item_id IS NOT NULL AND occurred_at >= {since}
    ) TO STDOUT (FORMAT CSV, NULL '\\N')
"""


def any_since(tenant: TenantRef, since: datetime | None) -> bool:
    """Whether any event was received since an instant (None: ever)."""
    with tenancy.use(tenant):
        events = Event.objects.all() if since is None else Event.objects.filter(received_at__gt=since)
        return events.exists()


def interactions(tenant: TenantRef, since: datetime) -> pa.Table:
    """Every item line since an instant, in the schema `INTERACTIONS`; a logged-in visitor goes by the user id."""
    statement = sql.SQL(_COPY).format(events=table(tenant.schema, "events_event"), since=sql.Literal(since))
    buffer = BytesIO()
    with connect() as connection, connection.cursor() as cursor, cursor.copy(statement) as copy:
        for chunk in copy:
            buffer.write(chunk)
    if not buffer.tell():
        return INTERACTIONS.empty_table()
    buffer.seek(0)
    return csv.read_csv(
        buffer,
        read_options=csv.ReadOptions(column_names=INTERACTIONS.names),
        convert_options=csv.ConvertOptions(
            column_types=INTERACTIONS, null_values=["\\N"], strings_can_be_null=True, quoted_strings_can_be_null=False
        ),
    )
