"""Events in: an ordered list of small steps, each of which passes an event on or drops it with a named reason.

decode → known type → consented → normalise → identified → complete → timely → storable → rows. Pure: storing is
`events.store`'s job.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

import msgspec

from events import bots, content_ids
from events.types import BUILT_IN, MAX_BATCH, MAX_PROPERTIES_BYTES, EventIn, EventRow, EventType, LineIn
from recomengine.lib.decoding import Rejection, field_error, parse_json, rows_of

CLOCK_AHEAD: Final = timedelta(hours=48)
RAW_KEPT: Final = 10  # rejected events of a request that the live stream shows
_MONEY: Final = frozenset({EventType.PURCHASE, EventType.REFUND})
_NO_PROPERTIES: Final = frozenset({b"", b"null"})
_NUL: Final = re.compile(rb"(?<!\\)(\\\\)*\\u0000")  # an escaped NUL, not an escaped backslash before "u0000"
_DOUBTFUL: Final = re.compile(rb"\\|[0-9][eE]|[0-9]{16}")  # what PostgreSQL may see otherwise: escapes, large numbers
_decode_object = msgspec.json.Decoder(dict[str, object]).decode
_decode = msgspec.json.Decoder(EventIn).decode


class Drop(Exception):
    """A verdict on one event, not an error: it is not stored, for a reason with a stable code."""

    def __init__(self, code: str, message: str, pointer: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.pointer = code, message, pointer


@dataclass(frozen=True, slots=True)
class Context:
    """What the steps need to know beside the event.

    `types` says of each type whether its events need an item. `opted_out`: the browser asked not to be followed
    (Global Privacy Control). `user_agent` is the browser's, empty where a server sends.
    """

    now: datetime
    currency: str
    retention: timedelta = timedelta(days=396)
    types: Mapping[str, bool] = field(default_factory=lambda: BUILT_IN)
    opted_out: bool = False
    user_agent: str = ""
    is_too_fast: Callable[[str, datetime], bool] | None = None


@dataclass(slots=True)
class Batch:
    """Events that passed every step, as the rows to store (one list an event), and those that did not.

    `notes` counts what was put right or is odd and yet accepted, e.g. purchases without a currency. `raw` holds the
    first rejected events as they came, by their index.
    """

    events: list[list[EventRow]] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    raw: dict[int, bytes] = field(default_factory=dict)

    def reject(self, rejection: Rejection, raw: msgspec.Raw | bytes) -> None:
        """Leave an event out."""
        self.rejected.append(rejection)
        if len(self.raw) < RAW_KEPT:
            self.raw[rejection.index] = bytes(raw)


def from_batch(body: bytes, context: Context) -> Batch:
    """The events of a batch request, `{"events": […]}`."""
    return from_rows(rows_of(body, "events", MAX_BATCH), context)


def from_single(body: bytes, context: Context) -> Batch:
    """The one event of a single request."""
    fields = parse_json(body, dict[str, msgspec.Raw])
    return from_rows([msgspec.json.encode(fields)], context)


def from_rows(rows: Sequence[msgspec.Raw | bytes], context: Context) -> Batch:
    """Run every event through the steps; one bad event never sinks its batch."""
    batch, content = Batch(), content_ids.Contents(context.now)
    for index, raw in enumerate(rows):
        try:
            event = decode(raw)
            if event.occurred_at is None:  # those of a batch happened in the order in which they stand
                event.occurred_at = context.now + timedelta(microseconds=index)
            for step in STEPS:
                step(event, context)
        except Drop as drop:
            batch.reject(Rejection(index, drop.code, drop.message, drop.pointer), raw)
            continue
        if event.currency is None:
            event.currency = context.currency
            batch.notes["missing_currency"] += event.type in _MONEY
        batch.events.append(to_rows(event, event.event_id or content.id_of(raw), context))
    return batch


def decode(raw: msgspec.Raw | bytes) -> EventIn:
    """JSON to a typed event; unknown fields and wrong types are named."""
    try:
        return _decode(raw)
    except msgspec.ValidationError as error:
        found = field_error(error)
        raise Drop(found["code"], found["message"], found["pointer"]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Drop("malformed_json", str(error)) from None


def normalise(event: EventIn, context: Context) -> None:
    """Put the short form into the long one: a lone `item_id` is a list of one line."""
    if event.item_id is not None:
        if event.items:
            raise Drop("invalid", "Send `item_id` or `items`, not both.", "/item_id")
        event.items = [_lone_line(event.item_id, event)]
    elif event.quantity is not None or event.price is not None:
        raise Drop("invalid", "`quantity` and `price` belong to an `item_id`.", "/item_id")
    event.occurred_at = event.occurred_at or context.now


def _lone_line(item_id: str, event: EventIn) -> LineIn:
    try:
        return LineIn(item_id=item_id, quantity=event.quantity or 1, price=event.price)
    except ValueError as error:
        raise Drop("invalid", str(error), "/price") from None


def known_type(event: EventIn, context: Context) -> None:
    """Only the built-in types and those the shop registered."""
    if event.type not in context.types:
        known = ", ".join(context.types)
        message = f"There is no event type {event.type[:40]!r}; use one of {known}, or register it first."
        raise Drop("unknown_type", message, "/type")


def consented(event: EventIn, context: Context) -> None:
    """Nobody is followed who refused, or whose browser asks not to be and who did not agree all the same."""
    if event.consent is False:
        raise Drop("no_consent", "The event says that the visitor did not consent; it is not stored.", "/consent")
    if context.opted_out and event.consent is None:
        message = "The browser sends Sec-GPC; send `consent: true` only if the visitor agreed all the same."
        raise Drop("no_consent", message, "/consent")


def identified(event: EventIn, context: Context) -> None:
    """An event is some visitor's; a server that knows only the login sends `user_id`, which then stands for both."""
    if event.visitor_id is None and event.user_id is None:
        raise Drop("missing_visitor", "Send a `visitor_id` (the browser) or a `user_id` (the login).", "/visitor_id")


