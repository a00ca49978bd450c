"""What a file says of items, for the strategy that reads texts: any feed that imports take, or Parquet."""

import math
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from catalog import documents
from catalog.feeds import converting, mapping, reading
from catalog.feeds.types import Format
from catalog.types import ItemIn
from recomengine.lib.errors import DomainError
from recomengine.lib.feeds.opening import head_of
from recomengine.lib.feeds.types import FeedBroken, Record, RowError
from recommendations.algorithms.types import CatalogItem
from recommendations.logs.columns import Columns, shown, text, understood

_PARQUET: Final = b"PAR1"  # how such a file begins
_NEEDED: Final = ("item_id", "title")


def read(path: Path) -> list[ItemIn]:
    """The items of a file, columns by the names that imports know; raises `invalid` for a row that is none.

    Of an id given twice the last row counts, as in imports.
    """
    try:
        is_table = path.is_dir() or path.open("rb").read(len(_PARQUET)) == _PARQUET
    except OSError as error:
        raise DomainError("not_found", f"{path} cannot be read: {error.strerror}.") from error
    items = _of_table(path) if is_table else _of_feed(path)
    found = {item.item_id: item for item in items}
    if not found:
        raise DomainError("invalid", f"{path} holds no item.")
    return list(found.values())


def as_content(items: Iterable[ItemIn], numbers: Iterable[int]) -> list[CatalogItem]:
    """The items' texts under their numbers, as trainings read them of a catalogue."""
    return [
        CatalogItem(number, item.title, item.brand, tuple(item.categories), " ".join(documents.values(item.attributes)))
        for number, item in zip(numbers, items, strict=True)
    ]


def _of_feed(path: Path) -> Iterator[ItemIn]:
    with path.open("rb") as file:
        form = reading.detect(head_of(file), path.name)
        if form is None:
            raise DomainError("unknown_format", f"{path} is no feed of a kind that imports take, and no Parquet file.")
        try:
            yield from _items(reading.read(file, form, look=mapping.complete(form, {})), form, path)
        except FeedBroken as error:
            raise DomainError("invalid", f"{path}, line {error.line}: {shown(error)}") from error


def _of_table(path: Path) -> Iterator[ItemIn]:
    columns = Columns(path)
    if missing := columns.missing(_NEEDED):
        raise DomainError("invalid", f"{missing} Items need item_id and title.")
    table = {name: columns[name] for name in columns.names}
    with understood(path):
        table["item_id"] = pa.chunked_array([text(chunk) for chunk in table["item_id"].chunks], pa.string())
    batches = pa.table(table).to_batches(max_chunksize=10_000)
    rows = chain.from_iterable(batch.to_pylist() for batch in batches)
    records = (Record(line, {name: _value(value) for name, value in row.items()}) for line, row in enumerate(rows, 1))
    yield from _items(records, Format.JSONL, path)


def _value(value: Any) -> Any:
    """A number that is none, as tables have it where a value is missing, is none."""
    return None if isinstance(value, float) and math.isnan(value) else value


def _items(rows: Iterable[Record | RowError], form: Format, path: Path) -> Iterator[ItemIn]:
    to_item = converting.mapper(form, {})
    for row in rows:
        found = to_item(row) if isinstance(row, Record) else row
        if isinstance(found, RowError):
            said = f"{path}, row {found.line}: {shown(found.message)}"
            raise DomainError("invalid", f"{said} ({found.field}: {shown(found.value)})" if found.field else said)
        yield found
