"""Who a visitor is: which user a browser belongs to, as events that carry both ids tell, above all logins.

Nothing is stored about it. A browser with which exactly one user was ever seen is that user's, and what it did
anonymously is hers; one that several users share belongs to none of them, and its anonymous events stay its own. What
bots send joins nobody, and neither does an event of which the user id stands for both.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from events import archive, copying, partitions
from events.models import ArchivedMonth, Event
from tenants import tenancy
from tenants.types import TenantRef

LINKS: Final = pa.schema([("visitor", pa.string()), ("first", pa.string()), ("last", pa.string())])
_PAIR: Final = pa.schema([("visitor_id", pa.string()), ("user_id", pa.string())])
_TOGETHER: Final = sql.SQL("user_id IS NOT NULL AND user_id <> visitor_id AND flag IS NULL")
_AT_ONCE: Final = 500_000  # browsers that are summed up together, or as many as were found so far


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
    for batch in _logged_in(tenant, archive.dropped(tenant)):
        for pair in batch.filter(chosen(batch)).to_pylist():
            yield pair["visitor_id"], pair["user_id"]


def belongings(connection: copying.Connection, tenant: TenantRef) -> tuple[pa.Array, pa.Array]:
    """Every browser that belongs to a user, and in the same order those users, as a frozen connection sees it."""
    found, waiting = LINKS.empty_table(), [LINKS.empty_table()]
    for batch in _seen_together(connection, tenant):
        waiting.append(_summed(pa.table([batch["visitor_id"], batch["user_id"], batch["user_id"]], schema=LINKS)))
        if sum(each.num_rows for each in waiting) > max(_AT_ONCE, found.num_rows):
            found, waiting = _summed(pa.concat_tables([found, *waiting])), []
    links = _summed(pa.concat_tables([found, *waiting]))
    links = links.filter(pc.equal(links["first"], links["last"]))
    return links["visitor"].combine_chunks(), links["first"].combine_chunks()


def owners(browsers: pa.ChunkedArray, belonging: tuple[pa.Array, pa.Array]) -> pa.ChunkedArray:
    """For each of many browsers, which recur, the user it belongs to, or null; `belonging` as `belongings` gives it.

    What is looked up is every browser that belongs to a user, among the few of these rows: the other way round, a
    table of all of them would be made for each call.
    """
    visitors, users = belonging
    rows = pc.dictionary_encode(browsers.combine_chunks())
    place = pc.index_in(visitors, value_set=rows.dictionary)
    owner = np.full(len(rows.dictionary), -1)
    owner[place.drop_null().to_numpy()] = np.flatnonzero(place.is_valid())
    return pa.chunked_array([users.take(pa.array(owner, mask=owner < 0)).take(rows.indices)], pa.string())


def _summed(links: pa.Table) -> pa.Table:
    """For every browser its first and last user by their ids."""
    found = links.group_by("visitor").aggregate([("first", "min"), ("last", "max")])
    return found.select(["visitor", "first_min", "last_max"]).rename_columns(LINKS.names)


def _seen_together(connection: copying.Connection, tenant: TenantRef) -> Iterator[pa.RecordBatch]:
    """The browser and the user of every event that somebody sent with one."""
    yield from _logged_in(tenant, copying.dropped(connection, tenant.schema))
    for month in partitions.existing(connection, tenant.schema):
        yield from copying.stored(connection, tenant.schema, month, _PAIR, _TOGETHER)


def _logged_in(tenant: TenantRef, dropped: Iterable[ArchivedMonth]) -> Iterator[pa.RecordBatch]:
    for row in dropped:
        for batch in archive.read(tenant, row, (*_PAIR.names, "flag")):
            another = pc.fill_null(pc.not_equal(batch["user_id"], batch["visitor_id"]), False)
            yield batch.filter(pc.and_(another, pc.is_null(batch["flag"]))).select(_PAIR.names)
