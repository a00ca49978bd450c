"""Reading JSON: a line at a time, or the objects of one document, which may be larger than the memory."""

import io
from collections.abc import Iterator
from typing import Any, BinaryIO

import ijson
import msgspec

from catalog.feeds.opening import CHUNK, opened
from catalog.feeds.types import MAX_ROW, FeedBroken, Record, RowError, shown


def records(file: BinaryIO) -> Iterator[Record | RowError]:
    """The objects of a JSON Lines file, or of one JSON array."""
    source = opened(file)
    if source.peek(CHUNK).lstrip()[:1] == b"[":
        return _array(file)
    return _lines(source)


def _array(file: BinaryIO) -> Iterator[Record | RowError]:
    for number, value in objects(opened(file), "item"):
        yield _record(number, value)


def _lines(source: io.BufferedReader) -> Iterator[Record | RowError]:
    number = 0
    while line := source.readline(MAX_ROW + 1):
        number += 1
        if len(line) > MAX_ROW:
            _skip_line(source, line)
            yield RowError(number, "row_too_large", f"The line is longer than {MAX_ROW:,} bytes.")
        elif not line.isspace():
            yield _decoded(number, line)


def _skip_line(source: io.BufferedReader, line: bytes) -> None:
    while line and not line.endswith(b"\n"):
        line = source.readline(MAX_ROW)


def _decoded(number: int, line: bytes) -> Record | RowError:
    try:
        return _record(number, msgspec.json.decode(line))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return RowError(number, "malformed_json", f"The line is not valid JSON: {error}.", value=shown(line))


def _record(number: int, value: Any) -> Record | RowError:
    if isinstance(value, dict):
        return Record(number, value)
    return RowError(number, "malformed_json", "A row has to be a JSON object.", value=shown(value))


def objects(source: io.BufferedReader, path: str) -> Iterator[tuple[int, Any]]:
    """The values at a path of a JSON document (`products.item`), numbered from 1; raises FeedBroken.

    Only what one chunk of the file completes is in memory, and one value of at most `MAX_ROW` bytes.
    """
    found, number, fed, data = ijson.sendable_list(), 0, 0, b" "
    parser = ijson.items_coro(found, path, use_float=True)
    while data:
        data = source.read1(CHUNK)
        fed += len(data)
        broken = _parse(parser, data)
        for value in found:
            number += 1
            yield number, value
        fed = 0 if found else fed
        del found[:]
        if broken is not None:
            message = f"The file is not valid JSON after its object {number}: {broken}."
            raise FeedBroken("malformed_json", message, number + 1) from broken
        if fed > MAX_ROW:
            raise FeedBroken("row_too_large", f"One object of the file takes more than {MAX_ROW:,} bytes.", number + 1)


def _parse(parser: Any, data: bytes) -> Exception | None:
    """Take the next bytes, or the end where there are none; what was found before an error stays found."""
    try:
        parser.send(data) if data else parser.close()
    except StopIteration:
        return None
    except (ijson.JSONError, ValueError, ArithmeticError) as error:
        return error
    return None