def complete(event: EventIn, context: Context) -> None:
    """What the type needs: items, and for a purchase its order and prices."""
    if context.types[event.type] and not event.items:
        raise Drop("missing_item", f"A {event.type} names its `item_id` or `items`.", "/items")
    if event.type == EventType.LOGIN and (event.user_id is None or event.visitor_id is None):
        message = "A login joins a `visitor_id` to a `user_id`; send both."
        raise Drop("missing_visitor", message, "/visitor_id" if event.visitor_id is None else "/user_id")
    if event.type == EventType.PURCHASE:
        if event.order_id is None:
            raise Drop("missing_order_id", "A purchase needs its `order_id`.", "/order_id")
        for line, item in enumerate(event.items):
            if item.price is None:
                message = f"Item {item.item_id} of the purchase has no `price`."
                raise Drop("missing_price", message, f"/items/{line}/price")


def timely(event: EventIn, context: Context) -> None:
    """Not from the future, and not older than what is kept."""
    occurred_at = event.occurred_at or context.now
    if occurred_at > context.now + CLOCK_AHEAD:
        message = "`occurred_at` lies more than 48 hours ahead; check the sender's clock."
        raise Drop("in_future", message, "/occurred_at")
    if occurred_at < context.now - context.retention:
        message = f"`occurred_at` is older than the {context.retention.days} days that are kept."
        raise Drop("too_old", message, "/occurred_at")


def storable(event: EventIn, context: Context) -> None:
    """Properties are an object of bounded size that PostgreSQL can hold: no NUL, and no number out of its range."""
    raw = bytes(event.properties)
    if raw in _NO_PROPERTIES:
        return
    if len(raw) > MAX_PROPERTIES_BYTES:
        raise Drop("properties_too_large", f"`properties` is limited to {MAX_PROPERTIES_BYTES} bytes.", "/properties")
    try:
        _decode_object(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Drop("invalid", "`properties` must be a JSON object.", "/properties") from None
    if not _DOUBTFUL.search(raw):
        return
    encoded = msgspec.json.encode(_decode_object(raw))
    if _NUL.search(encoded):
        raise Drop("invalid", "`properties` holds a NUL character.", "/properties")
    event.properties = msgspec.Raw(encoded)


Step = Callable[[EventIn, Context], None]
STEPS: Final[tuple[Step, ...]] = (known_type, consented, normalise, identified, complete, timely, storable)


def to_rows(event: EventIn, event_id: UUID, context: Context) -> list[EventRow]:
    """One row an item line; an event without items is one row without an item."""
    raw = bytes(event.properties)
    properties = None if raw in _NO_PROPERTIES else raw.decode()
    visitor = event.visitor_id or event.user_id or ""
    occurred_at = event.occurred_at or context.now
    flag = bots.flag(event, visitor, occurred_at, context.user_agent, context.is_too_fast)
    lines: list[tuple[str | None, int, Decimal | None]]
    lines = [(item.item_id, item.quantity, item.price) for item in event.items] or [(None, 1, None)]
    return [
        EventRow(
            event_id, number, event.type, occurred_at, context.now, visitor, event.user_id, event.session_id,
            item_id, quantity, price, event.currency, event.order_id, event.recommendation_id, event.placement,
            event.position, properties if number == 0 else None, event.consent, flag,
        )
        for number, (item_id, quantity, price) in enumerate(lines)
    ]  # fmt: skip
