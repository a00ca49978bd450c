"""What the readers of files share: rows, why one cannot be read, and why a file cannot."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

MAX_ROW: Final = 5_000_000
"""Characters (bytes, of JSON) of one row, as of a request to the API: what does not end before is not read on."""

Look = Callable[[Sequence[str]], None]
"""Told the columns that the first line of a table names, before any row is read; may raise FeedBroken."""


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a feed: its columns as they stand there, and the line (from 1) on which it begins.

    A value is a text, or in formats that have them a list, an object, a number or a flag. In a JSON document, which
    may be one long line, `line` is the number of the object.
    """

    line: int
    columns: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row was not taken: the field and the file's value if it is about one.

    `item_id` is the row's, where that could be read.
    """

    line: int
    code: str
    message: str
    field: str = ""
    value: str = ""
    item_id: str = ""


class FeedBroken(Exception):
    """The file cannot be read on from here; the rows before it were good."""

    def __init__(self, code: str, message: str, line: int = 0) -> None:
        self.code = code
        self.message = message.replace("\x00", "\ufffd")  # it may quote the file, and PostgreSQL stores none
        super().__init__(self.message)
        self.line = line


def shown(value: Any) -> str:
    """A wrong value to show beside what is wrong with it: at most 200 characters, none that cannot be stored."""
    if isinstance(value, str | bytes):
        text = value[:800] if isinstance(value, str) else value[:800].decode("utf-8", "replace")
    else:
        text = _written(value)
    return text.replace("\x00", "\ufffd").strip()[:200]


def _written(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except RecursionError:
        return "(nested too deeply to be shown)"
