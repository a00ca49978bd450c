"""What is stored about a visitor or user, told to whoever answers for it: the export of an id."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Final

import msgspec
from django.db import transaction
from psycopg import sql

from events import archive, elsewhere, history, identities, live_entries
from events.subjects import Subject, checked, digest_of, of_subject
from recomengine.lib import clock, redis
from recomengine.lib.errors import DomainError
from recomengine.lib.postgres import connect, table
from tenants import audit, directory
from tenants.types import Actor, TenantRef

_AT_ONCE: Final = 1_000
_COLUMNS: Final = tuple(name for name in archive.SCHEMA.names if name != "id")
# Found first and sorted afterwards: the planner shall not walk through all events in the order of time instead.
_EVENTS: Final = """
    WITH found AS MATERIALIZED (
        SELECT * FROM {events} WHERE visitor_id = {id} OR user_id = {id}
        OR (visitor_id = ANY({own}) AND user_id IS NULL)
    ) SELECT {columns} FROM found ORDER BY occurred_at, id
"""
_encode: Final = msgspec.json.Encoder().encode


def export(tenant: TenantRef, identifier: str, *, by: Actor) -> Iterator[bytes]:
    """One JSON object, a piece at a time: joined ids, what Redis and other apps hold, and every event's lines.

    Raises `not_found` if nothing is stored under the id, `invalid` if it can be no id.
    """
    subject = _subject(tenant, identifier)
    events, kept, others = _events(tenant, subject), _in_redis(tenant, subject), _elsewhere(tenant, subject)
    first = next(events, None)
    if first is None and not kept and not any(others.values()):
        raise DomainError("not_found", "Nothing is stored under that id.")
    with transaction.atomic():
        about = "visitor", digest_of(tenant, identifier)[:16]
        audit.record(by, "visitor.exported", about, directory.get_model(tenant.slug))
    joined = {"users": subject.users, "visitors": subject.own_browsers}
    head = {"id": identifier, "exported_at": clock.now(), **joined, "recent": kept, **others}
    return _document(head, chain([first] if first else [], events))


@dataclass(frozen=True, slots=True)
class Summary:
    """How much is stored under an id, `recent` in Redis, `elsewhere` by other apps, and with which ids it is joined."""

    id: str
    events: int
    first_at: datetime | None
    last_at: datetime | None
    recent: int
    elsewhere: dict[str, int]
    users: tuple[str, ...]
    visitors: tuple[str, ...]


def summary(tenant: TenantRef, identifier: str) -> Summary:
    """The export's measure; all noughts if nothing is stored, `invalid` if it can be no id."""
    subject = _subject(tenant, identifier)
    moments = [event["occurred_at"] for event in _events(tenant, subject) if event["line"] == 0]
    return Summary(
        identifier, len(moments), min(moments, default=None), max(moments, default=None),
        len(_in_redis(tenant, subject)), {name: len(rows) for name, rows in _elsewhere(tenant, subject).items()},
        subject.users, tuple(subject.own_browsers),
    )  # fmt: skip


def _subject(tenant: TenantRef, identifier: str) -> Subject:
    own = identities.visitors_of(tenant, checked(identifier))
    users = identities.users_with(tenant, [identifier])
    return Subject(identifier, users=tuple(sorted(users)), own=tuple(own))


def filename(tenant: TenantRef) -> str:
    """A name without the id, for names of files get around."""
    return f"{tenant.slug}-visitor-{clock.now():%Y%m%d-%H%M%S}.json"


def _document(head: dict[str, Any], events: Iterator[dict[str, Any]]) -> Iterator[bytes]:
    yield _encode(head)[:-1] + b',"events":['
    separator = b""
    for event in events:
        yield separator + _encode(event)
        separator = b",\n"
    yield b"]}\n"


def _events(tenant: TenantRef, subject: Subject) -> Iterator[dict[str, Any]]:
    """The item lines, those that only the archive has first."""
    for row in archive.dropped(tenant):
        for batch in archive.read(tenant, row):
            yield from map(_event, batch.filter(of_subject(batch, subject)).select(_COLUMNS).to_pylist())
    columns = sql.SQL(", ").join(map(sql.Identifier, _COLUMNS))
    statement = sql.SQL(_EVENTS).format(
        events=table(tenant.schema, "events_event"), id=subject.id, own=subject.own_browsers, columns=columns
    )
    with connect() as connection, connection.cursor(name="visitor") as cursor:
        cursor.execute(statement)
        while rows := cursor.fetchmany(_AT_ONCE):
            yield from (_event(dict(zip(_COLUMNS, row, strict=True))) for row in rows)


def _event(row: dict[str, Any]) -> dict[str, Any]:
    """A row as the API shows events: moments in UTC, properties as they were sent."""
    for name in ("occurred_at", "received_at"):
        moment: datetime = row[name]
        row[name] = moment.astimezone(UTC)
    if isinstance(row["properties"], str):  # as the archive keeps them
        row["properties"] = msgspec.Raw(row["properties"].encode())
    return row


def _elsewhere(tenant: TenantRef, subject: Subject) -> dict[str, list[dict[str, Any]]]:
    return {name: list(rows) for name, rows in elsewhere.told(tenant, subject).items()}


def _in_redis(tenant: TenantRef, subject: Subject) -> dict[str, Any]:
    """What Redis holds of the id as a visitor and as a user, by the keys' names."""
    names = history.keys_of(tenant.slug, [subject.id, *subject.own_browsers], [subject.id])
    found = {name: _value(name) for name in names}
    found[live_entries.stream_key(tenant.slug)] = live_entries.of_visitors(
        tenant.slug, {subject.id, *subject.own_browsers}
    )
    return {name: value for name, value in found.items() if value}


def _value(name: str) -> Any:
    client: Any = redis.client()
    kind = redis.text(client.type(name))
    if kind == "list":
        return [redis.text(each) for each in client.lrange(name, 0, -1)]
    if kind == "zset":
        return {redis.text(member): score for member, score in client.zrange(name, 0, -1, withscores=True)}
    return redis.text(client.get(name)) if kind == "string" else None
