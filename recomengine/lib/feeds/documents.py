"""Reading JSON: a line at a time, or the objects of one document, which may be larger than the memory."""

import io
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import msgspec

from recomengine.lib.decoding import without_half_characters
from recomengine.lib.feeds.opening import CHUNK, opened
from recomengine.lib.feeds.types import MAX_ROW, FeedBroken, Record, RowError, shown

_ARRAY: Final = re.compile(rb"\s*\[")


def records(file: BinaryIO) -> Iterator[Record | RowError]:
    """The objects of a JSON Lines file, or of one JSON array."""
    source = opened(file)
    if not _ARRAY.match(source.peek(CHUNK)):
        yield from _lines(source)
        return
    for number, value in objects(source, _ARRAY, re.compile(rb"\s*")):
        yield value if isinstance(value, RowError) else _record(number, value)


def _lines(source: io.BufferedReader) -> Iterator[Record | RowError]:
    number = blank = 0
    while line := source.readline(MAX_ROW + 1):
        number += 1
        if len(line) > MAX_ROW:
            _skip_line(source, line)
            yield RowError(number, "row_too_large", f"The line is longer than {MAX_ROW:,} bytes.")
        elif not line.isspace():
            value = _decoded(number, line)
            yield value if isinstance(value, RowError) else _record(number, value)
        elif (blank := blank + len(line)) > MAX_ROW:
            raise FeedBroken("row_too_large", f"The file holds more than {MAX_ROW:,} bytes of blank lines.", number)


def _skip_line(source: io.BufferedReader, line: bytes) -> None:
    while line and not line.endswith(b"\n"):
        line = source.readline(MAX_ROW)


def _decoded(number: int, data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        mended = without_half_characters(data)
        if mended is not None:
            return _decoded(number, mended)
        return RowError(number, "malformed_json", f"This is not valid JSON: {error}.", value=shown(data))


def _record(number: int, value: Any) -> Record | RowError:
    if isinstance(value, dict):
        return Record(number, value)
    return RowError(number, "malformed_json", "A row has to be a JSON object.", value=shown(value))


def objects(source: io.BufferedReader, begin: re.Pattern[bytes], end: re.Pattern[bytes]) -> Iterator[tuple[int, Any]]:
    """The objects of a JSON array, numbered from 1, each decoded or why it could not be; raises FeedBroken.

    `begin` matches the document up to the array's bracket, `end` what has to follow the array. Only one object and a
    chunk of the file are in memory.
    """
    array, number = _Array(), 0
    found = begin.match(source.peek(CHUNK))
    if found is None:
        raise FeedBroken("malformed_json", "The file does not begin as a JSON document of this format does.", 1)
    source.read(found.end())
    while not array.ended:
        data = source.read1(CHUNK)
        for element in array.taken(data):
            number += 1
            yield number, _decoded(number, element)
        if not data and not array.ended:
            raise FeedBroken("malformed_json", "The file ends inside its list of objects; send it whole.", number + 1)
    if not end.fullmatch(array.held + source.read(CHUNK)):
        raise FeedBroken("malformed_json", "The file goes on after its list of objects.", number + 1)


# A string, `end` being its closing quote if that is there yet, or a bracket outside of strings.
_TOKEN: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+(?P<end>")?|(?P<bracket>[\[\]{}])', re.DOTALL)


class _Array:
    """Cuts the elements of a JSON array apart without decoding them; they have to be objects or arrays.

    `held` is what no element was made of yet. Library parsers that stream were no choice: the compiled one crashes
    the process at a number of 5,000 digits, and the others are slow.
    """

    def __init__(self) -> None:
        self.held = b""
        self.ended = False
        self._scanned = 0
        self._depth = 0
        self._separator = b""

    def taken(self, data: bytes) -> Iterator[bytes]:
        """The elements that these bytes complete; raises FeedBroken for what is no array of objects."""
        self.held += data
        begin = 0  # of the element, or of what stands between two
        for token in _TOKEN.finditer(self.held, self._scanned):
            if token.lastgroup is None:  # a string goes on in the next bytes
                break
            self._scanned = token.end()
            if token.lastgroup == "bracket":
                if self._depth == 0:
                    begin = self._between(begin, token)
                self._depth += 1 if token[0] in b"[{" else -1
                if self._depth == 0:
                    yield self.held[begin : token.end()]
                    begin = token.end()
                if self.ended:
                    break
        self.held = self.held[begin:]
        self._scanned -= begin
        if len(self.held) > MAX_ROW:
            raise FeedBroken("row_too_large", f"One object of the file takes more than {MAX_ROW:,} bytes.")

    def _between(self, begin: int, token: re.Match[bytes]) -> int:
        """Where the next element begins, or what follows the array."""
        self.ended = token[0] == b"]"
        wanted = b"" if self.ended else self._separator
        if self.held[begin : token.start()].strip() != wanted or token[0] == b"}":
            raise FeedBroken("malformed_json", "The file's list holds something else than objects with commas between.")
        self._separator = b","
        return token.end() if self.ended else token.start()
