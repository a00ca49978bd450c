"""Taking the rows of an import's file into the catalogue, batch by batch."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

from django.db import DataError, transaction

from catalog import cards, items, sources
from catalog.feeds import converting, reading
from catalog.feeds import mapping as mappings
from catalog.feeds.types import Format
from catalog.importing import replacing
from catalog.importing.kind import CATALOGUE, FILES
from catalog.models import Import, Item, Mode
from catalog.types import MAX_BATCH, ItemIn
from imports import running
from imports.stepping import step
from recomengine.lib.feeds.types import FeedBroken, Record, RowError
from tenants.types import TenantRef

Read = Record | RowError
Line = tuple[int, ItemIn]
ToItem = Callable[[Record], ItemIn | RowError]


def take(tenant: TenantRef, row: Import) -> Iterator[None]:
    """Store the rows that are not counted yet; yields after every batch.

    Raises FeedBroken where the file cannot be read on, once the rows before that place are stored; and before any is
    if all of them would lack the same field.
    """
    format, chosen = Format(row.format), sources.mapping_of(row.mapping)
    to_item = converting.mapper(format, chosen, tenant.currency)
    with FILES.path(tenant, row.pk).open("rb") as file:
        rows = reading.read(file, format, row.url, mappings.complete(format, chosen))
        _skip(tenant, row, rows, to_item)
        for batch in _batches(rows):
            good, bad = sort_out(batch, to_item)
            with step(row):
                _store(tenant, row, good, bad)
                row.bytes_read = min(file.tell(), row.bytes_total)
            yield


def _skip(tenant: TenantRef, row: Import, rows: Iterator[Read], to_item: ToItem) -> None:
    """Pass over the rows that are counted, and write the cards of the last of them again.

    Whoever stored those may have been killed between the commit and the cards.
    """
    last = deque(running.skipped(row, rows), maxlen=MAX_BATCH)
    if last:
        ids = [item.item_id for _, item in sort_out(last, to_item)[0]]
        cards.refresh(tenant, list(Item.objects.filter(item_id__in=ids).values_list("pk", flat=True)))


def _batches(rows: Iterator[Read]) -> Iterator[list[Read]]:
    """The rows by the batch; what came before the place where the feed breaks is one too."""
    batch: list[Read] = []
    try:
        for read in rows:
            batch.append(read)
            if len(batch) == MAX_BATCH:
                yield batch
                batch = []
    except FeedBroken:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def sort_out(batch: Iterable[Read], to_item: ToItem) -> tuple[list[Line], list[RowError]]:
    """The items of a batch with their lines, each item once, and the rows that are not taken.

    Of the rows of one item the last counts, as it does in the whole feed; those before it are reported.
    """
    good: dict[str, Line] = {}
    bad: list[RowError] = []
    for read in batch:
        made = to_item(read) if isinstance(read, Record) else read
        if isinstance(made, RowError):
            bad.append(made)
            continue
        earlier = good.pop(made.item_id, None)
        if earlier is not None:
            bad.append(_repeated(*earlier, by=read.line))
        good[made.item_id] = (read.line, made)
    return list(good.values()), bad


def _repeated(line: int, item: ItemIn, by: int) -> RowError:
    message = f"Item {item.item_id} stands again on line {by}; that row was taken."
    return RowError(line, "duplicate_in_feed", message, "item_id", item.item_id, item.item_id)


def _store(tenant: TenantRef, row: Import, good: list[Line], bad: list[RowError]) -> None:
    """Write a batch, and count what became of each of its rows."""
    size = len(good) + len(bad)
    created, updated, refused = _write(tenant, good)
    bad = bad + refused
    if row.mode == Mode.REPLACE:
        replacing.note(row, {item.item_id for _, item in good} | {each.item_id for each in bad if each.item_id})
    CATALOGUE.reject(row, bad)
    row.rows += size
    row.created += created
    row.updated += updated
    row.unchanged += size - created - updated - len(bad)


def _write(tenant: TenantRef, good: list[Line]) -> tuple[int, int, list[RowError]]:
    """Write the items; those that PostgreSQL refuses are reported, and sink no other."""
    if not good:
        return 0, 0, []
    try:
        with transaction.atomic():
            return *items.write(tenant, [item for _, item in good]), []
    except (DataError, UnicodeError) as error:
        if len(good) == 1:
            [(line, item)] = good
            message = f"It cannot be stored: {str(error).splitlines()[0]}"
            return 0, 0, [RowError(line, "invalid", message, item_id=item.item_id)]
    halves = [_write(tenant, half) for half in (good[: len(good) // 2], good[len(good) // 2 :])]
    return sum(each[0] for each in halves), sum(each[1] for each in halves), halves[0][2] + halves[1][2]
