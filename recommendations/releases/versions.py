"""Model versions in Redis: written beside the live one, made live by one pointer, expired when superseded.

`{slug}:m:<version>:<table>` is a hash; its fields are item ids (or, in the table `lists`, strategies) and its values
packed neighbour lists (in `repurchases`, how the item is bought again). The pointer is the field `model` of
`{slug}:live`. Only the live version has no end: what a failed or killed training wrote goes by itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import islice
from typing import Final

from recomengine.lib import redis
from recommendations.releases import live_models
from recommendations.types import ServingParameters, table_key
from tenants.live import live_key
from tenants.types import TenantRef

TABLES: Final = ("coview", "baskets", "carts", "similar", "lists", "repurchases")
_KEPT: Final = (*TABLES, live_models.PARAMETERS)
SUPERSEDED_KEPT: Final = timedelta(minutes=1)  # a request takes seconds; publishing anew must not fill Redis
UNPUBLISHED_KEPT: Final = timedelta(days=1)
Field = bytes | bytearray | memoryview | str | int | float  # redis-py's own notion of a field or a value
_CHUNK: Final = 2_000


def write_table(tenant: TenantRef, version: str, table: str, rows: Iterable[tuple[str, bytes]]) -> int:
    """Put one table of a version in place, whole, until `flip` for a day; returns the number of lists."""
    name = table_key(tenant.slug, version, table)
    client, partial = redis.client(), f"{name}:partial"
    client.delete(partial)
    written = 0
    remaining = iter(rows)
    while chunk := dict[Field, Field](islice(remaining, _CHUNK)):
        client.hset(partial, mapping=chunk)
        client.expire(partial, UNPUBLISHED_KEPT)
        written += len(chunk)
    if written:
        client.rename(partial, name)
    else:
        client.delete(name)
    return written


def add_lists(tenant: TenantRef, version: str, table: str, lists: Mapping[str, bytes]) -> bool:
    """Put lists into a table of the live version for keys that have none; nothing, if it is no longer the live one."""
    pairs = [part for pair in lists.items() for part in pair]
    keys = live_key(tenant.slug), table_key(tenant.slug, version, table)
    return bool(redis.client().eval(_ADD_LISTS, 2, *keys, version, *pairs))


_ADD_LISTS: Final = """
if redis.call('HGET', KEYS[1], 'model') ~= ARGV[1] then return 0 end
for n = 2, #ARGV, 2 do redis.call('HSETNX', KEYS[2], ARGV[n], ARGV[n + 1]) end
return 1
"""


def keys_without(tenant: TenantRef, version: str, table: str, keys: Sequence[str]) -> list[str]:
    """Those of the keys that have no list in a table of a version."""
    pipeline = redis.client().pipeline(transaction=False)
    for key in keys:
        pipeline.hexists(table_key(tenant.slug, version, table), key)
    return [key for key, is_there in zip(keys, pipeline.execute(), strict=True) if not is_there]


def live(tenant: TenantRef) -> str | None:
    """The version that Redis names as the one to serve."""
    return redis.text(redis.client().hget(live_key(tenant.slug), "model"))


def write_parameters(tenant: TenantRef, version: str, parameters: ServingParameters) -> None:
    """Put a version's serving parameters beside its tables, until `flip` for a day."""
    key = live_models.parameters_key(tenant.slug, version)
    redis.client().set(key, live_models.encode(parameters), ex=UNPUBLISHED_KEPT)


def flip(tenant: TenantRef, version: str) -> None:
    """Make a version live, in one step; requests under way finish on the old one, which then expires."""
    client = redis.client()
    before = live(tenant)
    with client.pipeline(transaction=True) as step:
        for table in _KEPT:
            step.persist(table_key(tenant.slug, version, table))
        step.hset(live_key(tenant.slug), "model", version)
        if before is not None and before != version:
            for table in _KEPT:
                step.expire(table_key(tenant.slug, before, table), SUPERSEDED_KEPT)
        step.execute()


def discard(tenant: TenantRef, version: str) -> None:
    """Remove what was written of a version that is not live."""
    names = [table_key(tenant.slug, version, table) for table in _KEPT]
    redis.client().unlink(*names, *(f"{name}:partial" for name in names))


def is_live(tenant: TenantRef, version: str) -> bool:
    """Whether Redis names this version as the one to serve."""
    return live(tenant) == version
