"""Google Analytics 4's Measurement Protocol: what a shop's server sends there it can send here.

https://developers.google.com/analytics/devguides/collection/protocol/ga4/reference
"""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import msgspec

from events.doors import translating
from events.doors.translating import AnyId, AnyNumber, Fields, Ignored, decoded
from events.ingest import Batch, Context, Drop
from events.types import MAX_BATCH, Accepted, EventType
from recomengine.lib.asgi import Request, Response, json_response
from recomengine.lib.decoding import parse_json
from recomengine.lib.errors import DomainError
from tenants.keys import only

NAMES: Final[Mapping[str, EventType]] = {
    "view_item": EventType.VIEW,
    "select_item": EventType.CLICK,
    "view_item_list": EventType.IMPRESSION,
    "add_to_cart": EventType.ADD_TO_CART,
    "remove_from_cart": EventType.REMOVE_FROM_CART,
    "purchase": EventType.PURCHASE,
    "refund": EventType.REFUND,
    "login": EventType.LOGIN,
}
UNUSED: Final = frozenset({
    "add_payment_info", "add_shipping_info", "add_to_wishlist", "begin_checkout", "generate_lead", "page_view",
    "screen_view", "scroll", "search", "select_content", "select_promotion", "share", "sign_up", "user_engagement",
    "view_cart", "view_promotion", "view_search_results",
})  # fmt: skip
OTHER: Final = "other"
MAX_AGENT: Final = 1_000
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
PLACES: Final[Mapping[str, str]] = {
    "/type": "/name", "/occurred_at": "/timestamp_micros", "/visitor_id": "/client_id", "/items": "/params/items",
    "/order_id": "/params/transaction_id", "/placement": "/params/item_list_id", "/position": "/params/items/0/index",
    **{f"/{name}": f"/params/{name}" for name in ("currency", "recommendation_id", "session_id")},
}  # fmt: skip
OF_REQUEST: Final = frozenset({"/client_id", "/user_id"})
CODES: Final[Mapping[str, str]] = {
    "missing_field": "VALUE_REQUIRED", "missing_visitor": "VALUE_REQUIRED", "missing_item": "VALUE_REQUIRED",
    "missing_order_id": "VALUE_REQUIRED", "missing_price": "VALUE_REQUIRED", "unknown_type": "NAME_INVALID",
    "in_future": "VALUE_OUT_OF_BOUNDS", "too_old": "VALUE_OUT_OF_BOUNDS",
}  # fmt: skip
place_of = partial(translating.moved, fields=PLACES, lines="/params/items", line_fields={})


class Item(msgspec.Struct):
    item_id: AnyId = None
    quantity: AnyNumber = None
    price: AnyNumber = None
    index: AnyNumber = None
    item_list_id: AnyId = None


class Params(msgspec.Struct):
    items: list[Item] = []
    transaction_id: AnyId = None
    currency: str | None = None
    session_id: AnyId = None
    item_list_id: AnyId = None
    placement: AnyId = None
    recommendation_id: AnyId = None


class Hit(msgspec.Struct):
    """One event of a request."""

    name: str
    params: msgspec.Raw = msgspec.Raw()
    timestamp_micros: int | str | None = None


class Envelope(msgspec.Struct):
    """A request; apps send an `app_instance_id` in the place of a browser's `client_id`."""

    events: list[msgspec.Raw]
    client_id: AnyId = None
    app_instance_id: AnyId = None
    user_id: AnyId = None
    timestamp_micros: int | str | None = None
    user_agent: str | None = None


def key(request: Request) -> str | None:
    """The key as the protocol sends it, in the parameter `api_secret`."""
    return only(request.values("api_secret"))


