"""What visitors and users did lately, in Redis: the newest `HISTORY_LENGTH` things of each, and what they bought.

Sorted sets by the time of the event in Unix microseconds, plus the number of the line: `{slug}:history:v:<visitor_id>`
(and `…:u:<user_id>`) of one letter for the event type followed by the item id, `{slug}:bought:v:…` and `…:u:…` of the
ids of items bought. All expire with the visitor's silence. Of the letters, `r` (taken out of the cart) speaks for no
item: whoever looks for interest passes over it.

A browser on which one user was ever seen is that user's: what was done on it, before the login as well as after, is the
user's too. `{slug}:owner:<visitor_id>` remembers the user; a browser of several users is nobody's. `{slug}:parted` are
the users who lost a browser that way, until they are rewritten without it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, Final, TypeVar

from psycopg import sql
from redis.client import Pipeline

from events import moving, shown
from events.moving import Pairs, Person, microseconds
from events.types import (
    BOUGHT_LENGTH,
    HISTORY_KEPT,
    HISTORY_LENGTH,
    EventRow,
    bought_by_user_key,
    bought_by_visitor_key,
    owner_key,
    shown_key,
    user_key,
    visitor_key,
)
from recomengine.lib import clock, naming, redis
from recomengine.lib.postgres import connect, table
from tenants.types import TenantRef

KEPT: Final = HISTORY_KEPT
LETTERS: Final = {"view": "v", "click": "c", "add_to_cart": "a", "remove_from_cart": "r", "purchase": "p"}
_CHUNK: Final = 1_000
T = TypeVar("T")


OF_VISITORS: Final = (visitor_key, bought_by_visitor_key)
OF_USERS: Final = (user_key, bought_by_user_key)


def parted_key(slug: str) -> str:
    return naming.key(slug, "parted")


def people(events: Iterable[Sequence[EventRow]], now: datetime) -> list[Person]:
    """What these events add to their visitors' and users' histories; logins without an item join the two."""
    entries: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for event in events:
        first = event[0]
        if first.occurred_at < now - KEPT and not first.user_id:
            continue
        found, letter = entries[first.visitor_id, first.user_id or ""], LETTERS.get(first.type)
        if letter is None or first.occurred_at < now - KEPT:
            continue
        at = microseconds(first.occurred_at)
        for row in event:
            if row.item_id:
                entry = letter + row.item_id
                found[entry] = max(found.get(entry, 0), at + row.line)
    return [_person(*who, found) for who, found in entries.items() if found or who[1]]


def _person(visitor: str, user: str, entries: dict[str, int]) -> Person:
    newest = sorted(entries.items(), key=lambda entry: (entry[1], entry[0]))
    bought = [(entry[1:], at) for entry, at in newest if entry[0] == LETTERS["purchase"]]
    return Person(visitor, user, _pairs(newest[-HISTORY_LENGTH:]), _pairs(bought[-BOUGHT_LENGTH:]))


def _pairs(entries: Iterable[tuple[str, int]]) -> Pairs:
    return [part for entry, at in entries for part in (at, entry)]


def keys_of(slug: str, visitors: Iterable[str], users: Iterable[str]) -> list[str]:
    """Everything that Redis holds of these visitors and users in particular."""
    of_visitors = [key_of(slug, visitor) for visitor in visitors for key_of in (*OF_VISITORS, shown_key, owner_key)]
    return of_visitors + [key_of(slug, user) for user in users for key_of in OF_USERS]


def forget(slug: str, visitors: Sequence[str], users: Sequence[str]) -> None:
    """Delete everything that Redis holds of these visitors and users."""
    pipeline = redis.client().pipeline(transaction=False)
    for names in _chunks(keys_of(slug, visitors, users)):
        pipeline.delete(*names)
    if users:
        pipeline.srem(parted_key(slug), *users)
    pipeline.execute()


_EVERYBODY: Final = sql.SQL("")
_OWNERS: Final = """
    SELECT visitor_id, CASE WHEN min(user_id) = max(user_id) THEN min(user_id) ELSE '' END AS owner
    FROM {events} WHERE user_id IS NOT NULL AND user_id <> visitor_id AND flag IS NULL {among} GROUP BY visitor_id
