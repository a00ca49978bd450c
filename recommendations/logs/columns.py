"""Columns of Parquet files as the engine needs them: ids as text, moments, lists of ids.

What a log holds is read by parts, so that memory does not grow with the log.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import parquet

from recomengine.lib.errors import DomainError
from recomengine.lib.fields import FIRST_INSTANT, LAST_INSTANT

MOMENT: Final = pa.timestamp("us", "UTC")
LONGEST: Final = 50  # years of one log; times that lie further apart are not all in one unit, or not all true
_UNITS: Final = ((1e11, 1_000_000), (1e14, 1_000), (1e17, 1))  # Unix times below: microseconds in one; above, nano
_YEAR: Final = 365 * 86_400 * 1_000_000
_SHOWN: Final = 300  # characters of what a file holds, in a message
_PART: Final = 1_000_000  # rows; what is made once a part, such as a table of all items, would cost more with fewer


class Columns:
    """The columns of a Parquet file, or of all in a directory; raises `not_found`, and `invalid` for other files."""

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.exists():
            raise DomainError("not_found", f"There is no file {path}.")
        with self._readable():
            self._data = parquet.ParquetDataset(path)
        self.names: list[str] = self._data.schema.names

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def __getitem__(self, name: str) -> pa.ChunkedArray:
        self._check_single([name])
        with self._readable():
            return _plain(self._data.read(columns=[name])[name])

    def parts(self, *names: str) -> Iterator[pa.Table]:
        """Those columns, of some million rows at a time, in the order of the rows; each time in the same parts."""
        self._check_single(names)
        waiting: list[pa.RecordBatch] = []
        for batch in self._batches(names):
            waiting.append(batch)
            if sum(each.num_rows for each in waiting) >= _PART:
                yield _together(waiting)
                waiting = []
        if any(each.num_rows for each in waiting):
            yield _together(waiting)

    def largest(self, name: str) -> float:
        """The largest magnitude of a column of numbers; 0 of any other, and where it is null throughout."""
        found = 0.0
        for part in self.parts(name):
            if not _is_number(part[name].type):
                break
            found = max(found, pc.max(pc.abs(part[name])).as_py() or 0)
        return found

    def _batches(self, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for fragment in self._data.fragments:
            with self._readable():
                batches = fragment.to_batches(schema=self._data.schema, columns=list(names), batch_readahead=1)
            while True:
                with self._readable():
                    batch = next(batches, None)
                if batch is None:
                    break
                yield batch

    def _check_single(self, names: Sequence[str]) -> None:
        for name in names:
            if self.names.count(name) > 1:
                raise DomainError("invalid", f"{self._path} has {self.names.count(name)} columns {name}; keep one.")

    def missing(self, wanted: tuple[str, ...]) -> str:
        """Says which of the columns are missing and which there are; empty if all are there."""
        absent = [name for name in wanted if name not in self]
        had = shown(", ".join(self.names)) or "none"
        return f"{self._path} has no column {', '.join(absent)}; it has {had}." if absent else ""

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError, OSError) as error:
            message = f"{self._path} is no Parquet file that can be read: {shown(error)}"
            raise DomainError("invalid", message) from error


def _together(batches: Sequence[pa.RecordBatch]) -> pa.Table:
    table = pa.Table.from_batches(batches)
    return pa.table({name: _plain(table[name]) for name in table.column_names})


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


class Ids(NamedTuple):
    """A column of ids: `known` has each as text (null for an empty one), `places` where in it each row's id stands."""

    known: pa.Array
    places: pa.ChunkedArray


@contextmanager
def understood(path: Path) -> Iterator[None]:
    """Refuses what Arrow cannot take for an id, a time or a number."""
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
        raise DomainError("invalid", f"{path}: a value is not understood: {shown(error)}") from error


def shown(value: object) -> str:
    """What a message quotes of a file, which may hold anything: one line, nothing that a terminal would obey."""
    text = " ".join(str(value)[: 2 * _SHOWN].split())
    return "".join(each if each.isprintable() else "\ufffd" for each in text)[:_SHOWN]


