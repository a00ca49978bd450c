"""Whether the process lives, and whether what it needs answers."""

from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from redis.exceptions import RedisError

from recomengine.lib import redis


def healthz(request: HttpRequest) -> JsonResponse:
    """200 while the process answers at all."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> JsonResponse:
    """200 when PostgreSQL and Redis (cache and broker) answer; 503 naming what does not."""
    checks = {"database": _database(), "cache": _cache()}
    ready = all(checks.values())
    answer = {
        "status": "ok" if ready else "unavailable",
        "checks": {n: "ok" if up else "away" for n, up in checks.items()},
    }
    return JsonResponse(answer, status=200 if ready else 503)


def _database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def _cache() -> bool:
    try:
        return bool(redis.client().ping())
    except RedisError:
        return False
