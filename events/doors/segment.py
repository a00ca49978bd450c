"""Segment's HTTP tracking API: its libraries send to it, and to us, by another host name alone.

https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/ and, for the names and properties of
events, https://segment.com/docs/connections/spec/ecommerce/v2/.
"""

from base64 import b64decode
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from uuid import UUID

import msgspec

from events.content_ids import Contents
from events.doors import translating
from events.doors.translating import AnyId, AnyNumber, Fields, Ignored, decoded
from events.ingest import Batch, Context, Drop
from events.types import Accepted, EventType
from recomengine.lib.asgi import Request, Response, json_response
from recomengine.lib.decoding import parse_json
from recomengine.lib.errors import DomainError

MAX_BATCH: Final = 2_500
MAX_AGENT: Final = 1_000
BATCH: Final = "batch"
KINDS: Final[Mapping[str, str]] = {
    "track": "track", "page": "page", "screen": "screen", "identify": "identify", "alias": "alias", "group": "group",
    "batch": BATCH, "import": BATCH,
    # the short names that the browser's library uses
    "t": "track", "p": "page", "s": "screen", "i": "identify", "a": "alias", "g": "group", "b": BATCH,
}  # fmt: skip
PATHS: Final[Mapping[str, str]] = {f"/v1/{name}": kind for name, kind in KINDS.items()}
TRACKS: Final[Mapping[str, EventType]] = {
    "product_viewed": EventType.VIEW,
    "product_clicked": EventType.CLICK,
    "product_list_viewed": EventType.IMPRESSION,
    "product_added": EventType.ADD_TO_CART,
    "product_removed": EventType.REMOVE_FROM_CART,
    "order_completed": EventType.PURCHASE,
    "order_refunded": EventType.REFUND,
}
UNUSED: Final = frozenset({
    "products_searched", "product_list_filtered", "promotion_viewed", "promotion_clicked", "cart_viewed",
    "checkout_started", "checkout_step_viewed", "checkout_step_completed", "payment_info_entered", "order_updated",
    "order_cancelled", "coupon_entered", "coupon_applied", "coupon_denied", "coupon_removed",
    "product_added_to_wishlist", "product_removed_from_wishlist", "wishlist_product_added_to_cart", "product_shared",
    "cart_shared", "product_reviewed",
})  # fmt: skip
WITH_LISTS: Final = frozenset({EventType.IMPRESSION, EventType.PURCHASE, EventType.REFUND})
PLACES: Final[Mapping[str, str]] = {
    "/type": "/event", "/event_id": "/messageId", "/occurred_at": "/timestamp", "/visitor_id": "/anonymousId",
    "/user_id": "/userId", "/item_id": "/properties/product_id", "/items": "/properties/products",
    **{f"/{name}": f"/properties/{name}" for name in (
        "quantity", "price", "order_id", "currency", "recommendation_id", "placement", "position")},
}  # fmt: skip
place_of = partial(
    translating.moved, fields=PLACES, lines="/properties/products", line_fields={"/item_id": "/product_id"}
)


class Product(msgspec.Struct):
    product_id: AnyId = None
    sku: AnyId = None
    quantity: AnyNumber = None
    price: AnyNumber = None

    @property
    def item_id(self) -> str | None:
        return translating.identifier(self.product_id) or translating.identifier(self.sku)

    @property
    def line(self) -> Fields:
        """The product as a line of ours, or as the short form for one line."""
        return {
            "item_id": self.item_id,
            "quantity": translating.whole(self.quantity),
            "price": translating.amount(self.price),
        }


class Properties(Product):
    products: list[Product] | None = None
    order_id: AnyId = None
    currency: str | None = None
    position: AnyNumber = None
    list_id: AnyId = None
    placement: AnyId = None
    recommendation_id: AnyId = None


class Device(msgspec.Struct, rename="camel"):
    user_agent: str | None = None


class Message(msgspec.Struct, rename="camel"):
    """One call of a library; a batch has a `sent_at` and a `context` of its own for messages without."""

    type: str | None = None
    event: str | None = None
    anonymous_id: AnyId = None
    user_id: AnyId = None
    previous_id: AnyId = None
    message_id: AnyId = None
    timestamp: datetime | None = None
    original_timestamp: datetime | None = None
    sent_at: datetime | None = None
    context: Device | None = None
    properties: msgspec.Raw = msgspec.Raw()


class Envelope(msgspec.Struct, rename="camel"):
    batch: list[msgspec.Raw]
    sent_at: datetime | None = None
    context: Device | None = None


class Credentials(msgspec.Struct, rename="camel"):
    write_key: str | None = None


def key(request: Request) -> str | None:
    """The key as the libraries send it: the user name of HTTP Basic, or `writeKey` in the body."""
    authorization = request.header(b"authorization") or ""
    if authorization[:6].lower() == "basic ":
        try:
            return b64decode(authorization[6:].strip(), validate=True).decode().partition(":")[0]
        except ValueError:
            raise DomainError("invalid_key", "The Authorization header holds no user name in base64.") from None
    try:
        return msgspec.json.decode(request.body, type=Credentials).write_key
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None  # there is no key in it; what else is wrong with it does not matter to a stranger


