"""Request bodies that come compressed: inflated up to a limit, and never a byte beyond it."""

import zlib
from collections.abc import Mapping
from typing import Final

from recomengine.lib.errors import DomainError

WINDOWS: Final[Mapping[str, int]] = {"gzip": 31, "x-gzip": 31, "deflate": 15}  # zlib's `wbits`

MAX_MEMBERS: Final = 64  # each costs a copy of what follows it; senders make one


def inflated(body: bytes, encoding: str | None, most: int) -> bytes:
    """The body as it was before it was encoded as the header `Content-Encoding` says.

    Raises `unsupported_encoding`, `malformed_encoding` for damaged data, or `payload_too_large` as soon as more than
    `most` bytes come out.
    """
    name = (encoding or "").strip().lower()
    if name in {"", "identity"}:
        return body
    if name not in WINDOWS:
        message = f"Send the body as it is, or as gzip or deflate, not as {name[:40]!r}."
        raise DomainError("unsupported_encoding", message, headers={"Accept-Encoding": "gzip, deflate"})
    try:
        return _inflate(body, WINDOWS[name], most)
    except zlib.error as error:
        raise DomainError("malformed_encoding", f"The body is no {name} that can be read: {error}.") from None


def _inflate(body: bytes, window: int, most: int) -> bytes:
    """All members of a stream, one after the other, as gzip's definition has it."""
    parts: list[bytes] = []
    size = 0
    while body or not parts:
        if len(parts) == MAX_MEMBERS:
            raise zlib.error(f"it has more than {MAX_MEMBERS} members")
        stream = zlib.decompressobj(window)
        part = stream.decompress(body, most - size + 1)
        size += len(part)
        if size > most:
            raise DomainError("payload_too_large", f"A body holds at most {most // 1024 // 1024} MB, inflated.")
        if not stream.eof:
            raise zlib.error("it ends too early")
        parts.append(part)
        body = stream.unused_data
    return b"".join(parts)
