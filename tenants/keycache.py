"""Keys on the hot path: found in this process's memory, read from PostgreSQL only when new or changed.

What is remembered of a key holds as long as its tenant's live state says that no key and no status changed, so that a
revocation is felt everywhere within a second. It is read anew every minute all the same; should PostgreSQL be away
then, what was known holds. Unknown keys are remembered for a moment too, so that guessing costs the database little. A
key's use is recorded once a minute, beside the request, so that no answer waits for it.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

import structlog
from django.db import InterfaceError, OperationalError, connection

from recomengine.lib.errors import DomainError
from tenants import keys
from tenants.live import LiveStates
from tenants.types import Caller, KeyType, LiveState

log = structlog.get_logger(__name__)
T = TypeVar("T")
REMEMBERED: Final = 60.0
USE_RECORDED_EVERY: Final = keys.USE_RECORDED_EVERY.total_seconds()
UNKNOWN_REMEMBERED: Final = 0.75
MAX_REMEMBERED: Final = 50_000


class Entry(NamedTuple):
    """What is known of a key (None: there is none), with its digest, as of a live state, at a moment."""

    found: keys.Stored | None
    auth: bytes | None
    at: float

    @property
    def age(self) -> float:
        return time.monotonic() - self.at


class KeyCache:
    def __init__(self, states: LiveStates) -> None:
        self._states = states
        self._entries: dict[tuple[KeyType, str], Entry] = {}
        self._recorded: dict[str, float] = {}
        self._recording: set[asyncio.Task[None]] = set()

    async def authenticate(self, text: str, origin: str | None, named: str | None = None) -> tuple[Caller, LiveState]:
        """The caller behind a key and its tenant's live state, or the error the contract names."""
        token = keys.parse(text)
        found, state = await self._find(token) if token else (None, None)
        caller = keys.check(token, found, origin, named)
        if token is None or state is None:
            raise DomainError("invalid_key")
        self._record_use(token)
        return caller, state

    async def _find(self, token: keys.Token) -> tuple[keys.Stored | None, LiveState | None]:
        entry = self._entries.get((token.key_type, token.key_id))
        if entry is None or (entry.found is None and entry.age > UNKNOWN_REMEMBERED):
            entry = await self._load(token, None)
        if entry.found is None:
            return None, None
        state = await self._states.get(entry.found.caller.tenant.slug)
        if entry.auth != state.auth:
            # The state was read before the key is, so a change in between is noticed at the next look.
            entry = await self._load(token, state.auth)
        elif entry.age > REMEMBERED:
            entry = await self._load_again(token, entry)
        return entry.found, state

    async def _load(self, token: keys.Token, auth: bytes | None) -> Entry:
        return self._remember(
            token, await asyncio.to_thread(_and_disconnect, keys.find, token.key_id, token.key_type), auth
        )

    async def _load_again(self, token: keys.Token, entry: Entry) -> Entry:
        self._remember(token, entry.found, entry.auth)  # requests that come meanwhile need not ask as well
        try:
            return await self._load(token, entry.auth)
        except (OperationalError, InterfaceError) as error:
            log.warning("key not read anew", key_id=token.key_id, error=str(error))
            return entry

    def _remember(self, token: keys.Token, found: keys.Stored | None, auth: bytes | None) -> Entry:
        if len(self._entries) >= MAX_REMEMBERED:
            self._entries.clear()
        entry = self._entries[token.key_type, token.key_id] = Entry(found, auth, time.monotonic())
        return entry

    def _record_use(self, token: keys.Token) -> None:
        now = time.monotonic()
        if now - self._recorded.get(token.key_id, -USE_RECORDED_EVERY) < USE_RECORDED_EVERY:
            return
        if len(self._recorded) >= MAX_REMEMBERED:
            self._recorded.clear()
        self._recorded[token.key_id] = now
        task = asyncio.create_task(self._write_use(token))
        self._recording.add(task)
        task.add_done_callback(self._recording.discard)

    async def _write_use(self, token: keys.Token) -> None:
        try:
            await asyncio.to_thread(_and_disconnect, keys.record_use, token)
        except (OperationalError, InterfaceError) as error:
            log.warning("use of a key not recorded", key_id=token.key_id, error=str(error))

    async def close(self) -> None:
        """Wait for what is still being recorded."""
        await asyncio.gather(*self._recording)


def _and_disconnect(function: Callable[..., T], *args: Any) -> T:
    try:
        return function(*args)
    finally:
        connection.close()
