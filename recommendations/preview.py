"""Slates for people to look at: the serving path itself, driven over the blocking client."""

import time
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from catalog import finding
from recomengine.lib import redis
from recommendations import configs
from recommendations.configs import Config
from recommendations.releases import live_models
from recommendations.scripts import Command
from recommendations.serving.prepared import Prepared, prepared
from recommendations.serving.slates import Matching, Slate
from recommendations.serving.slates import slate as serve
from recommendations.strategies import Strategy
from recommendations.types import LiveModel, PlacementConfig, Query
from tenants.live import live_key
from tenants.types import TenantRef


def slate(tenant: TenantRef, query: Query, *, placement: Prepared | None = None) -> Slate:
    """What the API would answer to this query now; or would with this placement instead of the published one."""
    config = published(tenant)
    shown = (
        placement or config.placements.get(query.placement) or prepared(PlacementConfig(query.placement, ("popular",)))
    )
    reads = serve(tenant.slug, query, shown, _model(tenant), time.time(), strategies=config.strategies)
    try:
        asked = next(reads)
        while True:
            asked = reads.send(_answered(tenant, asked))
    except StopIteration as done:
        answer: Slate = done.value
        return answer


def unknown(key: str) -> PlacementConfig:
    """What is previewed of a placement that there is not."""
    return PlacementConfig(key, ("popular",))


def _answered(tenant: TenantRef, asked: Sequence[Command] | Matching) -> Sequence[Any]:
    if isinstance(asked, Matching):
        return finding.passing(tenant, *asked)
    pipeline = redis.client().pipeline(transaction=False)
    for command in asked:
        pipeline.execute_command(*command)
    return [_flat(command, reply) for command, reply in zip(asked, pipeline.execute(), strict=True)]


def _flat(command: Command, reply: Any) -> Any:
    """The reply as the serving processes get it: this client's newer protocol pairs members with their scores."""
    return list(chain.from_iterable(reply)) if command[-1] == "WITHSCORES" else reply


def _model(tenant: TenantRef) -> LiveModel | None:
    version = redis.text(redis.client().hget(live_key(tenant.slug), "model"))
    if version is None:
        return None
    [packed] = _read(live_models.parameters_key(tenant.slug, version))
    return LiveModel(version, live_models.decode(packed))


def published(tenant: TenantRef) -> Config:
    """What the tenant set up, as the serving processes see it."""
    return configs.decode(_read(*configs.keys(tenant.slug)))


def strategies(tenant: TenantRef) -> Mapping[str, Strategy]:
    """The strategies as the serving processes see them."""
    return published(tenant).strategies


def _read(*keys: str) -> list[bytes | None]:
    found: list[bytes | None] = redis.client().mget(keys)  # type: ignore[assignment]
    return found
