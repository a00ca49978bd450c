"""A feed's bytes as UTF-8 without a byte order mark, whatever it came as: gzipped, UTF-16, Latin-1."""

import codecs
import gzip
import io
import re
import zlib
from typing import BinaryIO, Final

from recomengine.lib.feeds.types import FeedBroken

MAX_BYTES: Final = 10_000_000_000  # unpacked: a small file can be made to unpack for days
CHUNK: Final = 1 << 16

_GZIP: Final = b"\x1f\x8b"
_MARKS: Final = (  # the longer ones first: UTF-32's begins with UTF-16's
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_UNMARKED: Final = ((b"<\x00?\x00", "utf-16-le"), (b"\x00<\x00?", "utf-16-be"))  # XML may leave the mark out
# Python has codecs that are no encodings of text (zip, idna); a feed cannot choose among all of them.
_DECLARABLE: Final = re.compile(r"iso[-_]?8859[-_]\d{1,2}|latin[-_]?\d|(windows|cp)[-_]?\d{3,4}|koi8-[ru]|shift_jis|"
                                r"euc[-_](jp|kr)|gb2312|gbk|gb18030|big5|mac[-_]?roman", re.IGNORECASE)  # fmt: skip


class _Unpacked(io.RawIOBase):
    """The file from its beginning, gzip undone; raises FeedBroken where that fails, after what came out before."""

    def __init__(self, file: BinaryIO) -> None:
        file.seek(0)
        packed = file.read(2) == _GZIP
        file.seek(0)
        self._read = gzip.GzipFile(fileobj=file, mode="rb").read1 if packed else file.read
        self._total = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override]
        try:
            data = self._read(len(buffer))
        except EOFError as error:
            raise FeedBroken("truncated", "The gzip file ends in the middle; send it again whole.") from error
        except (gzip.BadGzipFile, zlib.error) as error:
            raise FeedBroken("malformed_gzip", f"The gzip file is damaged: {error}.") from error
        self._total += len(data)
        if self._total > MAX_BYTES:
            raise FeedBroken("too_large", f"The file unpacks to more than {MAX_BYTES:,} bytes.")
        buffer[: len(data)] = data
        return len(data)


class _Recoded(io.RawIOBase):
    """Text of any encoding as UTF-8; what that encoding does not know becomes U+FFFD."""

    def __init__(self, raw: io.RawIOBase, encoding: str) -> None:
        self._raw = raw
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override]
        while not self._rest:
            data = self._raw.read(CHUNK) or b""
            self._rest = self._decoder.decode(data, final=not data).encode("utf-8", "replace")
            if not data:
                break
        part = self._rest[: len(buffer)]
        self._rest = self._rest[len(part) :]
        buffer[: len(part)] = part
        return len(part)


def opened(file: BinaryIO, declared: str = "") -> io.BufferedReader:
    """The feed's text as UTF-8 bytes, from its beginning.

    `declared` is the encoding that the feed claims for itself. A byte order mark decides before it, and UTF-8 is taken
    only if all of the file is (one more pass); otherwise it is Windows-1252. `file.tell()` runs at most some 200 KB
    ahead of what was read here; opening the file again moves it away from under this. Reading raises FeedBroken where
    the file cannot be unpacked.
    """
    encoding, skipped = _encoding(file, declared)
    raw: io.RawIOBase = _Unpacked(file)
    raw.read(skipped)
    return io.BufferedReader(raw if encoding == "utf-8" else _Recoded(raw, encoding), CHUNK)


def head_of(file: BinaryIO, size: int = CHUNK) -> bytes:
    """The first bytes, unpacked; fewer where the file ends or breaks."""
    raw, head = _Unpacked(file), b""
    try:
        while len(head) < size and (data := raw.read(size - len(head))):
            head += data
    except FeedBroken:  # whoever reads the file comes to it again
        return head
    return head


def decoded(head: bytes) -> str:
    """The beginning of a feed as text, to look at."""
    encoding, skipped = _marked(head)
    return head[skipped:].decode(encoding or "utf-8", "replace")


def _marked(head: bytes) -> tuple[str, int]:
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding, len(mark)
    return next(((encoding, 0) for start, encoding in _UNMARKED if head.startswith(start)), ("", 0))


def _encoding(file: BinaryIO, declared: str) -> tuple[str, int]:
    encoding, skipped = _marked(head_of(file, 4))
    if encoding and encoding != "utf-8":
        return encoding, skipped
    if not encoding and _DECLARABLE.fullmatch(declared) and _is_known(declared):
        return declared, 0
    return ("utf-8" if _is_utf8(file) else "cp1252"), skipped


def _is_known(encoding: str) -> bool:
    try:
        codecs.lookup(encoding)
    except LookupError:
        return False
    return True


def _is_utf8(file: BinaryIO) -> bool:
    raw, decoder = _Unpacked(file), codecs.getincrementaldecoder("utf-8")()
    try:
        while data := raw.read(4 * CHUNK):
            decoder.decode(data)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    except FeedBroken:  # so far it is, and reading will come to the same place
        return True
    return True
