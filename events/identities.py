"""Who a visitor is: which user a browser belongs to, as events that carry both ids tell, above all logins.

Nothing is stored about it. A browser with which exactly one user was ever seen is that user's, and what it did
anonymously is hers; one that several users share belongs to none of them, and its anonymous events stay its own. What
bots send joins nobody, and neither does an event of which the user id stands for both.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from events import archive
from events.models import Event
from recomengine.lib.postgres import connect, table
from tenants import tenancy
from tenants.types import TenantRef

LINKS: Final = pa.schema([("visitor", pa.string()), ("first", pa.string()), ("last", pa.string())])
_COLUMNS: Final = ("visitor_id", "user_id", "flag")
_LINKS: Final = """
    SELECT visitor_id, min(user_id COLLATE "C"), max(user_id COLLATE "C") FROM {events}
    WHERE user_id IS NOT NULL AND user_id <> visitor_id AND flag IS NULL GROUP BY visitor_id
"""
_AT_ONCE: Final = 50_000


def user_of(tenant: TenantRef, visitor_id: str) -> str | None:
    """The user a browser belongs to; None if it was never logged in, or several users share it."""
    users = users_with(tenant, [visitor_id])
    return users.pop() if len(users) == 1 else None


def visitors_of(tenant: TenantRef, user_id: str) -> list[str]:
    """The browsers that belong to a user and to nobody else, in order."""
    return alone_with(tenant, user_id, seen_with(tenant, user_id))


def seen_with(tenant: TenantRef, user_id: str) -> set[str]:
    """Every browser with which a user was seen."""
    with tenancy.use(tenant):
        found = set(Event.objects.filter(user_id=user_id).order_by().values_list("visitor_id", flat=True).distinct())
    archived = _archived_links(tenant, lambda batch: pc.equal(batch["user_id"], user_id))
    return (found | {visitor for visitor, _ in archived}) - {user_id}


def users_with(tenant: TenantRef, visitor_ids: Iterable[str]) -> set[str]:
    """Every user seen with any of the browsers."""
    return {user for _, user in _pairs(tenant, visitor_ids)}


def alone_with(tenant: TenantRef, user_id: str, visitor_ids: Iterable[str]) -> list[str]:
    """Those of the browsers with which no other user was ever seen."""
    asked = set(visitor_ids)
    shared = {visitor for visitor, user in _pairs(tenant, asked) if user != user_id}
    return sorted(asked - shared)


def _pairs(tenant: TenantRef, visitor_ids: Iterable[str]) -> set[tuple[str, str]]:
    asked = list(visitor_ids)
    with tenancy.use(tenant):
        events = Event.objects.trusted().filter(visitor_id__in=asked, user_id__isnull=False).order_by()
        found = {(visitor, str(user)) for visitor, user in events.values_list("visitor_id", "user_id").distinct()}
    wanted = pa.array(asked, pa.string())
    found |= set(_archived_links(tenant, lambda batch: pc.is_in(batch["visitor_id"], value_set=wanted)))
    return {(visitor, user) for visitor, user in found if visitor != user}


def _archived_links(
    tenant: TenantRef, chosen: Callable[[pa.RecordBatch], pa.Array]
) -> Iterator[tuple[str, str]]:  # fmt: skip
    """Browsers and users of events that only the archive has."""
    for batch in _logged_in(tenant):
        for pair in batch.filter(chosen(batch)).to_pylist():
            yield pair["visitor_id"], pair["user_id"]


def belongings(tenant: TenantRef) -> tuple[pa.Array, pa.Array]:
    """Every browser that belongs to a user, and in the same order those users."""
    found = pa.concat_tables([_links(tenant), *map(_summed, _logged_in(tenant))])
    links = found.group_by("visitor").aggregate([("first", "min"), ("last", "max")])
    links = links.filter(pc.equal(links["first_min"], links["last_max"])).combine_chunks()
    return links["visitor"], links["first_min"]


def _links(tenant: TenantRef) -> pa.Table:
    """For every browser somebody logged in with, its first and last user by their ids, as the database tells."""
    statement = sql.SQL(_LINKS).format(events=table(tenant.schema, "events_event"))
    tables = [LINKS.empty_table()]
    with connect() as connection, connection.cursor(name="links") as cursor:
        cursor.execute(statement)
        while rows := cursor.fetchmany(_AT_ONCE):
            tables.append(pa.table([pa.array(column, pa.string()) for column in zip(*rows, strict=True)], schema=LINKS))
    return pa.concat_tables(tables)


def _logged_in(tenant: TenantRef) -> Iterator[pa.RecordBatch]:
    for row in archive.dropped(tenant):
        for batch in archive.read(tenant, row, _COLUMNS):
            another = pc.fill_null(pc.not_equal(batch["user_id"], batch["visitor_id"]), False)
            yield batch.filter(pc.and_(another, pc.is_null(batch["flag"])))


def _summed(batch: pa.RecordBatch) -> pa.Table:
    found = pa.table(batch).group_by("visitor_id").aggregate([("user_id", "min"), ("user_id", "max")])
    return pa.table([found["visitor_id"], found["user_id_min"], found["user_id_max"]], schema=LINKS)
