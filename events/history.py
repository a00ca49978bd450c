"""What a visitor did lately, in Redis: the newest `HISTORY_LENGTH` items of each visitor and each logged-in user.

A list `{slug}:h:v:<visitor_id>` (and `…:h:u:<user_id>`), newest first; an entry is one letter for the event type
followed by the item id. Entries expire with the visitor's silence.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from psycopg import sql

from events.types import HISTORY_LENGTH, EventRow, EventType, user_key, visitor_key
from recomengine.lib import clock, redis
from recomengine.lib.postgres import connect, table
from tenants.types import TenantRef

KEPT: Final = timedelta(days=90)
LETTERS: Final[Mapping[str, str]] = {
    EventType.VIEW: "v",
    EventType.CLICK: "c",
    EventType.ADD_TO_CART: "a",
    EventType.PURCHASE: "p",
}
Command = tuple[str | int, ...]


def commands(slug: str, events: Iterable[Sequence[EventRow]], now: datetime) -> list[Command]:
    """The Redis commands that add these events to their visitors' histories, the newest last and so in front."""
    added: dict[str, list[str]] = {}
    for event in sorted(events, key=lambda event: event[0].occurred_at):
        first = event[0]
        letter = LETTERS.get(first.type)
        entries = [letter + row.item_id for row in event if letter and row.item_id]
        if not entries or first.occurred_at < now - KEPT:
            continue
        added.setdefault(visitor_key(slug, first.visitor_id), []).extend(entries)
        if first.user_id:
            added.setdefault(user_key(slug, first.user_id), []).extend(entries)
    return [command for name, entries in added.items() for command in _prepend(name, entries)]


def _prepend(name: str, entries: list[str]) -> list[Command]:
    return [
        ("LPUSH", name, *entries[-HISTORY_LENGTH:]),
        ("LTRIM", name, 0, HISTORY_LENGTH - 1),
        ("EXPIRE", name, int(KEPT.total_seconds())),
    ]


_RECENT = """
    SELECT who, entry FROM (
        SELECT {who} AS who, row_number() OVER (PARTITION BY {who} ORDER BY occurred_at DESC, id DESC) AS n,
               CASE type WHEN 'view' THEN 'v' WHEN 'click' THEN 'c' WHEN 'add_to_cart' THEN 'a' ELSE 'p' END
               || item_id AS entry
        FROM {events}
        WHERE occurred_at > %s AND {who} IS NOT NULL AND item_id IS NOT NULL AND type = ANY(%s) AND flag IS NULL {among}
    ) recent WHERE n <= %s ORDER BY who, n
"""


def rebuild(tenant: TenantRef) -> int:
    """Write every recent history anew from the event store; returns how many there are."""
    return _rebuild(tenant, "visitor_id", visitor_key) + _rebuild(tenant, "user_id", user_key)


def keys_of(slug: str, visitors: Iterable[str], users: Iterable[str]) -> list[str]:
    """Everything that Redis holds of these visitors and users in particular."""
    return [visitor_key(slug, each) for each in visitors] + [user_key(slug, each) for each in users]


def rewrite(tenant: TenantRef, visitors: Sequence[str], users: Sequence[str]) -> None:
    """Forget what Redis holds of these visitors and users, and write what the store still has of them."""
    names = keys_of(tenant.slug, visitors, users)
    if names:
        redis.client().delete(*names)
    _rebuild(tenant, "visitor_id", visitor_key, visitors)
    _rebuild(tenant, "user_id", user_key, users)


def _rebuild(
    tenant: TenantRef, column: str, key_of: Callable[[str, str], str], among: Sequence[str] | None = None
) -> int:
    whose = sql.Identifier(column)
    some = sql.SQL("") if among is None else sql.SQL("AND {} = ANY(%s)").format(whose)
    statement = sql.SQL(_RECENT).format(who=whose, events=table(tenant.schema, "events_event"), among=some)
    histories: dict[str, list[str]] = {}
    with connect() as connection, connection.cursor() as cursor:
        asked = [] if among is None else [list(among)]
        cursor.execute(statement, [clock.now() - KEPT, [str(kind) for kind in LETTERS], *asked, HISTORY_LENGTH])
        for who, entry in cursor:
            histories.setdefault(who, []).append(entry)
    pipeline = redis.client().pipeline(transaction=False)
    for who, entries in histories.items():
        name = key_of(tenant.slug, who)
        pipeline.delete(name)
        pipeline.rpush(name, *entries)
        pipeline.expire(name, KEPT)
        if len(pipeline) >= 10_000:
            pipeline.execute()
    pipeline.execute()
    return len(histories)
