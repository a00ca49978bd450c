"""A tenant's live state in Redis: small counters and pointers that every serving process follows within a second.

One hash, `{slug}:live`: `auth` counts changes of keys and status, `config` changes of placements, `model` names the
published model version. A process reads it again on the first request after `MAX_AGE` seconds.
"""

import time
from typing import Final

from recomengine.lib import redis
from recomengine.lib.redis_mux import RedisMux, RedisUnavailable
from tenants.types import LiveState

MAX_AGE: Final = 0.5


def live_key(slug: str) -> str:
    return redis.key(slug, "live")


def changed(slug: str, what: str) -> None:
    """Tell every process that `what` ("auth" or "config") of this tenant is no longer what it was."""
    redis.client().hincrby(live_key(slug), what, 1)


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
            flat = await self._mux.execute("HMGET", live_key(slug), "auth", "config", "model")
        except RedisUnavailable:
            return known[1] if known else LiveState(b"unknown", b"unknown", None)
        state = LiveState(flat[0] or b"0", flat[1] or b"0", flat[2].decode() if flat[2] else None)
        self._states[slug] = (now, state)
        return state
