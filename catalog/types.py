"""Items as they come in, and as the serving path keeps them."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Literal

import msgspec

from recomengine.lib import naming
from recomengine.lib.fields import (
    Currency,
    Identifier,
    Instant,
    ShortText,
    Text,
    WebAddress,
    check_amount,
    check_instant,
)

Availability = Literal["in_stock", "out_of_stock", "preorder"]
Attribute = Text | bool | int | float | list[Text] | None

MAX_BATCH = 500
MAX_CATEGORY_DEPTH = 10
COUNTED_DEPTH = 2
MAX_CATEGORIES = 20
MAX_ATTRIBUTES = 100


class ItemIn(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One product as a shop sends it; fields mean what they mean in a Google Merchant feed."""

    item_id: Identifier
    title: Annotated[ShortText, msgspec.Meta(min_length=1)]
    description: Text = ""
    url: WebAddress = ""
    image_url: WebAddress = ""
    price: Decimal | None = None
    sale_price: Decimal | None = None
    sale_starts_at: Instant | None = None
    sale_ends_at: Instant | None = None
    currency: Currency | None = None
    availability: Availability = "in_stock"
    brand: ShortText = ""
    categories: Annotated[list[ShortText], msgspec.Meta(max_length=MAX_CATEGORIES)] = []
    attributes: Annotated[dict[ShortText, Attribute], msgspec.Meta(max_length=MAX_ATTRIBUTES)] = {}
    group_id: Identifier | None = None
    published_at: Instant | None = None
    expires_at: Instant | None = None

    def __post_init__(self) -> None:
        check_amount("price", self.price)
        check_amount("sale_price", self.sale_price)
        for name in ("sale_starts_at", "sale_ends_at", "published_at", "expires_at"):
            check_instant(name, getattr(self, name))
        self.categories = [tidy_path(path) for path in self.categories]


@lru_cache(20_000)
def tidy_path(path: str) -> str:
    """A category's path with one `" > "` between its levels, whatever spaces the shop put there.

    Raises ValueError for a path without a level, with an empty one, or deeper than `MAX_CATEGORY_DEPTH`.
    """
    levels = [level.strip() for level in path.split(">")]
    if not all(levels):
        raise ValueError("`categories` has a path with an empty level; write them as `Home > Kitchen > Mugs`")
    if len(levels) > MAX_CATEGORY_DEPTH:
        raise ValueError(f"`categories` has a path of more than {MAX_CATEGORY_DEPTH} levels")
    return " > ".join(levels)


def with_ancestors(paths: Iterable[str]) -> list[str]:
    """Every path and all that it lies under, each once: `["A > B"]` → `["A", "A > B"]`."""
    found: dict[str, None] = {}
    for path in paths:
        found |= dict.fromkeys(lineage(path))
    return list(found)


@lru_cache(20_000)
def lineage(path: str) -> tuple[str, ...]:
    """A tidy path's ancestors from the root, then itself."""
    levels = path.split(" > ")
    return tuple(" > ".join(levels[: depth + 1]) for depth in range(len(levels)))


def category_of(paths: Sequence[str]) -> str:
    """The one category that an item counts in: its first path, no deeper than `COUNTED_DEPTH`; "" without a path."""
    return lineage(paths[0])[:COUNTED_DEPTH][-1] if paths else ""


class Card(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An item as the serving path reads it from Redis: what decides whether it may be shown, and its JSON.

    `expires_at` and `published_at` are Unix seconds (0: none). `product` is the item's JSON object, joined into
    answers as it stands.
    """

    item_id: str
    available: bool
    published_at: int
    expires_at: int
    group_id: str
    product: bytes

    def is_showable(self, at: float) -> bool:
        return self.available and self.published_at <= at and (not self.expires_at or at < self.expires_at)


def cards_key(slug: str) -> str:
    """The hash of the tenant's cards, by `Item.id`."""
    return naming.key(slug, "items")


def ids_key(slug: str) -> str:
    """The hash of the internal ids (`Item.id`) by `item_id`."""
    return naming.key(slug, "ids")


def groups_key(slug: str) -> str:
    """The hash of the items that are variants: the group's id by `item_id`."""
    return naming.key(slug, "groups")


def newest_key(slug: str) -> str:
    """The sorted set of the newest items (`Item.id`) by the second from which they are new (see `catalog.cards`)."""
    return naming.key(slug, "new")
