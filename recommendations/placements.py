"""Placements: what each slot on a page shows, kept in PostgreSQL and followed by every serving process.

With them go the shop's own strategies, which they may name, and its rules.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from django.db import transaction

from recomengine.lib import naming, redis
from recomengine.lib.errors import DomainError
from recomengine.lib.postgres import lock_until_commit
from recommendations.models import CustomStrategy, Placement, Rule
from recommendations.rules.types import RuleConfig
from recommendations.strategies import STRATEGIES, Blend, Strategy, blend, tuned
from recommendations.types import BlendConfig, PlacementConfig
from tenants import live, tenancy
from tenants.types import TenantRef

BUILT_IN: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "home": ("Home page", ("for_you", "trending", "popular", "new")),
    "pdp": ("Product page", ("also_viewed", "bought_together", "similar", "trending", "popular", "new")),
    "pdp-bought-together": (
        "Product page: bought together",
        ("bought_together", "also_viewed", "similar", "popular", "new"),
    ),
    "pdp-similar": ("Product page: similar", ("similar", "also_viewed", "trending", "popular", "new")),
    "cart": ("Cart", ("bought_together", "also_viewed", "trending", "popular", "new")),
    "category": ("Category page", ("session", "for_you", "trending", "popular", "new")),
}
DEFAULTS: Final = {key: PlacementConfig(key, cascade) for key, (_, cascade) in BUILT_IN.items()}


def config_key(slug: str) -> str:
    return naming.key(slug, "config")


def strategies_key(slug: str) -> str:
    return naming.key(slug, "strategies")


def rules_key(slug: str) -> str:
    return naming.key(slug, "rules")


def publish(tenant: TenantRef) -> None:
    """Show the placements as they are now to every serving process; one at a time, so that the last shows the last."""
    with tenancy.use(tenant), transaction.atomic():
        lock_until_commit(config_key(tenant.slug))
        configs = {placement.key: placement.config for placement in Placement.objects.all()}
        own = [strategy.config for strategy in CustomStrategy.objects.all()]
        rules = [rule.config for rule in Rule.objects.filter(enabled=True)]
        packed = (msgspec.msgpack.encode(each) for each in (configs, own, rules))
        keys = (config_key(tenant.slug), strategies_key(tenant.slug), rules_key(tenant.slug))
        redis.client().mset(dict(zip(keys, packed, strict=True)))
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


def decode_strategies(packed: bytes | None) -> Mapping[str, Strategy]:
    """The built-in strategies and those that are published of the shop's own."""
    configs = msgspec.msgpack.decode(packed, type=list[BlendConfig]) if packed else []
    return {**STRATEGIES, **{config.key: blend_of(config) for config in configs}}


def decode_rules(packed: bytes | None) -> list[RuleConfig]:
    """The published rules, in their order."""
    return msgspec.msgpack.decode(packed, type=list[RuleConfig]) if packed else []


def blends() -> dict[str, Blend]:
    """The own strategies of the tenant in use, by key."""
    return {row.key: blend_of(row.config) for row in CustomStrategy.objects.all()}


def blend_of(config: BlendConfig) -> Blend:
    """The strategy that a configuration says."""
    parts = [(tuned(STRATEGIES[part.strategy], part.parameters), part.weight) for part in config.parts]
    return blend(config.key, config.name, parts)


def check_cascade(cascade: Sequence[str]) -> None:
    """Refuse a cascade that is empty, repeats itself or names a strategy that the tenant in use does not have."""
    known = [*STRATEGIES, *CustomStrategy.objects.values_list("key", flat=True)]
    for place, name in enumerate(cascade):
        if name not in known:
            message = f"There is no strategy {name!r}; there are {', '.join(known)}."
            raise _wrong(f"/cascade/{place}", message, "unknown_strategy")
    if not cascade or len(set(cascade)) < len(cascade):
        raise _wrong("/cascade", "A cascade names at least one strategy, and none twice.")


def _wrong(pointer: str, message: str, code: str = "invalid") -> DomainError:
    return DomainError(code, message, errors=[{"pointer": pointer, "code": "invalid", "message": message}])
