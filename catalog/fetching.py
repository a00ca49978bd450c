"""Fetching a feed from a URL that somebody typed: from public servers only, only so much, and only so long.

Redirects are followed by hand, because each goes through the same checks. The connection is made to the address that
was checked, and not to the name: between the two it could come to mean another address.
"""

import http.client
import re
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import BinaryIO, Final
from urllib.parse import SplitResult, quote, unquote, urljoin

from django.conf import settings

from catalog import addresses
from catalog.addresses import redacted
from recomengine.lib.errors import DomainError

MAX_REDIRECTS: Final = 5
CONNECT_SECONDS: Final = 10.0
READ_SECONDS: Final = 30.0
WHOLE_SECONDS: Final = 1800.0
_CHUNK: Final = 256 * 1024
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_SAFE: Final = "/%:@!$&'()*+,;=~-._[]"
_AGENT: Final = "RecomEngine (product feeds)"
_TROUBLE: Final = (OSError, http.client.HTTPException, zlib.error, ValueError)

Watch = Callable[[int, int], None]
"""Told the bytes that have come and those announced (0: unknown), some times a second; it may raise to stop."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the last answer said of the feed's version, to be told if it has changed since."""

    etag: str = ""
    last_modified: str = ""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came: the version that the server names, what it says of the file, and whether there was anything new."""

    version: Known
    filename: str = ""
    content_type: str = ""
    not_modified: bool = False


def fetch(
    url: str, to: BinaryIO, *, known: Known = Known(), head: int | None = None, watch: Watch = lambda _, __: None
) -> Fetched:
    """Write what lies at `url` to a file; nothing is written if it is what is `known`.

    `head` has it stop after so many bytes. Raises `address_not_allowed`, `fetch_failed`, or `feed_too_large` beyond
    the setting RECOMENGINE_MAX_IMPORT_BYTES.
    """
    try:
        with _answer(url, known, MAX_REDIRECTS) as (response, final):
            if response.status == http.client.NOT_MODIFIED:
                return Fetched(known, not_modified=True)
            _copy(response, to, head, watch)
            return _described(response, final)
    except _TROUBLE as error:
        reason = "it took too long" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
        raise DomainError("fetch_failed", f"{redacted(url)} could not be read: {reason}.") from error


@contextmanager
def _answer(url: str, known: Known, redirects: int) -> Iterator[tuple[http.client.HTTPResponse, str]]:
    """The response that is none of a redirect, and the URL that it came from; the connection ends with the block."""
    deadline = time.monotonic() + WHOLE_SECONDS
    while True:
        parts = addresses.parse(url)
        with _ended_at(deadline, _connect(parts)) as connection:
            connection.request("GET", _target(parts), headers=_headers(known))
            with closing(connection.getresponse()) as response:
                if response.status not in _REDIRECTS:
                    _check_status(response, url)
                    yield response, url
                    return
                location = response.headers.get("Location", "")
        if not redirects or not location:
            raise DomainError("fetch_failed", f"{redacted(url)} redirects too often, or nowhere.")
        url, redirects = _target_of(url, location), redirects - 1


class _Connection(http.client.HTTPConnection):
    """A connection to an address that was checked, for a host that has that name."""

    def __init__(self, host: str, port: int, address: str, tls: ssl.SSLContext | None) -> None:
        super().__init__(host, port, timeout=READ_SECONDS)
        self.address, self.tls = address, tls

    def connect(self) -> None:
        self.sock = socket.create_connection((self.address, self.port), CONNECT_SECONDS)
        self.sock.settimeout(CONNECT_SECONDS)
        if self.tls is not None:
            self.sock = self.tls.wrap_socket(self.sock, server_hostname=self.host)
        self.sock.settimeout(READ_SECONDS)


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _connect(parts: SplitResult) -> _Connection:
    host, port = parts.hostname or "", addresses.port_of(parts)
    address = addresses.resolve(host, port)
    name = host if ":" in host else host.encode("idna").decode("ascii")
    connection = _Connection(name, port, address, _tls() if parts.scheme == "https" else None)
    connection.connect()
    return connection


@contextmanager
def _ended_at(deadline: float, connection: _Connection) -> Iterator[_Connection]:
    """Shut the connection when its time is over: a server that sends a byte now and then would hold it for ever."""

    def end() -> None:
        over.append(True)
        with suppress(OSError):  # it had ended by itself
            opened.shutdown(socket.SHUT_RDWR)

    opened = connection.sock  # which the connection forgets once it has handed it to the response
    over: list[bool] = []
    timer = threading.Timer(max(0.0, deadline - time.monotonic()), end)
    timer.daemon = True
    timer.start()
    try:
        yield connection
    except _TROUBLE as error:
        if over:
            raise TimeoutError from error
        raise
    else:
        if over:
            raise TimeoutError
    finally:
        timer.cancel()
        connection.close()


def _headers(known: Known) -> dict[str, str]:
    conditions = {"If-None-Match": known.etag, "If-Modified-Since": known.last_modified}
    return {
        "User-Agent": _AGENT,
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "Connection": "close",
    } | {name: value for name, value in conditions.items() if value}


def _target(parts: SplitResult) -> str:
    """Path and query as they are sent: what is no ASCII is percent-encoded, what is encoded already stays."""
    path, query = quote(parts.path or "/", safe=_SAFE), quote(parts.query, safe=_SAFE + "?")
    return f"{path}?{query}" if query else path


def _target_of(url: str, location: str) -> str:
    """The URL that a redirect names; one away from TLS is refused, because others could read what is asked."""
    found = urljoin(url, location)
    if url.startswith("https:") and found.startswith("http:"):
        raise DomainError("fetch_failed", f"{redacted(url)} redirects from https to http.")
    return found


def _check_status(response: http.client.HTTPResponse, url: str) -> None:
    if response.status not in {http.client.OK, http.client.NOT_MODIFIED}:
        said = f"{response.status} {response.reason}".strip()
        raise DomainError("fetch_failed", f"{redacted(url)} answered with status {said[:100]}.")


def _copy(response: http.client.HTTPResponse, to: BinaryIO, head: int | None, watch: Watch) -> None:
    announced = response.length or 0
    most = settings.MAX_IMPORT_BYTES if head is None else head
    if head is None and announced > most:
        _too_large()
    decoder = _decoder(response.headers.get("Content-Encoding", ""))
    received = written = 0
    while written <= most and not 0 < announced <= received and (chunk := response.read1(_CHUNK)):
        received += len(chunk)
        for part in decoder.parts(chunk, most + 1 - written):
            written += to.write(part)
        watch(received, announced)
    if head is not None and written >= head:
        to.truncate(head)
    elif written > most:
        _too_large()
    elif received < announced or not decoder.complete:
        raise DomainError("fetch_failed", f"The server stopped after {received:,} bytes, before the feed's end.")


def _too_large() -> None:
    most = settings.MAX_IMPORT_BYTES
    raise DomainError("feed_too_large", f"A feed holds at most {most:,} bytes; this one has more.")


class _AsItIs:
    """A body without a content coding."""

    complete = True

    def parts(self, chunk: bytes, most: int) -> Iterator[bytes]:
        yield chunk


class _Gunzip:
    """Undoes gzip, which we do not ask for and some servers send all the same; stops at about `most` bytes."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(31)

    @property
    def complete(self) -> bool:
        return self._stream.eof

    def parts(self, chunk: bytes, most: int) -> Iterator[bytes]:
        rest, more = chunk, True
        while more and most > 0:
            if self._stream.eof:  # another member follows the first
                self._stream = zlib.decompressobj(31)
            part = self._stream.decompress(rest, _CHUNK)
            most -= len(part)
            rest = self._stream.unconsumed_tail or self._stream.unused_data
            more = bool(rest) or (len(part) == _CHUNK and not self._stream.eof)
            yield part


def _decoder(encoding: str) -> _AsItIs | _Gunzip:
    match encoding.strip().lower():
        case "" | "identity":
            return _AsItIs()
        case "gzip" | "x-gzip":
            return _Gunzip()
    raise DomainError("fetch_failed", f"The server sends the encoding {encoding[:40]!r}; it has to be gzip or none.")


def _described(response: http.client.HTTPResponse, url: str) -> Fetched:
    path = addresses.parse(url).path
    headers = response.headers
    etag, last_modified = headers.get("ETag", "")[:301], headers.get("Last-Modified", "")[:101]
    return Fetched(
        version=Known(etag if len(etag) <= 300 else "", last_modified if len(last_modified) <= 100 else ""),
        filename=re.sub(r"[\x00-\x1f\x7f]", "", unquote(path.rpartition("/")[2]))[:300],
        content_type=headers.get("Content-Type", ""),
    )