def read(request: Request, context: Context) -> Batch:
    """The messages of a request; raises `malformed_json`, `invalid` for what is no message or batch of them."""
    kind = PATHS[request.path]
    envelope, names = Envelope([]), Contents(context.now)
    if kind == BATCH:
        envelope = parse_json(request.body, Envelope)
    else:
        envelope.batch = [msgspec.Raw(msgspec.json.encode(parse_json(request.body, dict[str, msgspec.Raw])))]
    if len(envelope.batch) > MAX_BATCH:
        message = f"A batch holds at most {MAX_BATCH:,} messages; this one holds {len(envelope.batch):,}."
        raise DomainError("batch_too_large", message)

    def event_of(raw: msgspec.Raw | bytes, notes: Counter[str]) -> Fields:
        message = decoded(raw, Message)
        event = of_kind(message, message.type if kind == BATCH else kind, context, notes)
        event["event_id"] = event_id(message) or names.id_of(raw)
        event["occurred_at"] = occurred_at(message, message.sent_at or envelope.sent_at, context.now)
        event["user_agent"] = user_agent(message.context) or user_agent(envelope.context)
        return translating.without_none(event)

    return translating.batch_of(envelope.batch, event_of, place_of, context)


def answer(outcome: Accepted, batch: Batch) -> Response:
    """Segment's own answer, and beside it what was not taken and what there is no use for."""
    ignored = {name: count for name, count in batch.notes.items() if name.startswith(translating.IGNORED)}
    told: dict[str, Any] = {"success": True}
    if outcome.rejected:
        told["rejected"] = outcome.rejected
    if ignored:
        told["ignored"] = {name.removeprefix(translating.IGNORED): count for name, count in ignored.items()}
    return json_response(told)


def of_kind(message: Message, kind: str | None, context: Context, notes: Counter[str]) -> Fields:
    """What a message says, without its id and time."""
    if kind == "track":
        return of_track(message, context, notes)
    if kind in {"identify", "alias"}:
        return of_login(message, kind)
    if kind in {"page", "screen", "group"}:
        raise Ignored(kind)
    if kind is None:
        raise Drop("missing_field", "A message of a batch has a `type`, e.g. track.", "/type")
    raise Drop("unknown_type", f"There is no message type {kind[:40]!r}.", "/type")


def of_login(message: Message, kind: str) -> Fields:
    """`identify` with both ids, or `alias`: from now on this visitor is that user."""
    visitor_id = message.previous_id if kind == "alias" else message.anonymous_id
    visitor, user = translating.identifier(visitor_id), translating.identifier(message.user_id)
    if visitor is None or user is None:
        raise Ignored(kind)
    return {"type": EventType.LOGIN, "visitor_id": visitor, "user_id": user}


def of_track(message: Message, context: Context, notes: Counter[str]) -> Fields:
    """An event of the e-commerce specification, or of a type that the shop registered."""
    if message.event is None:
        raise Drop("missing_field", "A track call names its `event`.", "/event")
    name = translating.snake_cased(message.event)
    kind = TRACKS.get(name, name)
    if name not in TRACKS and name not in translating.own_types(context):
        raise Ignored(name if name in UNUSED else "track")
    raw = message.properties
    properties = Properties() if bytes(raw) in {b"", b"null"} else decoded(raw, Properties, "/properties")
    return {
        "type": kind,
        "visitor_id": translating.identifier(message.anonymous_id),
        "user_id": translating.identifier(message.user_id),
        **items_of(properties, kind, context.types[kind]),
        "order_id": translating.identifier(properties.order_id),
        "currency": properties.currency or None,
        "recommendation_id": translating.identifier(properties.recommendation_id),
        "placement": translating.identifier(properties.placement) or translating.identifier(properties.list_id),
        "position": translating.whole(properties.position),
        "properties": translating.rest(raw, Properties.__struct_fields__, notes),
    }


def items_of(properties: Properties, kind: str, needed: bool) -> Fields:
    """The products of an event: its list, or the one that its properties are about."""
    if properties.products:
        return {"items": [_line(product, number) for number, product in enumerate(properties.products)]}
    if properties.item_id is not None:
        return properties.line
    if needed:
        place = "products" if kind in WITH_LISTS else "product_id"
        message = f"A {kind} names its `product_id` or `sku`, or its `products`."
        raise Drop("missing_item", message, f"/properties/{place}")
    return {}


def _line(product: Product, number: int) -> Fields:
    if product.item_id is None:
        message = "The product has neither a `product_id` nor a `sku`."
        raise Drop("missing_field", message, f"/properties/products/{number}/product_id")
    return translating.without_none(product.line)


def event_id(message: Message) -> UUID | None:
    """The message's id, which a repeated request has again; one that is no UUID is made into one."""
    text = translating.identifier(message.message_id)
    if text is None:
        return None
    try:
        return UUID(text) if len(text) == 36 else translating.named_id("segment", text)
    except ValueError:
        return translating.named_id("segment", text)


def occurred_at(message: Message, sent_at: datetime | None, now: datetime) -> datetime | None:
    """When it happened by our clock: the sender's clock is wrong by as much as it was when it sent."""
    happened = message.original_timestamp or message.timestamp
    if happened is None or sent_at is None:
        return None if happened is None else _in_utc(happened)
    try:
        return now - (_in_utc(sent_at) - _in_utc(happened))
    except OverflowError:
        return _in_utc(happened)  # too far away to be corrected, or to be taken


def _in_utc(instant: datetime) -> datetime:
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def user_agent(device: Device | None) -> str | None:
    return device.user_agent[:MAX_AGENT] if device and device.user_agent else None