def read(request: Request, context: Context) -> Batch:
    """The events of a request; raises `malformed_json`, `invalid` or `batch_too_large`."""
    envelope = parse_json(request.body, Envelope)
    if len(envelope.events) > MAX_BATCH:
        message = f"A request holds at most {MAX_BATCH} events; this one holds {len(envelope.events)}."
        raise DomainError("batch_too_large", message)
    of_request = {
        "visitor_id": translating.identifier(envelope.client_id) or translating.identifier(envelope.app_instance_id),
        "user_id": translating.identifier(envelope.user_id),
        "user_agent": (envelope.user_agent or "")[:MAX_AGENT] or None,
    }

    def event_of(raw: msgspec.Raw | bytes, notes: Counter[str]) -> Fields:
        hit = decoded(raw, Hit)
        micros = envelope.timestamp_micros if hit.timestamp_micros is None else hit.timestamp_micros
        return translating.without_none(
            {**of_request, **of_hit(hit, context, notes), "occurred_at": occurred_at(micros)}
        )

    return translating.batch_of(envelope.events, event_of, place_of, context)


def answer(outcome: Accepted, batch: Batch) -> Response:
    """Nothing, as the protocol has it."""
    return Response(204, b"")


def validation(outcome: Accepted, batch: Batch) -> Response:
    """What is wrong with each event that would not be taken."""
    messages = [
        {
            "fieldPath": field_path(each.index, each.pointer),
            "description": each.message,
            "validationCode": CODES.get(each.code, "VALUE_INVALID"),
        }
        for each in batch.rejected
    ]
    return json_response({"validationMessages": messages})


def field_path(index: int, pointer: str) -> str:
    """`events[0].params.items[1].price`, as the protocol writes it."""
    parts = [f"[{part}]" if part.isdecimal() else f".{part}" for part in pointer.split("/")[1:]]
    return "".join(parts)[1:] if pointer in OF_REQUEST else f"events[{index}]{''.join(parts)}"


def of_hit(hit: Hit, context: Context, notes: Counter[str]) -> Fields:
    """An event of the table of names, or of a type that the shop registered, without its visitor and time."""
    if hit.name not in NAMES and hit.name not in translating.own_types(context):
        raise Ignored(hit.name if hit.name in UNUSED else OTHER)
    kind = NAMES.get(hit.name, hit.name)
    params = Params() if bytes(hit.params) in {b"", b"null"} else decoded(hit.params, Params, "/params")
    first = params.items[0] if params.items else Item()
    lists = [params.placement, params.item_list_id, first.item_list_id]
    items = [_line(item, number) for number, item in enumerate(params.items)]
    return {
        "type": kind,
        "items": items or None,
        "event_id": event_id(kind, params, items),
        "order_id": translating.identifier(params.transaction_id),
        "currency": params.currency or None,
        "session_id": translating.identifier(params.session_id),
        "recommendation_id": translating.identifier(params.recommendation_id),
        "placement": next(filter(None, map(translating.identifier, lists)), None),
        "position": position(first.index) if len(items) == 1 else None,
        "properties": translating.rest(hit.params, Params.__struct_fields__, notes),
    }


def _line(item: Item, number: int) -> Fields:
    item_id = translating.identifier(item.item_id)
    if item_id is None:
        raise Drop("missing_field", "The item has no `item_id`.", f"/params/items/{number}/item_id")
    quantity, price = translating.whole(item.quantity), translating.amount(item.price)
    return translating.without_none({"item_id": item_id, "quantity": quantity, "price": price})


def position(index: AnyNumber) -> Any:
    """Our positions begin with 1, an `index` with 0."""
    number = translating.whole(index)
    return number + 1 if isinstance(number, int) else number


def event_id(kind: str, params: Params, items: list[Fields]) -> str | None:
    """An order has one purchase however often it is sent, and one refund of the same items; others have no id."""
    order = translating.identifier(params.transaction_id)
    if order is None or kind not in {EventType.PURCHASE, EventType.REFUND}:
        return None
    lines = msgspec.json.encode(items).decode() if kind == EventType.REFUND else ""
    return str(translating.named_id("ga4", kind, order, lines))


def occurred_at(micros: int | str | None) -> datetime | None:
    """The instant that so many microseconds after 1970 are."""
    if micros is None:
        return None
    try:
        return EPOCH + timedelta(microseconds=int(micros))
    except (OverflowError, ValueError):
        raise Drop("invalid", "`timestamp_micros` is no time.", "/timestamp_micros") from None
