"""Placements: what each slot on a page shows, kept in PostgreSQL and followed by every serving process."""

from collections.abc import Mapping
from typing import Final

import msgspec
from django.db import transaction

from recomengine.lib import naming, redis
from recomengine.lib.errors import DomainError
from recomengine.lib.postgres import lock_until_commit
from recommendations.models import Placement
from recommendations.strategies import STRATEGIES
from recommendations.types import PlacementConfig
from tenants import live, tenancy
from tenants.types import TenantRef

BUILT_IN: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "home": ("Home page", ("for_you", "trending", "popular")),
    "pdp": ("Product page", ("also_viewed", "bought_together", "similar", "trending", "popular")),
    "pdp-bought-together": ("Product page: bought together", ("bought_together", "also_viewed", "similar", "popular")),
    "pdp-similar": ("Product page: similar", ("similar", "also_viewed", "trending", "popular")),
    "cart": ("Cart", ("bought_together", "also_viewed", "trending", "popular")),
    "category": ("Category page", ("session", "for_you", "trending", "popular")),
}
DEFAULTS: Final = {key: PlacementConfig(key, cascade) for key, (_, cascade) in BUILT_IN.items()}


def config_key(slug: str) -> str:
    return naming.key(slug, "config")


def publish(tenant: TenantRef) -> None:
    """Show the placements as they are now to every serving process; one at a time, so that the last shows the last."""
    with tenancy.use(tenant), transaction.atomic():
        lock_until_commit(config_key(tenant.slug))
        configs = {placement.key: placement.config for placement in Placement.objects.all()}
        redis.client().set(config_key(tenant.slug), msgspec.msgpack.encode(configs))
        live.changed(tenant.slug, "config")


def listed(tenant: TenantRef) -> list[tuple[str, str, int]]:
    """Key, name and limit of each placement, by key."""
    with tenancy.use(tenant):
        return list(Placement.objects.values_list("key", "name", "limit"))


def decode(packed: bytes | None) -> Mapping[str, PlacementConfig]:
    """The published placements; the built-in ones where nothing is published."""
    if packed is None:
        return DEFAULTS
    configs: Mapping[str, PlacementConfig] = msgspec.msgpack.decode(packed, type=dict[str, PlacementConfig])
    return configs


def check_cascade(cascade: list[str]) -> None:
    """Refuse a cascade that is empty, repeats itself or names an unknown strategy."""
    for name in cascade:
        if name not in STRATEGIES:
            raise DomainError("unknown_strategy", f"There is no strategy {name!r}; there are {', '.join(STRATEGIES)}.")
    if not cascade or len(set(cascade)) < len(cascade):
        raise DomainError("invalid", "A cascade names at least one strategy, and none twice.")
