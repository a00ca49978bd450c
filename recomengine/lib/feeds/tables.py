"""Reading and writing tables of text, such as CSV: a header line, then a row each."""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, Final

from recomengine.lib.feeds.opening import opened
from recomengine.lib.feeds.types import MAX_ROW, FeedBroken, Look, Record, RowError

_DELIMITERS: Final = "\t,;|"  # of those that cut the header into equally many columns the first
_HINT: Final = re.compile(r"sep=(.)\s*")  # a line that Excel writes and reads

# The limit is the process's, and below what a quoted cell may hold here; `_Lines` bounds every row.
csv.field_size_limit(2 * MAX_ROW)


class _Lines:
    """The file's lines, counted; a row that does not end raises FeedBroken instead of filling the memory."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self.number = 0
        self.fed = 0  # characters since the row's beginning; the reader of rows sets it back

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._text.readline(MAX_ROW + 1)
        if not line:
            raise StopIteration
        self.number += 1
        self.fed += len(line)
        if self.fed > MAX_ROW:
            message = f"A row is longer than {MAX_ROW:,} characters; a quote before it may lack its closing quote."
            raise FeedBroken("row_too_large", message, self.number)
        return line


def unrepeated(names: list[str], line: int) -> list[str]:
    """The columns that a header names, if it names none twice; raises FeedBroken."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        message = f"The first line names the column `{twice[0]}` more than once; rename or remove one of them."
        raise FeedBroken("duplicate_column", message, line)
    return names


def records(
    file: BinaryIO,
    look: Look,
    header: Callable[[list[str], int], list[str]] = unrepeated,
    row: Callable[[Iterable[tuple[str, str]]], dict[str, Any]] = dict,
) -> Iterator[Record | RowError]:
    """The rows of a table; the columns' names are those of its first line, which `look` is told.

    The separator is found out from that line. Rows that are empty or hold nothing but empty cells are passed over.
    `header` makes the columns of the names in the first line and its number, `row` a record of names and cells.
    """
    lines = _Lines(io.TextIOWrapper(opened(file), "utf-8", "replace", newline=""))
    reader, names = _begun(lines)
    look(header(names, lines.number))
    for line, cells in _rows(reader, lines):
        if isinstance(cells, RowError):
            yield cells
        elif len(cells) != len(names):
            yield RowError(line, "wrong_number_of_columns", _count_message(len(cells), len(names)))
        else:
            yield Record(line, row(zip(names, cells, strict=True)))


def names_in(header: str) -> list[str]:
    """The columns that a header line names."""
    return _split(header, delimiter_of(header))


def delimiter_of(header: str) -> str:
    """What separates the columns: the character that cuts the header line into most parts."""
    return max(_DELIMITERS, key=lambda delimiter: len(_split(header, delimiter)))


def _split(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return [line]


def _begun(lines: _Lines) -> tuple[Any, list[str]]:
    """The reader of the rows, and the columns' names; a column without one is `column_4`."""
    first = next((line for line in lines if line.strip()), None)
    if first is None:
        raise FeedBroken("empty", "The file is empty; its first line has to name the columns.")
    hint = _HINT.fullmatch(first)
    delimiter = hint[1] if hint else delimiter_of(first)
    reader = csv.reader(lines if hint else _chained(first, lines), delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
    except csv.Error as error:
        raise FeedBroken("malformed_row", f"The line that names the columns cannot be read: {error}.", 1) from error
    return reader, [name.strip() or f"column_{number}" for number, name in enumerate(header, 1)]


def _chained(first: str, lines: _Lines) -> Iterator[str]:
    yield first
    yield from lines


def _rows(reader: Any, lines: _Lines) -> Iterator[tuple[int, list[str] | RowError]]:
    """Each row with the line on which it begins."""
    while True:
        line = lines.number + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            lines.fed = 0
            yield line, _malformed(line, error)
            continue
        if any(cells):  # a file of blank lines without end is a row without end
            lines.fed = 0
            yield line, cells


def _malformed(line: int, error: csv.Error) -> RowError:
    if "end of data" in str(error):  # everything up to the end stands in that cell
        message = f"A quote that opens in the row of line {line} is never closed; all rows from there are lost."
        raise FeedBroken("unclosed_quote", message, line) from error
    message = f'The row cannot be read: {error}. A quote inside a quoted cell is written twice: "12"" pan".'
    return RowError(line, "malformed_row", message)


def _count_message(found: int, expected: int) -> str:
    return f"The row has {found} columns and the first line names {expected}; quote cells that hold the separator."


def text_of(rows: Iterable[Iterable[str]], delimiter: str) -> str:
    """Rows as lines of a table, cells quoted where they need it."""
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
    return buffer.getvalue()
