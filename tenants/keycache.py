"""Keys on the hot path: found in this process's memory, read from PostgreSQL only when new or changed.

What is remembered of a key holds as long as its tenant's live state says that no key and no status changed, so that a
revocation is felt everywhere within a second. It is read anew every minute all the same, which records the key's use;
should PostgreSQL be away then, what was known holds. Unknown keys are remembered for a moment too, so that guessing
costs the database little.
"""

import asyncio
import time
from typing import Final, NamedTuple

import structlog
from django.db import InterfaceError, OperationalError, connection

from recomengine.lib.errors import DomainError
from tenants import keys
from tenants.live import LiveStates
from tenants.types import Caller, KeyType, LiveState

log = structlog.get_logger(__name__)
REMEMBERED: Final = 60.0
UNKNOWN_REMEMBERED: Final = 2.0
MAX_REMEMBERED: Final = 50_000


class Entry(NamedTuple):
    """What is known of a key (None: there is none), with its digest, as of a live state, at a moment."""

    found: tuple[Caller, str] | None
    auth: bytes | None
    at: float

    @property
    def age(self) -> float:
        return time.monotonic() - self.at


class KeyCache:
    def __init__(self, states: LiveStates) -> None:
        self._states = states
        self._entries: dict[tuple[KeyType, str], Entry] = {}

    async def authenticate(self, text: str | None, origin: str | None) -> tuple[Caller, LiveState]:
        """The caller behind a key and its tenant's live state, or the error the contract names."""
        if text is None:
            raise DomainError("authentication_required", "Send a key in the X-API-Key header.")
        token = keys.parse(text)
        if token is None:
            raise DomainError("invalid_key")
        found, state = await self._find(token)
        return keys.check(token, found, origin), state

    async def _find(self, token: keys.Token) -> tuple[tuple[Caller, str], LiveState]:
        entry = self._entries.get((token.key_type, token.key_id))
        if entry is None or (entry.found is None and entry.age > UNKNOWN_REMEMBERED):
            entry = await self._load(token, None)
        if entry.found is None:
            raise DomainError("invalid_key")
        state = await self._states.get(entry.found[0].tenant.slug)
        if entry.auth != state.auth:
            # The state was read before the key is, so a change in between is noticed at the next look.
            entry = await self._load(token, state.auth)
        elif entry.age > REMEMBERED:
            entry = await self._load_again(token, entry)
        if entry.found is None:
            raise DomainError("invalid_key")
        return entry.found, state

    async def _load(self, token: keys.Token, auth: bytes | None) -> Entry:
        return self._remember(token, await asyncio.to_thread(_find_and_disconnect, token), auth)

    async def _load_again(self, token: keys.Token, entry: Entry) -> Entry:
        self._remember(token, entry.found, entry.auth)  # requests that come meanwhile need not ask as well
        try:
            return await self._load(token, entry.auth)
        except (OperationalError, InterfaceError) as error:
            log.warning("key not read anew", key_id=token.key_id, error=str(error))
            return entry

    def _remember(self, token: keys.Token, found: tuple[Caller, str] | None, auth: bytes | None) -> Entry:
        if len(self._entries) >= MAX_REMEMBERED:
            self._entries.clear()
        entry = self._entries[token.key_type, token.key_id] = Entry(found, auth, time.monotonic())
        return entry


def _find_and_disconnect(token: keys.Token) -> tuple[Caller, str] | None:
    try:
        return keys.find(token.key_id, token.key_type)
    finally:
        connection.close()