def ids(column: pa.ChunkedArray) -> Ids:
    """Ids, equal whatever the type that holds them: 7, 7.0 and "7" are one."""
    encoded = column.dictionary_encode()
    if not encoded.num_chunks:
        return Ids(pa.array([], pa.string()), pa.chunked_array([], pa.int32()))
    known = text(encoded.chunk(0).dictionary)
    return Ids(known, pa.chunked_array([chunk.indices for chunk in encoded.chunks], pa.int32()))


def text(values: Any) -> Any:
    """The same of single values (an array, chunked or not); an empty text is none."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if pa.types.is_floating(values.type):
        values = values.cast(pa.int64())
    texts = values.cast(pa.string())
    return pc.if_else(pc.equal(texts, ""), pa.scalar(None, pa.string()), texts)


def moments(column: pa.ChunkedArray, largest: float) -> pa.ChunkedArray:
    """Times as timestamps or dates, ISO 8601 text (UTC without an offset), or Unix seconds down to nanoseconds.

    `largest`: the largest number of the whole column, of which this may be a part. Raises ArrowInvalid for what is no
    time.
    """
    kind = column.type
    if _is_number(kind):
        return _unix(column, largest)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return _written(column.cast(pa.string()))
    is_finer = getattr(kind, "unit", "") == "ns"
    return column.cast(pa.timestamp("us", getattr(kind, "tz", None)), safe=not is_finer).cast(MOMENT)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _unix(column: pa.ChunkedArray, largest: float) -> pa.ChunkedArray:
    """The unit is told by the size of the largest, which lies after 1973 in each."""
    if pa.types.is_floating(column.type) and not pc.all(pc.is_finite(column)).as_py():
        raise pa.ArrowInvalid("a time is no number")
    scale = next((scale for below, scale in _UNITS if largest < below), None)
    if scale is None:
        return pc.divide(column.cast(pa.int64()), 1_000).cast(MOMENT)
    return pc.multiply(column, scale).cast(pa.int64(), safe=pa.types.is_integer(column.type)).cast(MOMENT)


def _written(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text with an offset as it says, any other as UTC; what is finer than a microsecond is cut."""
    for pattern, instead in ((r" ?(UTC|Z)$", ""), (r" ([+-]\d\d:?\d\d)$", r"\1"), (r"(\.\d{6})\d+", r"\1")):
        column = pc.replace_substring_regex(column, pattern, instead)
    has_offset = pc.match_substring_regex(column, r"[T ]\d.*[+-]\d\d(:?\d\d)?$")
    nothing = pa.scalar(None, pa.string())
    offset = pc.if_else(has_offset, column, nothing).cast(MOMENT)
    plain = pc.if_else(has_offset, nothing, column).cast(pa.timestamp("us")).cast(MOMENT)
    return pc.coalesce(offset, plain)


def check_span(first: int, last: int) -> None:
    """Raises ArrowInvalid for times (microseconds) that no log of a shop holds together."""
    begin, end = (_microseconds(each) for each in (FIRST_INSTANT, LAST_INSTANT))
    if not begin <= first <= last < end:
        raise pa.ArrowInvalid("times have to lie in the years 1000 to 9998")
    if last - first > LONGEST * _YEAR:
        raise pa.ArrowInvalid(f"times lie more than {LONGEST} years apart; are they all in one unit, and all true?")


def _microseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000


class Lists(NamedTuple):
    """A list of ids in each row: those of row n are `ids[starts[n]:starts[n + 1]]`."""

    starts: NDArray[np.int64]
    ids: pa.Array

    def wrong(self) -> NDArray[np.bool_]:
        """Which rows hold no id, or one that is null."""
        sizes = np.diff(self.starts)
        rows = np.repeat(np.arange(len(sizes)), sizes)
        found: NDArray[np.bool_] = sizes == 0
        found[rows[self.ids.is_null().to_numpy(zero_copy_only=False)]] = True
        return found


def lists(column: pa.ChunkedArray, *, single: bool = False) -> Lists:
    """A column of lists of ids; with `single` also one of ids, each a list of its own.

    Raises ArrowInvalid for what holds no lists.
    """
    whole = column.combine_chunks()
    if not _is_list(whole.type):
        if not single:
            raise pa.ArrowInvalid(f"prefix has to hold lists, not {whole.type}")
        return Lists(np.arange(len(whole) + 1), text(whole))
    sizes = pc.fill_null(pc.list_value_length(whole), 0).to_numpy()
    return Lists(np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)]), text(whole.flatten()))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))
