"""What a rule may say, as it is sent, stored and served."""

from typing import Annotated, Any, Final, Literal

import msgspec

from recomengine.lib.fields import Identifier
from recommendations.types import MAX_LIMIT

MAX_RULES: Final = 200
MAX_FACTOR: Final = 100.0
MOST_TIMES: Final = 100
FilterJson = dict[str, Any]
"""A filter in its JSON form (`catalog.filters`)."""


class Pin(msgspec.Struct, tag="pin", forbid_unknown_fields=True, frozen=True):
    """An item sits at a position, from 1."""

    item_id: Identifier
    position: Annotated[int, msgspec.Meta(ge=1, le=MAX_LIMIT)]


class Boost(msgspec.Struct, tag="boost", forbid_unknown_fields=True, frozen=True):
    """Items count `factor` times as much."""

    filter: FilterJson
    factor: Annotated[float, msgspec.Meta(ge=1, le=MAX_FACTOR)]


class Bury(msgspec.Struct, tag="bury", forbid_unknown_fields=True, frozen=True):
    """Items come after all others."""

    filter: FilterJson


class Include(msgspec.Struct, tag="include", forbid_unknown_fields=True, frozen=True):
    """Only these items are shown."""

    filter: FilterJson


class Exclude(msgspec.Struct, tag="exclude", forbid_unknown_fields=True, frozen=True):
    """These items are not shown."""

    filter: FilterJson


class SameCategory(msgspec.Struct, tag="same_category", forbid_unknown_fields=True, frozen=True):
    """Only items of the category of the product at hand: of the first `levels` of its path, or all of it."""

    levels: Annotated[int, msgspec.Meta(ge=1, le=10)] | None = None


class PriceBand(msgspec.Struct, tag="price_band", forbid_unknown_fields=True, frozen=True):
    """Only items that cost from `lowest` to `highest` times what the product at hand costs."""

    lowest: Annotated[float, msgspec.Meta(ge=0, le=1000)] | None = None
    highest: Annotated[float, msgspec.Meta(gt=0, le=1000)] | None = None


class Hide(msgspec.Struct, tag="hide", forbid_unknown_fields=True, frozen=True):
    """What the visitor bought, has in the cart, or was shown `times` times without a click, whoever proposes it."""

    what: Literal["purchased", "in_cart", "seen"]
    times: Annotated[int, msgspec.Meta(ge=1, le=MOST_TIMES)] = 5


Action = Pin | Boost | Bury | Include | Exclude | SameCategory | PriceBand | Hide


class RuleConfig(msgspec.Struct, frozen=True):
    """A rule that is on. `placement`: None for everywhere. `when`: only if the product at hand is like that.

    `starts_at` and `ends_at` are Unix seconds, 0 for no bound. Rules apply in the order in which they stand.
    """

    key: str
    name: str
    action: Action
    placement: str | None = None
    when: FilterJson | None = None
    starts_at: float = 0.0
    ends_at: float = 0.0