"""
# The newest entries of each visitor and user, with their times in the order of sorted sets: (whose, id, entry, at).
_ENTRIES: Final = """
    WITH owners AS ({owners}), lately AS (
        SELECT visitor_id, coalesce(user_id, nullif(owner, '')) AS user_id, type, item_id,
               (extract(epoch FROM occurred_at) * 1000000)::bigint + line AS at
        FROM {events} LEFT JOIN owners USING (visitor_id)
        WHERE occurred_at > {since} AND item_id IS NOT NULL AND type = ANY({types}) AND flag IS NULL {lately}
    ), entries AS (
        SELECT who.kind, who.id,
               CASE type WHEN 'view' THEN 'v' WHEN 'click' THEN 'c' WHEN 'add_to_cart' THEN 'a'
               WHEN 'remove_from_cart' THEN 'r' ELSE 'p' END
               || item_id AS entry, max(at) AS at
        FROM lately, LATERAL (VALUES {kinds}) AS who (kind, id) WHERE who.id IS NOT NULL GROUP BY 1, 2, 3
    ), numbered AS (
        SELECT *, row_number() OVER (PARTITION BY kind, id ORDER BY at DESC, entry COLLATE "C" DESC) AS n,
               row_number() OVER (PARTITION BY kind, id, left(entry, 1) = 'p' ORDER BY at DESC, entry COLLATE "C" DESC)
               AS nth_bought
        FROM entries
    ) SELECT kind, id, entry, at, n <= {history} AS is_history FROM numbered
      WHERE n <= {history} OR left(entry, 1) = 'p' AND nth_bought <= {bought} ORDER BY kind, id
"""
# A union and no OR, which would have every event of the months looked at.
_SOME: Final = """
    AND visitor_id IN (
        SELECT unnest({visitors}::text[]) UNION SELECT visitor_id FROM {events} WHERE user_id = ANY({users})
    )
"""
_KINDS: Final = """
    ('v', CASE WHEN visitor_id = ANY({visitors}) THEN visitor_id END),
    ('u', CASE WHEN lately.user_id = ANY({users}) THEN lately.user_id END)
"""
_KEYS: Final = {"v": OF_VISITORS, "u": OF_USERS}
Row = tuple[Any, ...]


def rebuild(tenant: TenantRef) -> int:
    """Write every recent history anew from the event store; returns how many there are.

    What came in meanwhile is moved once more, in case the older state was written over it.
    """
    began = clock.now() - moving.SETTLED
    _write_owners(tenant, _rows(tenant, _OWNERS))
    everybody = sql.SQL("('v', visitor_id), ('u', lately.user_id)")
    written = _write(tenant, _rows(tenant, _ENTRIES, kinds=everybody, lately=_EVERYBODY), fresh=True)
    shown.rebuild(tenant)
    replay(tenant, began)
    return written


def rewrite(tenant: TenantRef, visitors: Sequence[str], users: Sequence[str]) -> None:
    """Forget what Redis holds of these visitors and users, and write what the store still has of them.

    What comes in meanwhile is kept: entries are added to what is there by then. A browser that is another user's by now
    brings its past along.
    """
    forget(tenant.slug, visitors, users)
    among = sql.SQL("AND visitor_id = ANY({})").format(sql.Literal(list(visitors)))
    owners = list(_rows(tenant, _OWNERS, among=among))
    _write_owners(tenant, owners)
    everybody = sorted({*users, *(owner for _, owner in owners if owner)})
    asked = {"visitors": sql.Literal(list(visitors)), "users": sql.Literal(everybody)}
    some = sql.SQL(_SOME).format(events=table(tenant.schema, "events_event"), **asked)
    kinds = sql.SQL(_KINDS).format(**asked)
    _write(tenant, _rows(tenant, _ENTRIES, kinds=kinds, lately=some, among=some), fresh=False)
    shown.rewrite(tenant, visitors)


def rewrite_parted(tenant: TenantRef) -> None:
    """Write the users anew who lost a browser because another user was seen on it."""
    members: set[bytes] = redis.client().smembers(parted_key(tenant.slug))  # type: ignore[assignment]
    if members:
        rewrite(tenant, [], sorted(member.decode() for member in members))


def replay(tenant: TenantRef, since: datetime, until: datetime | None = None) -> int:
    """Move the people of the events received since an instant (and before another) once more; how many rows they had.

    However often that is done, histories are the same. What was shown to them is counted anew.
    """
    now, moved = clock.now(), 0
    until = until or now + KEPT
    for rows in _chunks(_rows(tenant, _RECEIVED, received_since=since, received_before=until)):
        told = people(([EventRow(*row)] for row in rows), now)
        redis.client().execute_command(*moving.command(tenant, told, now))
        moved += len(rows)
    shown.rewrite_received(tenant, since, until)
    return moved


_RECEIVED: Final = """
    SELECT {columns} FROM {events}
    WHERE received_at >= {received_since} AND received_at < {received_before} AND flag IS NULL
    AND (type = ANY({types}) AND item_id IS NOT NULL AND occurred_at > {since} OR user_id IS NOT NULL)
