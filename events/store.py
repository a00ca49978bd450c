"""Writing events: binary COPY in one commit, optimistic about event ids being new.

Ids are unique over all months through the table of keys. Only when one has been seen before is the commit repeated
the slower way, which first finds out which ids are new.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg import errors, sql
from psycopg.types.json import Jsonb

from events import partitions
from events.content_ids import claims
from events.types import EventRow
from recomengine.lib.postgres import table

Event = Sequence[EventRow]
_TYPES: Final = {
    "event_id": "uuid", "line": "int2", "occurred_at": "timestamptz", "received_at": "timestamptz", "quantity": "int4",
    "price": "numeric", "position": "int4", "properties": "jsonb", "consent": "bool",
}  # fmt: skip
_COLUMN_TYPES: Final = [_TYPES.get(name, "text") for name in EventRow._fields]
_COLUMNS: Final = sql.SQL(", ").join(map(sql.Identifier, EventRow._fields))


def write(connection: "psycopg.Connection[Any]", schema: str, events: Sequence[Event]) -> set[UUID]:
    """Store events durably and return the ids that were stored before.

    `events` hold at least one row each and no id twice. On return everything new is committed; on an exception
    nothing is.
    """
    try:
        _copy(connection, schema, events)
    except errors.UniqueViolation:
        return _copy_new(connection, schema, events)
    except errors.CheckViolation:  # no partition for some month
        partitions.ensure(connection, schema, {partitions.month_of(event[0].occurred_at) for event in events})
        return write(connection, schema, events)
    return set()


def _copy(connection: "psycopg.Connection[Any]", schema: str, events: Sequence[Event]) -> None:
    with connection.transaction(), connection.cursor() as cursor:
        statement = sql.SQL("COPY {} (event_id, occurred_at) FROM STDIN (FORMAT BINARY)")
        keys = statement.format(table(schema, "events_eventkey"))
        with cursor.copy(keys) as copy:
            copy.set_types(["uuid", "timestamptz"])
            # In the order of the ids, as below: two commits that share ids wait for each other and never in a circle.
            for claim in sorted(claim for event in events for claim in _claims(event)):
                copy.write_row(claim)
        _copy_rows(cursor, schema, events)


def _copy_rows(cursor: "psycopg.Cursor[Any]", schema: str, events: Sequence[Event]) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(table(schema, "events_event"), _COLUMNS)
    with cursor.copy(statement) as copy:
        copy.set_types(_COLUMN_TYPES)
        for event in events:
            for row in event:
                copy.write_row(row if row.properties is None else _with_json(row))


def _claims(event: Event) -> Iterator[tuple[UUID, datetime]]:
    return ((claim, event[0].occurred_at) for claim in claims(event[0].event_id))


def _with_json(row: EventRow) -> tuple[Any, ...]:
    return tuple(row._replace(properties=Jsonb(row.properties, dumps=str)))  # type: ignore[arg-type]


def _copy_new(connection: "psycopg.Connection[Any]", schema: str, events: Sequence[Event]) -> set[UUID]:
    try:
        with connection.transaction(), connection.cursor() as cursor:
            ids = _insert_keys(cursor, schema, [(event[0].event_id, event[0].occurred_at) for event in events])
            new = [event for event in events if event[0].event_id in ids]
            _insert_keys(cursor, schema, [claim for event in new for claim in _claims(event)])
            _copy_rows(cursor, schema, new)
    except errors.CheckViolation:
        partitions.ensure(connection, schema, {partitions.month_of(event[0].occurred_at) for event in events})
        return _copy_new(connection, schema, events)
    return {event[0].event_id for event in events} - ids


def _insert_keys(cursor: "psycopg.Cursor[Any]", schema: str, keys: Sequence[tuple[UUID, datetime]]) -> set[UUID]:
    """Those of the keys that were not there before."""
    statement = sql.SQL(
        "INSERT INTO {} (event_id, occurred_at) SELECT * FROM unnest(%s::uuid[], %s::timestamptz[]) ORDER BY 1"
        " ON CONFLICT (event_id) DO NOTHING RETURNING event_id"
    ).format(table(schema, "events_eventkey"))
    cursor.execute(statement, [[key for key, _ in keys], [occurred_at for _, occurred_at in keys]])
    return {row[0] for row in cursor.fetchall()}
