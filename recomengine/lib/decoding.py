"""Decoding JSON into msgspec structs with errors that name the place."""

import json
import re
from typing import Any, TypeVar

import msgspec

from recomengine.lib.errors import DomainError, FieldError

T = TypeVar("T")

_PLACE = re.compile(r"^(?P<message>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")
_NAMED = re.compile(r"`([^`]*)` (?:must|has)")
_MISSING = re.compile(r"missing required field `([^`]*)`")


def given(sent: msgspec.Struct) -> dict[str, Any]:
    """The fields that were sent, of a struct whose others are UNSET."""
    return {name: value for name, value in msgspec.structs.asdict(sent).items() if value is not msgspec.UNSET}


class Rejection(msgspec.Struct, frozen=True):
    """A row of a batch that was not taken, and why."""

    index: int
    code: str
    message: str
    pointer: str = ""


def rows_of(body: bytes, name: str, limit: int) -> list[msgspec.Raw]:
    """The undecoded rows of a batch: `{"<name>": […]}`, or a bare array.

    Raises `malformed_json`, `invalid` (not a batch) or `batch_too_large`.
    """
    batch: Any = parse_json(body, list[msgspec.Raw] | dict[str, msgspec.Raw])
    if isinstance(batch, dict):
        if set(batch) != {name}:
            raise DomainError("invalid", f'Send {{"{name}": [...]}} and nothing beside it.')
        batch = parse_json(bytes(batch[name]), list[msgspec.Raw], f"/{name}")
    rows: list[msgspec.Raw] = batch
    if len(rows) > limit:
        raise DomainError("batch_too_large", f"A batch holds at most {limit} {name}; this one holds {len(rows)}.")
    return rows


def parse_json(body: bytes, kind: Any, pointer: str = "") -> Any:
    """The body as `kind`; raises `malformed_json`, or `invalid` with the pointer of the wrong value."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise DomainError("invalid", errors=[field_error(error, pointer)]) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        mended = without_half_characters(body)
        if mended is None:
            raise DomainError("malformed_json", str(error)) from error
        return parse_json(mended, kind, pointer)


def without_half_characters(body: bytes) -> bytes | None:
    """The JSON with U+FFFD for each half of a surrogate pair; None if that is not what is wrong with it.

    JavaScript leaves such halves where it cuts a text inside an emoji, and one of them must not sink a whole batch.
    """
    try:
        text = json.dumps(json.loads(body), ensure_ascii=False)
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
    except (ValueError, RecursionError):
        return None
    return None


def field_error(error: msgspec.ValidationError, prefix: str = "") -> FieldError:
    """What msgspec found wrong, as pointer, code and sentence."""
    found = _PLACE.match(str(error))
    message, path = (found["message"], found["path"] or "$") if found else (str(error), "$")
    pointer = prefix + pointer_of(path)
    for pattern, code in ((_UNKNOWN, "unknown_field"), (_MISSING, "missing_field")):
        named = pattern.search(message)
        if named:
            return {"pointer": f"{pointer}/{named[1]}", "code": code, "message": message}
    named = _NAMED.match(message)
    return {"pointer": f"{pointer}/{named[1]}" if named else pointer, "code": "invalid", "message": message}


def pointer_of(path: str) -> str:
    """msgspec's `$.items[0].price` as the RFC 6901 pointer `/items/0/price`."""
    return re.sub(r"\[(\d+)\]", r"/\1", path.removeprefix("$").replace(".", "/")).replace("[...]", "")