"""


def _rows(tenant: TenantRef, statement: str, among: sql.Composable = _EVERYBODY, **values: Any) -> Iterator[Row]:
    """The rows of one of the statements, read as they are used."""
    events = table(tenant.schema, "events_event")
    fixed: dict[str, Any] = {
        "events": events,
        "owners": sql.SQL(_OWNERS).format(events=events, among=among),
        "columns": sql.SQL(", ").join(map(sql.Identifier, EventRow._fields)),
        "among": among,
        "since": clock.now() - KEPT,
        "types": list(LETTERS),
        "history": HISTORY_LENGTH,
        "bought": BOUGHT_LENGTH,
    }
    with connect() as connection, connection.cursor(name="history") as cursor:
        cursor.itersize = 10 * _CHUNK
        cursor.execute(sql.SQL(statement).format(**fixed | values))
        yield from cursor


def _write_owners(tenant: TenantRef, owners: Iterable[Row]) -> None:
    for some in _chunks(owners):
        pipeline = redis.client().pipeline(transaction=False)
        for visitor, owner in some:
            pipeline.set(owner_key(tenant.slug, visitor), owner, ex=tenant.retention_days * 86_400)
        pipeline.execute()


def _write(tenant: TenantRef, rows: Iterable[Row], fresh: bool) -> int:
    """Put the entries where they belong, `fresh` in place of what is there; how many keys hold a history."""
    histories = 0
    by_person = ((*person, list(found)) for person, found in groupby(rows, itemgetter(0, 1)))
    for some in _chunks(by_person):
        pipeline = redis.client().pipeline(transaction=True)
        for kind, who, entries in some:
            history, bought = (key_of(tenant.slug, who) for key_of in _KEYS[kind])
            lately = {entry: at for *_, entry, at, is_history in entries if is_history}
            orders = {entry[1:]: at for *_, entry, at, _ in entries if entry[0] == LETTERS["purchase"]}
            _put(pipeline, history, lately, HISTORY_LENGTH, fresh)
            _put(pipeline, bought, orders, BOUGHT_LENGTH, fresh)
            histories += 1
        pipeline.execute()
    return histories


def _put(pipeline: Pipeline, name: str, entries: dict[str, int], most: int, fresh: bool) -> None:
    if fresh:
        pipeline.delete(name)
    if entries:
        pipeline.zadd(name, entries, gt=True)
        pipeline.zremrangebyrank(name, 0, -most - 1)
        pipeline.expire(name, KEPT)


def _chunks(rows: Iterable[T]) -> Iterator[list[T]]:
    remaining = iter(rows)
    while chunk := list(islice(remaining, _CHUNK)):
        yield chunk
