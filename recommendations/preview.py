"""Slates for people to look at: the serving path itself, driven over the blocking client."""

import time
from collections.abc import Mapping

from recomengine.lib import redis
from recommendations import live_models, placements, serving
from recommendations.strategies import Strategy
from recommendations.types import LiveModel, PlacementConfig, Query, Slate
from tenants.live import live_key
from tenants.types import TenantRef


def slate(tenant: TenantRef, query: Query) -> Slate:
    """What the API would answer to this query now."""
    client = redis.client()
    version = redis.text(client.hget(live_key(tenant.slug), "model"))
    placement = published(tenant).get(query.placement) or PlacementConfig(query.placement, ("popular",))
    model = _model(tenant, version)
    reads = serving.slate(tenant.slug, query, placement, model, time.time(), strategies=strategies(tenant))
    try:
        commands = next(reads)
        while True:
            pipeline = client.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)
            commands = reads.send(pipeline.execute())
    except StopIteration as done:
        answer: Slate = done.value
        return answer


def _model(tenant: TenantRef, version: str | None) -> LiveModel | None:
    if version is None:
        return None
    return LiveModel(version, live_models.decode(_read(live_models.parameters_key(tenant.slug, version))))


def published(tenant: TenantRef) -> Mapping[str, PlacementConfig]:
    """The placements as the serving processes see them."""
    return placements.decode(_read(placements.config_key(tenant.slug)))


def strategies(tenant: TenantRef) -> Mapping[str, Strategy]:
    """The strategies as the serving processes see them."""
    return placements.decode_strategies(_read(placements.strategies_key(tenant.slug)))


def _read(key: str) -> bytes | None:
    packed = redis.client().get(key)
    return packed.encode() if isinstance(packed, str) else packed
