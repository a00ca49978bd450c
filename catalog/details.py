"""All that is known of one item, as a person reads it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from catalog import finding, items
from catalog.finding import ItemSummary
from catalog.models import Item
from recomengine.lib import clock
from tenants import tenancy
from tenants.types import TenantRef

VARIANTS: Final = 50
Hidden = Literal["out_of_stock", "not_published", "expired"]


class Attribute(NamedTuple):
    """An attribute with the name of its type, and its value as texts: several of a list."""

    name: str
    kind: Literal["text", "number", "yes or no", "list", "empty"]
    values: list[str]


@dataclass(frozen=True, slots=True)
class Details:
    """An item, the others of its group, and why no slate shows it (nothing: slates may show it)."""

    summary: ItemSummary
    description: str
    attributes: list[Attribute]
    group_id: str | None
    variants: list[ItemSummary]
    more_variants: int
    published_at: datetime | None
    expires_at: datetime | None
    created_at: datetime
    updated_at: datetime
    hidden: list[Hidden]


def of_item(tenant: TenantRef, item_id: str) -> Details:
    """The item of that id; `not_found` without one."""
    item = items.get(tenant, item_id)
    variants, more = _variants(tenant, item)
    return Details(
        finding.summary(item),
        item.description,
        typed(item.attributes),
        item.group_id,
        variants,
        more,
        item.published_at,
        item.expires_at,
        item.created_at,
        item.updated_at,
        hidden(item, clock.now()),
    )


def hidden(item: Item, at: datetime) -> list[Hidden]:
    """Why slates leave the item out at a moment, as `catalog.types.Card.is_showable` decides."""
    reasons: dict[Hidden, bool] = {
        "out_of_stock": item.availability == Item.Availability.OUT_OF_STOCK,
        "not_published": item.published_at is not None and item.published_at > at,
        "expired": item.expires_at is not None and item.expires_at <= at,
    }
    return [reason for reason, holds in reasons.items() if holds]


def typed(attributes: Mapping[str, Any]) -> list[Attribute]:
    """Attributes in the order of their names."""
    return [_typed(name, attributes[name]) for name in sorted(attributes)]


def _typed(name: str, value: Any) -> Attribute:
    if value is None:
        return Attribute(name, "empty", [])
    if isinstance(value, bool):
        return Attribute(name, "yes or no", ["yes" if value else "no"])
    if isinstance(value, list):
        return Attribute(name, "list", [str(each) for each in value])
    return Attribute(name, "number" if isinstance(value, int | float) else "text", [str(value)])


def _variants(tenant: TenantRef, item: Item) -> tuple[list[ItemSummary], int]:
    """The first of the group's other items, and how many more there are."""
    if item.group_id is None:
        return [], 0
    with tenancy.use(tenant):
        others = Item.objects.filter(group_id=item.group_id).exclude(pk=item.pk)
        shown = [finding.summary(each) for each in others.order_by("item_id")[:VARIANTS]]
        return shown, others.count() - len(shown) if len(shown) == VARIANTS else 0
