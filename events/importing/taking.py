"""Taking the rows of an import's file into the store, batch by batch."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import Any, BinaryIO, Final, cast
from zoneinfo import ZoneInfo

import msgspec
from django.db import connection, transaction

from events import ingest, partitions, store
from events.importing import columns, grouping
from events.importing.columns import Reading
from events.importing.grouping import Group
from events.importing.kind import EVENTS, FILES
from events.importing.types import Format
from events.models import Import
from events.types import types_of
from events.writer import unclaimed
from imports import running
from imports.stepping import step
from recomengine.lib import clock, redis
from recomengine.lib.feeds import documents, tables
from recomengine.lib.feeds.types import FeedBroken, Look, Record, RowError
from recomengine.lib.postgres import connect
from tenants import quotas
from tenants.types import TenantRef

ROWS: Final = 1_000
"""A batch ends with the event that reaches so many rows."""
Read = Record | RowError


def reading_of(tenant: TenantRef, row: Import) -> Reading:
    """How the rows of an import are read."""
    mapping = tuple(sorted(row.mapping.items()))
    types = frozenset(types_of(tenant.event_types))
    return Reading(row.type, ZoneInfo(row.timezone), row.date_format, mapping, types)


def take(tenant: TenantRef, row: Import, look: Look) -> Iterator[None]:
    """Store the rows that are not counted yet; yields after every batch. `look` is told a table's columns.

    Raises FeedBroken where the file cannot be read on, once the rows before that place are stored.
    """
    reading, months = reading_of(tenant, row), set[date]()
    with FILES.path(tenant, row.pk).open("rb") as file:
        rows = _records(file, row, look)
        deque(running.skipped(row, rows), maxlen=0)
        for batch in _batches(rows, reading):
            checked = _checked(tenant, batch)
            _make_partitions(tenant, checked[0], months)
            with step(row):
                _store(tenant, row, *checked)
                row.bytes_read = min(file.tell(), row.bytes_total)
            yield


def _records(file: BinaryIO, row: Import, look: Look) -> Iterator[Read]:
    return documents.records(file) if row.format == Format.JSONL else tables.records(file, look)


def _batches(rows: Iterator[Read], reading: Reading) -> Iterator[list[Group]]:
    """Events by the batch; what came before the place where the file breaks is one too.

    Batches end between events, so whoever goes on after one groups the rows that follow in the same way.
    """
    batch: list[Group] = []
    broken: list[FeedBroken] = []
    size = 0
    for group in grouping.grouped(_read(rows, reading, broken)):
        batch.append(group)
        size += len(group.rows)
        if size >= ROWS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
    if broken:
        raise broken[0]


def _read(rows: Iterator[Read], reading: Reading, broken: list[FeedBroken]) -> Iterator[columns.Row]:
    try:
        for read in rows:
            yield columns.row_of(read, reading) if isinstance(read, Record) else columns.Row(read.line, error=read)
    except FeedBroken as error:
        broken.append(error)


Checked = tuple[list[tuple[Group, store.Event]], list[RowError]]


def _checked(tenant: TenantRef, batch: Iterable[Group]) -> Checked:
    """The events that passed every step, with their rows, and why the other rows are not taken."""
    bad: list[RowError] = []
    readable: list[Group] = []
    for group in batch:
        errors = group.errors()
        bad += errors
        if not errors:
            readable.append(group)
    context = ingest.Context(
        clock.now(), tenant.currency, timedelta(days=tenant.retention_days), types_of(tenant.event_types)
    )
    made = ingest.from_rows([msgspec.json.encode(group.event) for group in readable], context)
    refused = {each.index: each for each in made.rejected}
    for index, why in refused.items():
        bad += readable[index].refused(why)
    taken = [group for index, group in enumerate(readable) if index not in refused]
    events = [_flagged(event, group.flag) for group, event in zip(taken, made.events, strict=True)]
    return list(zip(taken, events, strict=True)), sorted(bad, key=lambda error: error.line)


def _flagged(event: store.Event, flag: str | None) -> store.Event:
    return [row._replace(flag=flag) for row in event] if flag else event


def _make_partitions(tenant: TenantRef, good: Iterable[tuple[Group, store.Event]], made: set[date]) -> None:
    """Make the months' partitions apart from the batch's transaction, which would hold their lock to its end."""
    needed = {partitions.month_of(event[0].occurred_at) for _, event in good} - made
    if needed:
        with connect() as own:
            partitions.ensure(own, tenant.schema, needed)
        made |= needed


def _store(tenant: TenantRef, row: Import, good: Sequence[tuple[Group, store.Event]], bad: list[RowError]) -> None:
    """Write a batch, and count what became of each of its rows, in the transaction at hand."""
    distinct = unclaimed([event for _, event in good], set())
    connection.ensure_connection()
    before = store.write(cast(Any, connection.connection), tenant.schema, distinct) if distinct else set()
    new = {id(event) for event in distinct if event[0].event_id not in before}
    taken, stored = sum(len(group.rows) for group, _ in good), sum(len(g.rows) for g, event in good if id(event) in new)
    EVENTS.reject(row, bad)
    row.events += len(new)
    row.stored += stored
    row.duplicates += taken - stored
    row.rows += len(bad) + taken
    transaction.on_commit(lambda: _count(tenant, [event for event in distinct if id(event) in new]))


def _count(tenant: TenantRef, new: Sequence[store.Event]) -> None:
    """Of the month's events are only those that occurred in it, whenever they come."""
    now = clock.now()
    current = sum(quotas.month_of(event[0].occurred_at) == quotas.month_of(now) for event in new)
    if current:
        redis.client().execute_command(*map(str, quotas.counted(tenant, current, now)))
