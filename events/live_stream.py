"""GET events/stream: what comes in, accepted or refused, as server-sent events, until the client leaves.

Each stream asks Redis twice a second for what is new in `{slug}:stream` (see `events.live_entries`), over the
connection that the process has anyway, and renews the mark that somebody watches. How many streams a process and a
tenant have is bounded, and so is how long each lasts; a client comes again with the id of the last event it saw.
"""

import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import structlog
from django.db import InterfaceError, OperationalError

from events import live_entries
from events.live_entries import Entry
from recomengine.lib.asgi import Receive, Request, Send, parameters
from recomengine.lib.errors import DomainError, problem
from recomengine.lib.redis_mux import RedisMux, RedisUnavailable, Reply
from tenants import live

log = structlog.get_logger(__name__)
PATH: Final = "/api/v1/events/stream"
POLL: Final = 0.5  # seconds, as all below
HEARTBEAT: Final = 15.0
RENEW: Final = 10.0
WATCHED_FOR: Final = 30
CHECK: Final = 3.0
LONGEST: Final = 600
SEND_TIMEOUT: Final = 10.0
MAX_STREAMS: Final = 100  # of a process
MAX_OF_TENANT: Final = 10  # in a process
AT_ONCE: Final = 100  # requests that are shown of one look
RECENT: Final = 50
_PARAMETERS: Final = frozenset({"visitor_id", "outcome", "type", "seconds", "recent", "last_event_id", "token", "key"})
_ID: Final = re.compile(r"\d{1,15}-\d{1,10}")
Check = Callable[[], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a client wants to see: `after` an entry's id, or else the `recent` newest requests to begin with."""

    outcomes: frozenset[str] = frozenset(live_entries.OUTCOMES)
    visitor_id: str | None = None
    type: str | None = None
    seconds: int = LONGEST
    recent: int = RECENT
    after: str | None = None

    def shows(self, entry: Entry) -> bool:
        return (
            entry["outcome"] in self.outcomes
            and self.visitor_id in (None, entry.get("visitor_id"))
            and self.type in (None, entry.get("type"))
        )


def asked(request: Request) -> Asked:
    """The parameters of a request; raises `unknown_parameter` and `invalid`."""
    given = dict(parameters(request.query))
    if unknown := sorted(set(given) - _PARAMETERS):
        raise DomainError("unknown_parameter", f"There is no parameter {', '.join(unknown)}.")
    after = request.header(b"last-event-id") or given.get("last_event_id") or None
    if after is not None and not _ID.fullmatch(after):
        raise DomainError("invalid", "`last_event_id` is the id of an event of this stream.")
    return Asked(
        _outcomes(given.get("outcome")),
        given.get("visitor_id") or None,
        given.get("type") or None,
        _number(given, "seconds", LONGEST, LONGEST),
        _number(given, "recent", RECENT, AT_ONCE),
        after,
    )


def _outcomes(text: str | None) -> frozenset[str]:
    chosen = frozenset(text.split(",")) if text else frozenset(live_entries.OUTCOMES)
    if not chosen <= set(live_entries.OUTCOMES):
        raise DomainError("invalid", f"`outcome` is one or more, with commas, of {', '.join(live_entries.OUTCOMES)}.")
    return chosen


def _number(given: dict[str, str], name: str, default: int, most: int) -> int:
    text = given.get(name, str(default))
    if not (text.isascii() and text.isdigit() and int(text[:9]) <= most):
        raise DomainError("invalid", f"`{name}` is a number from 0 to {most}.")
    return int(text)


class Streams:
    """The open streams of a process."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()
        self._ending: set[asyncio.Event] = set()

    @contextmanager
    def place(self, slug: str) -> Iterator[asyncio.Event]:
        """A place for one stream, and what tells it to end; `overloaded` or `throttled` if there is none."""
        if self._open.total() >= MAX_STREAMS:
            raise DomainError("overloaded", "As many live streams are open as may be.", retry_after=30)
        if self._open[slug] >= MAX_OF_TENANT:
            raise DomainError("throttled", f"{MAX_OF_TENANT} live streams of this shop are open.", retry_after=30)
        self._open[slug] += 1
        end = asyncio.Event()
        self._ending.add(end)
        try:
            yield end
        finally:
            self._ending.discard(end)
            self._open[slug] -= 1

    def close(self) -> None:
        """Have every stream end."""
        for end in self._ending:
            end.set()


async def run(stream: "Stream", receive: Receive, send: Send) -> None:
    """Send what comes in until the client leaves or the stream ends."""
    leaving = asyncio.create_task(_left(receive, stream.end))
    try:
        await _send_all(stream.parts(), send)
    finally:
        leaving.cancel()


async def _left(receive: Receive, end: asyncio.Event) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    end.set()


async def _send_all(parts: AsyncIterator[bytes], send: Send) -> None:
    try:
        async for part in parts:
            async with asyncio.timeout(SEND_TIMEOUT):
                await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    except (TimeoutError, OSError):  # a client that takes nothing any more, or has gone
        log.info("live stream given up")


class _Every:
    """Whether something that is done every so many seconds is due, the first time at once."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._last = seconds, float("-inf")

    def due(self) -> bool:
        now = time.monotonic()
        if now - self._last < self._seconds:
            return False
        self._last = now
        return True


class Stream:
    """One client's look at a tenant's stream: where it is, and what it has to do when."""

    def __init__(self, mux: RedisMux, slug: str, wanted: Asked, check: Check, end: asyncio.Event) -> None:
        self.end = end
        self._mux, self._slug, self._wanted, self._check = mux, slug, wanted, check
        self._key = live_entries.stream_key(slug)
        self._cursor = wanted.after
        self._renew, self._checks, self._beats = _Every(RENEW), _Every(CHECK), _Every(HEARTBEAT)
        self._ends_at = time.monotonic() + wanted.seconds
        self._trouble = False

    async def parts(self) -> AsyncIterator[bytes]:
        """The body, part by part."""
        yield b"retry: 3000\n\n"
        self._checks.due()  # who opened it was let in a moment ago
        while True:
            yield await self._look()
            if self.end.is_set() or time.monotonic() >= self._ends_at:
                yield framed("end", {"code": "time", "detail": "Open the stream again to go on."})
                return
            await self._pause()
            if self._checks.due() and (refusal := await self._refusal()):
                yield framed("end", problem(refusal))
                return

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(min(POLL, max(0.0, self._ends_at - time.monotonic()))):
                await self.end.wait()
        except TimeoutError:
            return

    async def _refusal(self) -> DomainError | None:
        """Why the client may not go on; None if it may, or nobody can say at the moment."""
        try:
            await self._check()
        except DomainError as error:
            return error
        except (RedisUnavailable, OperationalError, InterfaceError) as error:
            log.warning("live stream not checked", tenant=self._slug, error=str(error))
        return None

    async def _look(self) -> bytes:
        """What is new, and a sign of life now and then."""
        try:
            if self._wanted.seconds and self._renew.due():
                await self._mux.execute(*live.watching(self._slug, int(time.time()) + WATCHED_FOR))
            rows, passed_over = await self._read()
        except RedisUnavailable as error:
            return self._away(error)
        self._trouble = False
        shown = b"".join(map(self._framed, rows))
        if passed_over:
            shown = framed("skipped", {"detail": "More came in than is shown; these are the newest."}) + shown
        beat = f": here\nid: {self._cursor}\n\n".encode() if self._beats.due() else b""
        return shown + beat

    def _away(self, error: RedisUnavailable) -> bytes:
        if self._trouble:
            return b": waiting\n\n" if self._beats.due() else b""
        self._trouble = True
        log.warning("live stream interrupted", tenant=self._slug, error=str(error))
        return framed("trouble", {"detail": "The live stream is interrupted; events are stored all the same."})

    async def _read(self) -> tuple[list[Reply], bool]:
        """The entries after the cursor, oldest first, and whether some before them were passed over."""
        first, rows, passed_over = self._cursor is None, [], False
        if not first:
            rows = await self._mux.execute("XRANGE", self._key, f"({self._cursor}", "+", "COUNT", AT_ONCE)
        if first or len(rows) == AT_ONCE:
            newest = await self._newest(max(1, self._wanted.recent) if first else AT_ONCE)
            passed_over = bool(rows) and _order(newest[0][0]) > _order(rows[0][0])
            rows = newest
        self._cursor = rows[-1][0].decode() if rows else self._cursor or "0-0"
        return ([] if first and not self._wanted.recent else rows), passed_over

    async def _newest(self, count: int) -> list[Reply]:
        found: list[Reply] = await self._mux.execute("XREVRANGE", self._key, "+", "-", "COUNT", count)
        return found[::-1]

    def _framed(self, row: Reply) -> bytes:
        """An entry's events that the client wants to see; the last of them carries the entry's id."""
        told = msgspec.json.decode(dict(zip(row[1][::2], row[1][1::2], strict=True))[live_entries.FIELD.encode()])
        common = {"at": told["at"], "door": told["door"]}
        wanted = [common | entry for entry in told["events"] if self._wanted.shows(entry)]
        frames = [framed("event", entry) for entry in wanted]
        if told["more"]:
            frames.append(framed("more", common | {"count": told["more"]}))
        return b"".join(frames[:-1]) + b"id: " + row[0] + b"\n" + frames[-1] if frames else b""


def _order(entry_id: bytes) -> tuple[int, int]:
    moment, _, number = entry_id.partition(b"-")
    return int(moment), int(number)


def framed(event: str, data: Any) -> bytes:
    """One server-sent event; JSON holds no line break."""
    return b"event: " + event.encode() + b"\ndata: " + msgspec.json.encode(data) + b"\n\n"
