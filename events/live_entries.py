"""What the live stream shows of a request's events: one entry a request in a capped Redis stream, `{slug}:stream`.

While somebody watches, all that comes in is added; otherwise only what was refused, so that a look afterwards shows
why. Nothing of it is a fact: the stream ends with Redis, and a day after the last entry.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, Final

import msgspec

from events.ingest import RAW_KEPT, Batch
from events.types import EventIn, EventRow
from recomengine.lib import naming, redis
from recomengine.lib.decoding import Rejection
from recomengine.lib.errors import DomainError

ACCEPTED: Final = "accepted"
DUPLICATE: Final = "duplicate"
FLAGGED: Final = "flagged"
REJECTED: Final = "rejected"
OUTCOMES: Final = (ACCEPTED, DUPLICATE, REJECTED, FLAGGED)
FIELD: Final = "e"
MAX_ENTRIES: Final = 500  # requests, about
MAX_SHOWN: Final = 100  # events of a request
MAX_REJECTED: Final = RAW_KEPT
MAX_LINES: Final = 5
MAX_VALUE: Final = 128  # characters
KEPT: Final = 86_400  # seconds
# Names of fields only are shown of `properties` and of what we do not know: anything may stand there.
_SHOWN: Final = frozenset(EventIn.__struct_fields__) - {"properties", "user_agent", "items"}
_PRIVATE: Final = frozenset({"no_consent"})
Command = tuple[str | int | float, ...]
Entry = dict[str, Any]


def stream_key(slug: str) -> str:
    return naming.key(slug, "stream")


def forget(slug: str) -> None:
    """Empty a tenant's stream, whoever is in it: an event that was rejected may name somebody anywhere."""
    redis.client().delete(stream_key(slug))


def commands(
    slug: str, stored: Sequence[Sequence[EventRow]], batch: Batch, *, door: str, now: datetime, watched_until: int
) -> list[Command]:
    """The Redis commands that tell the stream of a request; `door` is the address it came to."""
    shown = [rejected(batch, rejection) for rejection in batch.rejected[:MAX_REJECTED]]
    of_request = len(batch.rejected)
    if watched_until and now.timestamp() < watched_until:
        shown += islice(outcomes(stored, batch), MAX_SHOWN - len(shown))
        of_request += len(batch.events)
    return added(slug, shown, of_request - len(shown), door, now) if shown else []


def refused(slug: str, error: DomainError, door: str, now: datetime) -> list[Command]:
    """The same of a request that was refused as a whole, because it held no events that could be read."""
    pointer, message = "", error.detail or str(error)
    for place in error.errors[:1]:
        pointer, message = place["pointer"], place["message"]
    entry = {"outcome": REJECTED, "code": error.code, "message": message, "pointer": pointer}
    return added(slug, [entry], 0, door, now)


def added(slug: str, shown: Sequence[Entry], more: int, door: str, now: datetime) -> list[Command]:
    """The commands that add one entry to the stream; `more` events of the request are not in it."""
    told = {"at": now, "door": door, "events": shown, "more": more}
    key = stream_key(slug)
    return [
        ("XADD", key, "MAXLEN", "~", MAX_ENTRIES, "*", FIELD, msgspec.json.encode(told).decode()),
        ("EXPIRE", key, KEPT),
    ]


def rejected(batch: Batch, rejection: Rejection) -> Entry:
    """An event that was not taken, with the reason."""
    told: Entry = {
        "outcome": REJECTED,
        "code": rejection.code,
        "message": rejection.message,
        "pointer": rejection.pointer,
        "index": rejection.index,
    }
    raw = batch.raw.get(rejection.index)
    return told if raw is None else told | extract(raw, rejection.code in _PRIVATE)


def extract(raw: bytes, private: bool = False) -> Entry:
    """What is shown of a rejected event: short values of the fields we know, and the names of the others.

    Of a `private` one, whose visitor did not consent, only the type.
    """
    try:
        fields = msgspec.json.decode(raw, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    if private:
        return {"type": _short(fields.get("type"))}
    shown: Entry = {name: _short(value) for name, value in fields.items() if name in _SHOWN and value is not None}
    items = fields.get("items")
    if isinstance(items, list):
        shown |= {"items": [_short(_item_id(line)) for line in items[:MAX_LINES]], "lines": len(items)}
    others = [name[:MAX_VALUE] for name in fields if name not in EventIn.__struct_fields__]
    properties = fields.get("properties")
    names = [name[:MAX_VALUE] for name in properties][:20] if isinstance(properties, dict) else []
    return shown | ({"unknown": others[:20]} if others else {}) | ({"properties": names} if names else {})


def _item_id(line: Any) -> Any:
    return line.get("item_id") if isinstance(line, dict) else line


def _short(value: Any) -> str | None:
    if value is None:
        return None
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= MAX_VALUE else f"{text[: MAX_VALUE - 1]}…"


def outcomes(stored: Sequence[Sequence[EventRow]], batch: Batch) -> Iterator[Entry]:
    """The events that passed every step, in the order in which they came."""
    new = {event[0].event_id for event in stored}
    for event in batch.events:
        known = event[0].event_id not in new
        new.discard(event[0].event_id)  # the same id a second time in one request is a duplicate
        yield taken(event, DUPLICATE if known else FLAGGED if event[0].flag else ACCEPTED)


def taken(event: Sequence[EventRow], outcome: str) -> Entry:
    """What is shown of an event that passed: its columns without properties, and the ids of its first items."""
    first = event[0]
    entry: Entry = {"outcome": outcome, "event_id": str(first.event_id), "type": first.type}
    names = (
        "occurred_at", "visitor_id", "user_id", "session_id", "order_id", "currency", "recommendation_id", "placement",
        "position", "consent", "flag",
    )  # fmt: skip
    entry |= {name: value for name in names if (value := getattr(first, name)) is not None}
    items = [row.item_id for row in event[:MAX_LINES] if row.item_id is not None]
    return entry | ({"items": items, "lines": len(event)} if items else {})


def of_visitors(slug: str, ids: Collection[str]) -> list[Entry]:
    """The events in the stream that name one of these ids as visitor or user."""
    entries: Any = redis.client().xrange(stream_key(slug))
    events = (event for _, fields in entries for event in msgspec.json.decode(fields[FIELD.encode()])["events"])
    return [event for event in events if event.get("visitor_id") in ids or event.get("user_id") in ids]
