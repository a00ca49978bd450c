"""Files that are written and sent a piece at a time."""

import zlib
from collections.abc import Iterable, Iterator
from typing import Final

_CHUNK: Final = 1 << 16


def joined(parts: Iterable[str]) -> Iterator[bytes]:
    """The text as UTF-8, in pieces of some 64 KB."""
    held: list[str] = []
    size = 0
    for part in parts:
        held.append(part)
        size += len(part)
        if size >= _CHUNK:
            yield "".join(held).encode()
            held, size = [], 0
    yield "".join(held).encode()


def gzipped(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The same, packed."""
    packer = zlib.compressobj(wbits=31)
    for part in parts:
        if packed := packer.compress(part):
            yield packed
    yield packer.flush()
