"""A recommendation request's parameters, from a query string or a JSON body."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

import msgspec

from catalog.filters import Filter, parse, parse_text
from catalog.matching import Facts
from recomengine.lib.decoding import given, parse_json
from recomengine.lib.errors import DomainError, FieldError
from recomengine.lib.fields import Currency, Identifier
from recommendations.types import MAX_LIMIT, Query

LISTS: Final = frozenset({"item_id", "session_items", "exclude", "fields"})
SINGLE: Final = frozenset(
    {
        "placement", "strategy", "visitor_id", "user_id", "limit", "filter", "diversity", "currency", "locale",
        "explain", "why_not", "after",
    }
)  # fmt: skip
MAX_ITEMS: Final = 100
MAX_SLATES: Final = 10
FIELDS: Final = tuple(Facts.__struct_fields__)
"""What of a product can be asked for alone."""
Locale = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8})*\Z", max_length=35)]


class Parameters(msgspec.Struct, forbid_unknown_fields=True):
    """The parameters as JSON; `item_id` may be one id or a list, `filter` JSON or, in a query string, its text."""

    placement: Identifier = "home"
    strategy: str | None = None
    item_id: Identifier | list[Identifier] = []
    session_items: list[Identifier] = []
    exclude: list[Identifier] = []
    visitor_id: Identifier | None = None
    user_id: Identifier | None = None
    limit: int | None = None
    filter: dict[str, Any] | str | None = None
    diversity: float | None = None
    currency: Currency | None = None
    locale: Locale | None = None
    fields: list[str] = []
    explain: bool = False
    why_not: Identifier | None = None
    after: Identifier | None = None


class BatchParameters(msgspec.Struct, forbid_unknown_fields=True):
    """Several placements of one page; what stands beside `requests` holds for each that says nothing else."""

    requests: list[dict[str, Any]]
    item_id: Any = msgspec.UNSET
    session_items: Any = msgspec.UNSET
    exclude: Any = msgspec.UNSET
    visitor_id: Any = msgspec.UNSET
    user_id: Any = msgspec.UNSET
    filter: Any = msgspec.UNSET
    currency: Any = msgspec.UNSET
    locale: Any = msgspec.UNSET
    fields: Any = msgspec.UNSET
    explain: Any = msgspec.UNSET


def from_json(body: bytes) -> Query:
    """The query of a POST."""
    return _query(parse_json(body, Parameters))


def from_batch(body: bytes) -> list[Query]:
    """The queries of a batch, in their order; raises `invalid` or `batch_too_large`."""
    sent = parse_json(body, BatchParameters)
    if not sent.requests:
        raise DomainError("invalid", "A batch holds at least one request.", errors=[_error("requests", "empty")])
    if len(sent.requests) > MAX_SLATES:
        message = f"A batch holds at most {MAX_SLATES} requests; this one holds {len(sent.requests)}."
        raise DomainError("batch_too_large", message)
    common = given(sent)
    del common["requests"]
    queries = []
    for place, one in enumerate(sent.requests):
        try:
            queries.append(_query(_convert({**common, **one}, strict=True)))
        except DomainError as error:
            raise DomainError(error.code, f"requests[{place}]: {error.detail}", errors=error.errors) from error
    return queries


def from_parameters(pairs: Iterable[tuple[str, str]]) -> Query:
    """The query of a GET; `item_id`, `session_items`, `exclude` and `fields` may be repeated."""
    found: dict[str, str | list[str]] = {}
    for name, value in pairs:
        if name == "key":  # the caller's, read by the edge
            continue
        if name in LISTS:
            values = found.setdefault(name, [])
            assert isinstance(values, list)
            values += value.split(",") if name == "fields" else [value]
        elif name not in SINGLE:
            raise DomainError(
                "unknown_parameter", f"There is no parameter {name[:60]!r}.", errors=[_error(name, "unknown_parameter")]
            )
        elif name in found:
            raise DomainError("invalid", f"`{name}` is given twice.", errors=[_error(name, "repeated")])
        else:
            found[name] = value
    return _query(_convert(found, strict=False))


def _convert(found: Mapping[str, Any], *, strict: bool) -> Parameters:
    try:
        return msgspec.convert(found, Parameters, strict=strict)
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
    if given.diversity is not None and not 0 <= given.diversity <= 1:
        raise DomainError("invalid", "`diversity` is a number from 0 to 1.")
    return Query(
        placement=given.placement,
        strategy=given.strategy,
        items=items,
        session_items=tuple(given.session_items),
        visitor_id=given.visitor_id,
        user_id=given.user_id,
        exclude=frozenset(given.exclude),
        limit=given.limit,
        filter=_filter(given.filter),
        diversity=given.diversity,
        currency=given.currency,
        locale=given.locale,
        fields=_fields(given.fields),
        explain=given.explain,
        why_not=given.why_not,
        after=given.after,
    )


def _filter(given: dict[str, Any] | str | None) -> Filter | None:
    if given is None:
        return None
    return parse_text(given, "/filter") if isinstance(given, str) else parse(given, "/filter")


def _fields(given: list[str]) -> tuple[str, ...]:
    for name in given:
        if name not in FIELDS:
            message = f"A product has no field {name[:60]!r}; it has {', '.join(FIELDS)}."
            raise DomainError("invalid", message, errors=[_error("fields", "unknown_field")])
    return tuple(dict.fromkeys(given))
