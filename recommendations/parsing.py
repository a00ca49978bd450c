"""A recommendation request's parameters, from a query string or a JSON body."""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from recomengine.lib.decoding import parse_json
from recomengine.lib.errors import DomainError, FieldError
from recomengine.lib.fields import Identifier
from recommendations.types import MAX_LIMIT, Query

LISTS: Final = frozenset({"item_id", "session_items", "exclude"})
SINGLE: Final = frozenset({"placement", "strategy", "visitor_id", "user_id", "limit"})
MAX_ITEMS: Final = 100


class Parameters(msgspec.Struct, forbid_unknown_fields=True):
    """The parameters as JSON; `item_id` may be one id or a list."""

    placement: Identifier = "home"
    strategy: str | None = None
    item_id: Identifier | list[Identifier] = []
    session_items: list[Identifier] = []
    exclude: list[Identifier] = []
    visitor_id: Identifier | None = None
    user_id: Identifier | None = None
    limit: int | None = None


def from_json(body: bytes) -> Query:
    """The query of a POST."""
    return _query(parse_json(body, Parameters))


def from_parameters(pairs: Iterable[tuple[str, str]]) -> Query:
    """The query of a GET; `item_id`, `session_items` and `exclude` may be repeated."""
    found: dict[str, str | list[str]] = {}
    for name, value in pairs:
        if name == "key":  # the caller's, read by the edge
            continue
        if name in LISTS:
            values = found.setdefault(name, [])
            assert isinstance(values, list)
            values.append(value)
        elif name not in SINGLE:
            raise DomainError(
                "unknown_parameter", f"There is no parameter {name[:60]!r}.", errors=[_error(name, "unknown_parameter")]
            )
        elif name in found:
            raise DomainError("invalid", f"`{name}` is given twice.", errors=[_error(name, "repeated")])
        else:
            found[name] = value
    return _query(_convert(found))


def _convert(found: Mapping[str, str | list[str]]) -> Parameters:
    try:
        return msgspec.convert(found, Parameters, strict=False)
    except msgspec.ValidationError as error:
        raise DomainError("invalid", str(error)) from None


def _error(name: str, code: str) -> FieldError:
    return {"pointer": f"/{name[:60]}", "code": code, "message": code.replace("_", " ")}


def _query(given: Parameters) -> Query:
    items = (given.item_id,) if isinstance(given.item_id, str) else tuple(given.item_id)
    for name, values in (("item_id", items), ("session_items", given.session_items), ("exclude", given.exclude)):
        if len(values) > MAX_ITEMS:
            raise DomainError("invalid", f"`{name}` holds at most {MAX_ITEMS} ids.")
    if given.limit is not None and not 1 <= given.limit <= MAX_LIMIT:
        raise DomainError("invalid", f"`limit` is a number from 1 to {MAX_LIMIT}.")
    return Query(
        placement=given.placement,
        strategy=given.strategy,
        items=items,
        session_items=tuple(given.session_items),
        visitor_id=given.visitor_id,
        user_id=given.user_id,
        exclude=frozenset(given.exclude),
        limit=given.limit,
    )
