"""The blocking Redis client. Everything kept in Redis can be rebuilt from PostgreSQL and the model store."""

from functools import cache

import redis
from django.conf import settings


@cache
def client() -> "redis.Redis":
    """The process's pooled client; replies are bytes."""
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=10, socket_connect_timeout=2)


def text(reply: bytes | str | None) -> str | None:
    """A reply that is text, or nothing."""
    return reply.decode() if isinstance(reply, bytes) else reply
