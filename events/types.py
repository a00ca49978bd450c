"""Events as they come in, and as they are stored."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Final, NamedTuple
from uuid import UUID

import msgspec

from recomengine.lib import naming
from recomengine.lib.decoding import Rejection
from recomengine.lib.fields import Currency, Identifier, Instant, check_amount

MAX_BATCH = 100
HISTORY_LENGTH = 20
BOUGHT_LENGTH = 100
HISTORY_KEPT = timedelta(days=90)
MAX_LINES = 2_000
MAX_PROPERTIES_BYTES = 8_192


class EventType(StrEnum):
    VIEW = "view"
    CLICK = "click"
    IMPRESSION = "impression"
    ADD_TO_CART = "add_to_cart"
    REMOVE_FROM_CART = "remove_from_cart"
    PURCHASE = "purchase"
    REFUND = "refund"
    LOGIN = "login"


BUILT_IN: Final[Mapping[str, bool]] = {
    str(kind): kind not in {EventType.IMPRESSION, EventType.LOGIN} for kind in EventType
}


def types_of(registered: tuple[str, ...]) -> Mapping[str, bool]:
    """The types an event may have, and whether they need an item; a registered one may do without."""
    return {**dict.fromkeys(registered, False), **BUILT_IN} if registered else BUILT_IN


class LineIn(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, gc=False):
    """One item of an event; `price` is per unit."""

    item_id: Identifier
    quantity: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1
    price: Decimal | None = None

    def __post_init__(self) -> None:
        check_amount("price", self.price)


class EventIn(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, gc=False):
    """One event as a shop sends it."""

    type: str
    event_id: UUID | None = None
    occurred_at: Instant | None = None
    visitor_id: Identifier | None = None
    user_id: Identifier | None = None
    session_id: Identifier | None = None
    items: Annotated[list[LineIn], msgspec.Meta(max_length=MAX_LINES)] = []
    item_id: Identifier | None = None
    quantity: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    price: Decimal | None = None
    order_id: Identifier | None = None
    currency: Currency | None = None
    recommendation_id: Identifier | None = None
    placement: Identifier | None = None
    position: Annotated[int, msgspec.Meta(ge=1, le=10_000)] | None = None
    properties: msgspec.Raw = msgspec.Raw()
    consent: bool | None = None
    user_agent: Annotated[str, msgspec.Meta(max_length=1_000)] = ""  # only to know crawlers by; it is not stored


class EventRow(NamedTuple):
    """One stored row: one item line of one event. The fields are the table's columns, in the order of the COPY."""

    event_id: UUID
    line: int
    type: str
    occurred_at: datetime
    received_at: datetime
    visitor_id: str
    user_id: str | None
    session_id: str | None
    item_id: str | None
    quantity: int
    price: Decimal | None
    currency: str | None
    order_id: str | None
    recommendation_id: str | None
    placement: str | None
    position: int | None
    properties: str | None
    consent: bool | None
    flag: str | None


class Accepted(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What became of a request's events.

    `content_duplicates` are those of the duplicates that had no `event_id` and came a second time within seconds.
    """

    accepted: int
    duplicates: int
    content_duplicates: int = 0
    rejected: list[Rejection]


def visitor_key(slug: str, visitor_id: str) -> str:
    """What a visitor did lately (see `events.history`)."""
    return naming.key(slug, "history", "v", visitor_id)


def user_key(slug: str, user_id: str) -> str:
    """What a logged-in user did lately, and the browsers that are the user's alone."""
    return naming.key(slug, "history", "u", user_id)


def shown_key(slug: str, visitor_id: str) -> str:
    """How often each item was shown to a visitor since it was last clicked: a sorted set of item ids by that number."""
    return naming.key(slug, "shown", "v", visitor_id)


def bought_by_visitor_key(slug: str, visitor_id: str) -> str:
    return naming.key(slug, "bought", "v", visitor_id)


def bought_by_user_key(slug: str, user_id: str) -> str:
    return naming.key(slug, "bought", "u", user_id)


def owner_key(slug: str, visitor_id: str) -> str:
    """Whose a browser is: the one user who was ever seen on it; "" once there were several."""
    return naming.key(slug, "owner", visitor_id)


CATEGORY: Final = "c"  # followed by a category's path: its trend, and the field that says how that is measured


def trend_key(slug: str, *parts: str) -> str:
    """The sorted set of the items that gain interest (see `events.trending`)."""
    return naming.key(slug, "trend", *parts)


def trending_key(slug: str, *parts: str) -> str:
    """The hash that says how the trend is measured."""
    return naming.key(slug, "trending", *parts)
