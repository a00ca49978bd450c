"""A tenant's live state in Redis: a few marks and a pointer that every serving process follows within a second.

One hash, `{slug}:live`: `auth` is another with every change of keys and status, `config` with every change of
placements, `model` names the published model version, `whole` says that Redis lost nothing, `events:2026-11` counts
the events accepted in that month, `watched` is the Unix time until which somebody looks at the live stream of events. A
process reads it again on
the first request after `MAX_AGE` seconds. The marks are random: a counter that a flush set back could come to a value
again that some process goes by.
"""

import secrets
import time
from datetime import datetime
from typing import Final

from recomengine.lib import clock, naming, redis
from recomengine.lib.redis_mux import RedisMux, RedisUnavailable
from tenants.types import LiveState

MAX_AGE: Final = 0.5
LAYOUT: Final = b"2"  # of what Redis holds; what an older version left is restored as if it were lost


def live_key(slug: str) -> str:
    return naming.key(slug, "live")


def changed(slug: str, *what: str) -> None:
    """Tell every process that `what` ("auth" or "config") of this tenant is no longer what it was."""
    redis.client().hset(live_key(slug), mapping={each: secrets.token_hex(8) for each in what})


def events_field(moment: datetime) -> str:
    """The field that counts the events accepted in a moment's month (UTC)."""
    return f"events:{moment:%Y-%m}"


def watch(slug: str, until: int) -> None:
    """Have every process tell the live stream what comes in, until then (Unix seconds)."""
    redis.client().execute_command(*watching(slug, until))


def watching(slug: str, until: int) -> tuple[str | int, ...]:
    """The Redis command that does it."""
    return ("HSET", live_key(slug), "watched", until)


def mark_whole(slug: str) -> None:
    """Note that Redis holds everything of the tenant; a flush takes the note away with the rest."""
    redis.client().hset(live_key(slug), "whole", LAYOUT)


def is_whole(slug: str) -> bool:
    return redis.client().hget(live_key(slug), "whole") == LAYOUT


class LiveStates:
    """This process's view of the tenants' live states, at most `MAX_AGE` seconds old while Redis answers."""

    def __init__(self, mux: RedisMux) -> None:
        self._mux = mux
        self._states: dict[str, tuple[float, LiveState]] = {}

    async def get(self, slug: str) -> LiveState:
        """The state; the last one known if Redis is away, and an empty one if none is known."""
        known = self._states.get(slug)
        now = time.monotonic()
        if known is not None and now - known[0] < MAX_AGE:
            return known[1]
        try:
            month = events_field(clock.now())
            flat = await self._mux.execute("HMGET", live_key(slug), "auth", "config", "model", month, "watched")
        except RedisUnavailable:
            return known[1] if known else LiveState(b"unknown", b"unknown", None)
        model = flat[2].decode() if flat[2] else None
        state = LiveState(flat[0] or b"0", flat[1] or b"0", model, int(flat[3] or 0), int(flat[4] or 0))
        self._states[slug] = (now, state)
        return state
