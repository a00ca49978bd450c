"""What the doors for other makers' formats share: foreign messages become our events, and run through our steps."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, TypeVar
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec

from events import ingest
from events.ingest import Batch, Context, Drop
from events.types import BUILT_IN, MAX_PROPERTIES_BYTES
from recomengine.lib.decoding import Rejection, parse_json
from recomengine.lib.errors import DomainError
from recomengine.lib.fields import MAX_AMOUNT

T = TypeVar("T")
Fields = dict[str, Any]
AnyId = str | int | None
AnyNumber = str | int | float | None

MAX_DIGITS: Final = 12
IGNORED: Final = "ignored:"
NAMESPACE: Final = uuid5(NAMESPACE_URL, "https://recomengine.dev/events")
_WORDS: Final = re.compile(r"[^0-9a-zA-Z]+|(?<=[0-9a-z])(?=[A-Z])")
_DIGITS: Final = re.compile(rf"[0-9]{{1,{MAX_DIGITS}}}\Z")
_LINE: Final = re.compile(r"/items/(\d+)(/.*)?\Z", re.DOTALL)


class Ignored(Exception):
    """A message that is right and that we have no use for; `name` is what it is counted as."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def batch_of(
    messages: Sequence[msgspec.Raw | bytes],
    event_of: Callable[[msgspec.Raw | bytes, Counter[str]], Fields],
    place_of: Callable[[str], str],
    context: Context,
) -> Batch:
    """The messages as a batch of ours; refusals name the sender's index, and the place in the sender's words.

    `event_of` makes an event of a message, or raises Drop or Ignored, which is counted; it may add notes of its own.
    """
    taken: list[tuple[int, bytes]] = []
    refused: list[Rejection] = []
    notes: Counter[str] = Counter()
    for index, message in enumerate(messages):
        try:
            taken.append((index, msgspec.json.encode(event_of(message, notes))))
        except Drop as drop:
            refused.append(Rejection(index, drop.code, drop.message, drop.pointer))
        except Ignored as found:
            notes[IGNORED + found.name] += 1
    batch = ingest.from_rows([event for _, event in taken], context)
    refused += [
        Rejection(taken[each.index][0], each.code, each.message, place_of(each.pointer)) for each in batch.rejected
    ]
    batch.rejected = sorted(refused, key=lambda each: each.index)
    batch.raw = {taken[index][0]: raw for index, raw in batch.raw.items()}
    batch.notes += notes
    return batch


def decoded(raw: msgspec.Raw | bytes, kind: type[T], pointer: str = "") -> T:
    """A part of a message as a struct; raises Drop with the place of the wrong value."""
    try:
        found: T = parse_json(bytes(raw), kind, pointer)
    except DomainError as error:
        [wrong] = error.errors or [{"pointer": pointer, "code": "malformed_json", "message": error.detail}]
        raise Drop(wrong["code"], wrong["message"], wrong["pointer"]) from None
    return found


def own_types(context: Context) -> Collection[str]:
    """The types that the shop registered; a foreign event may not pass for one of ours by its name."""
    return context.types.keys() - BUILT_IN.keys()


def snake_cased(name: str) -> str:
    """`Quiz Finished`, `quizFinished` and `quiz-finished` as `quiz_finished`."""
    return "_".join(filter(None, _WORDS.split(name[:200]))).lower()


def identifier(value: AnyId) -> str | None:
    """An id as text; numbers are written out, and an empty one is none."""
    return None if value is None or value == "" else str(value)


def whole(value: AnyNumber) -> Any:
    """A number that ought to be whole as such: `2`, `2.0` and `"2"` are 2; anything else is left for the steps."""
    if isinstance(value, str):
        return int(value) if _DIGITS.match(value) else value
    return int(value) if isinstance(value, float) and value.is_integer() else value


def amount(value: AnyNumber) -> Any:
    """A price; a number is rounded to the four places that are kept, for `0.1 + 0.2` is 0.30000000000000004."""
    return round(value, 4) if isinstance(value, float) and abs(value) < MAX_AMOUNT else value


def without_none(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if value is not None}


def rest(raw: msgspec.Raw, known: Collection[str], notes: Counter[str]) -> msgspec.Raw | None:
    """What a message says beside the fields that have a place of their own; None if that is nothing, or too much.

    The latter is noted: an order is worth more than its remarks.
    """
    if bytes(raw) in {b"", b"null"}:
        return None
    left = {name: value for name, value in decoded(raw, dict[str, msgspec.Raw]).items() if name not in known}
    encoded = msgspec.json.encode(left)
    if len(encoded) > MAX_PROPERTIES_BYTES:
        notes["properties_left_out"] += 1
        return None
    return msgspec.Raw(encoded) if left else None


def named_id(*parts: str) -> UUID:
    """An id that the same parts always have."""
    return uuid5(NAMESPACE, msgspec.json.encode(parts).decode())


def moved(pointer: str, fields: Mapping[str, str], lines: str, line_fields: Mapping[str, str]) -> str:
    """A pointer into an event of ours as one into the message that it was made of.

    `fields` and `line_fields` name the sender's word for ours, `lines` is where the sender's list of products is.
    """
    line = _LINE.match(pointer)
    if line is None:
        return fields.get(pointer, pointer)
    within = line[2] or ""
    return f"{lines}/{line[1]}{line_fields.get(within, within)}"
