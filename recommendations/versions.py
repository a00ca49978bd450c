"""Model versions in Redis: written beside the live one, made live by one pointer, expired when superseded.

`{slug}:m:<version>:<table>` is a hash; its fields are item ids (or, in the table `lists`, strategies) and its values
packed neighbour lists. The pointer is the field `model` of `{slug}:live`.
"""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from recomengine.lib import redis
from recommendations.types import table_key
from tenants.live import live_key
from tenants.types import TenantRef

TABLES: Final = ("coview", "baskets", "carts", "similar", "lists")
SUPERSEDED_KEPT: Final = timedelta(minutes=5)
Field = bytes | bytearray | memoryview | str | int | float  # redis-py's own notion of a field or a value
_CHUNK: Final = 2_000


def write_table(tenant: TenantRef, version: str, table: str, rows: Iterable[tuple[str, bytes]]) -> int:
    """Fill one table of a version that is not live yet; returns the number of lists."""
    name = table_key(tenant.slug, version, table)
    client = redis.client()
    client.delete(name)
    written = 0
    chunk: dict[Field, Field] = {}
    for field, packed in rows:
        chunk[field] = packed
        if len(chunk) == _CHUNK:
            client.hset(name, mapping=chunk)
            written, chunk = written + len(chunk), {}
    if chunk:
        client.hset(name, mapping=chunk)
    return written + len(chunk)


def flip(tenant: TenantRef, version: str) -> None:
    """Make a version live; requests under way finish on the old one, which then expires."""
    client = redis.client()
    before = redis.text(client.hget(live_key(tenant.slug), "model"))
    client.hset(live_key(tenant.slug), "model", version)
    if before is not None and before != version:
        for table in TABLES:
            client.expire(table_key(tenant.slug, before, table), SUPERSEDED_KEPT)


def is_live(tenant: TenantRef, version: str) -> bool:
    """Whether Redis serves this version; its tables are there then, because they were written before the pointer."""
    return redis.text(redis.client().hget(live_key(tenant.slug), "model")) == version
