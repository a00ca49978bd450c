"""The blocking Redis client. Everything kept in Redis can be rebuilt from PostgreSQL and the model store."""

from functools import cache

import redis
from django.conf import settings
from redis.backoff import ExponentialBackoff
from redis.retry import Retry


@cache
def client() -> "redis.Redis":
    """The process's pooled client; replies are bytes.

    A connection that was lost is made again at once; a server that is away is not waited for.
    """
    retry = Retry(ExponentialBackoff(cap=0.1, base=0.02), 2)
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=10, socket_connect_timeout=2, retry=retry)


def text(reply: bytes | str | None) -> str | None:
    """A reply that is text, or nothing."""
    return reply.decode() if isinstance(reply, bytes) else reply
