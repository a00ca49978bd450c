"""Reading Google Merchant's XML, RSS 2.0 and Atom: an element `item` or `entry` a row."""

import re
from collections.abc import Iterator
from typing import Any, BinaryIO, Final
from xml.parsers import expat

import msgspec

from catalog.feeds import merchant
from recomengine.lib.feeds.opening import CHUNK, decoded, head_of, opened
from recomengine.lib.feeds.types import MAX_ROW, FeedBroken, Record, RowError

_ROWS: Final = frozenset({"item", "entry"})
_ROOTS: Final = frozenset({"rss", "feed", "rdf", "channel"})
_DECLARED: Final = re.compile(r"^\s*<\?xml[^>]*?encoding\s*=\s*[\"']([\w.-]+)")
_PROSE: Final = frozenset({"title", "description", "content", "summary"})
_LISTS: Final = ("product_type", "additional_image_link")


def records(file: BinaryIO) -> Iterator[Record | RowError]:
    """The items of the feed; what has been read of it is forgotten.

    Document types are refused, and entities with them (`unsafe_xml`): no feed needs them, and they can fill the memory
    or read other files.
    """
    source, reader = opened(file, _declared(file)), _Reader()
    data = b" "
    while data:
        data = source.read1(CHUNK)
        broken = reader.feed(data)
        yield from reader.found
        reader.found.clear()
        if broken is not None:
            raise broken


def _declared(file: BinaryIO) -> str:
    found = _DECLARED.match(decoded(head_of(file, 1024)))
    return found[1] if found else ""


class _Element:
    """An element that is open: what stands in it so far."""

    __slots__ = ("children", "name", "text")

    def __init__(self, name: str) -> None:
        self.name = name
        self.text: list[str] = []
        self.children: list[tuple[str, Any]] = []

    def value(self) -> Any:
        """The element's text; of one with elements inside, theirs joined by colons, as in Merchant's text feeds."""
        text = "".join(self.text).strip()
        if not self.children:
            return text
        if self.name == "product_detail":
            return dict(self.children)
        inner = [str(value) for _, value in self.children]
        return " ".join([text, *inner]).strip() if text or self.name in _PROSE else ":".join(inner)


class _Reader:
    """Takes the document in pieces and collects its rows in `found`."""

    def __init__(self) -> None:
        self.found: list[Record | RowError] = []
        self._open: list[_Element] = []  # the row and the elements inside it
        self._line = 0
        self._fed = 0
        self._root = ""
        self._prefixes = {"": "", "g": merchant.GOOGLE}
        self._plain: dict[str, Any] = {}  # of the row: elements without a prefix, and Merchant's, which go before them
        self._google: dict[str, Any] = {}
        self._exact = ""
        self._parser = self._new_parser()

    def _new_parser(self) -> expat.XMLParserType:
        parser = expat.ParserCreate("utf-8")  # as it comes here, whatever the document says of itself
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = _refuse
        parser.EntityDeclHandler = _refuse
        parser.ExternalEntityRefHandler = _refuse
        return parser

    def feed(self, data: bytes) -> FeedBroken | None:
        """Take the next bytes, or the end where there are none; returns what is wrong with them."""
        self._fed += len(data)
        try:
            self._parser.Parse(data, not data)
        except expat.ExpatError as error:
            reason = expat.ErrorString(error.code)
            message = f"The file is not well-formed XML in line {error.lineno}: {reason}."
            return FeedBroken("malformed_xml", message, error.lineno)
        except FeedBroken as broken:
            broken.line = self._parser.CurrentLineNumber
            return broken
        if self._fed > MAX_ROW:
            message = f"More than {MAX_ROW:,} bytes without the end of an item."
            return FeedBroken("row_too_large", message, self._line or 1)
        return None

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self._root:
            self._root = tag.rpartition(":")[2].lower()
            if self._root not in _ROOTS:
                message = f"The file's outermost element is <{tag[:100]}>; a Merchant feed is <rss> or Atom's <feed>."
                raise FeedBroken("not_a_feed", message)
        for name, value in attributes.items():
            if name.startswith("xmlns:"):
                self._prefixes[name[6:]] = value
        if self._open:
            self._open.append(_Element(self._name(tag)))
            if tag == "link" and attributes.get("rel", "alternate") == "alternate":  # Atom's
                self._open[-1].text.append(attributes.get("href", ""))
        elif tag.rpartition(":")[2] in _ROWS:
            self._open.append(_Element(tag))
            self._line = self._parser.CurrentLineNumber

    def _name(self, tag: str) -> str:
        """An element's column: its name, with its prefix if that is a namespace of others."""
        prefix, _, name = tag.rpartition(":")
        return name if self._prefixes.get(prefix) in {"", merchant.GOOGLE, merchant.OURS} else f"{prefix}_{name}"

    def _text(self, text: str) -> None:
        if self._open:
            self._open[-1].text.append(text)

    def _end(self, tag: str) -> None:
        if not self._open:
            return
        element = self._open.pop()
        if len(self._open) > 1:
            self._open[-1].children.append((element.name, element.value()))
        elif self._open:
            self._take(tag, element)
        else:
            self.found.append(self._row())
            self._fed = 0

    def _take(self, tag: str, element: _Element) -> None:
        prefix = tag.rpartition(":")[0]
        if self._prefixes.get(prefix) == merchant.OURS and element.name == "exact":
            self._exact = "".join(element.text)
        else:
            merchant.add(self._google if prefix else self._plain, element.name, element.value())

    def _row(self) -> Record | RowError:
        columns = {**self._plain, **self._google}
        if "product_detail" in columns:
            columns["product_detail"] = _details(columns["product_detail"])
        for name in _LISTS:
            if isinstance(columns.get(name), str):
                columns[name] = [columns[name]] if columns[name] else []
        exact, self._plain, self._google, self._exact = self._exact, {}, {}, ""
        try:
            columns |= msgspec.json.decode(exact, type=dict[str, Any]) if exact else {}
        except (msgspec.DecodeError, RecursionError) as error:
            return RowError(self._line, "malformed_json", f"The element `exact` is not a JSON object: {error}.")
        return Record(self._line, columns)


def _details(value: Any) -> Any:
    """Name → value if these are elements as Merchant has them, else the value as it is."""
    entries = value if isinstance(value, list) else [value]
    return merchant.details(entries) if all(isinstance(entry, dict) for entry in entries) else value


def _refuse(*_: Any) -> int:
    raise FeedBroken("unsafe_xml", "The file declares a document type or entities; remove its <!DOCTYPE>.")
