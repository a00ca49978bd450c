"""Which events a listing, an export or a page shows: its parameters taken apart, and the query they mean."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from django.db.models import QuerySet
from django.utils.dateparse import parse_datetime

from events.models import Event
from recomengine.lib import clock
from recomengine.lib.errors import DomainError

INDEXED: Final = ("visitor_id", "user_id", "item_id", "order_id", "recommendation_id")
EXACT: Final = ("type", *INDEXED, "session_id")
PARAMETERS: Final = (*EXACT, "flagged", "from", "to")
LONGEST: Final = timedelta(days=31)
"""A session is looked for in so much time at most: no index knows sessions, because every event would pay for it."""
_FLAGGED: Final = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Filter:
    """Events whose columns hold just these values, that occurred in a stretch of time (`until` is not of it).

    `flagged`: only those that trainings and statistics leave out (True), or only the others (False).
    """

    exact: Mapping[str, str] = field(default_factory=dict)
    flagged: bool | None = None
    since: datetime | None = None
    until: datetime | None = None


def parse(parameters: Mapping[str, str], *, also: Collection[str] = ()) -> Filter:
    """The filter that an address asks for, `also` being its other parameters.

    Raises `unknown_parameter`, and `invalid` for what no event can have and for a session without bounds.
    """
    unknown = set(parameters) - set(PARAMETERS) - set(also)
    if unknown:
        raise DomainError("unknown_parameter", f"There is no parameter {', '.join(sorted(unknown))}.")
    if any("\x00" in value for value in parameters.values()):
        raise DomainError("invalid", "No parameter holds a NUL character.")
    flagged = parameters.get("flagged")
    if flagged is not None and flagged not in _FLAGGED:
        raise DomainError("invalid", "`flagged` is true or false.")
    found = Filter(
        {name: parameters[name] for name in EXACT if name in parameters},
        None if flagged is None else _FLAGGED[flagged],
        _instant(parameters, "from"),
        _instant(parameters, "to"),
    )
    check(found)
    return found


def check(wanted: Filter) -> None:
    """Refuse what would read the whole store to find a few rows: raises `invalid`."""
    if "session_id" not in wanted.exact or any(name in wanted.exact for name in INDEXED):
        return
    if wanted.since is None or (wanted.until or clock.now()) - wanted.since > LONGEST:
        raise DomainError(
            "invalid",
            f"With `session_id` send `from` and `to`, at most {LONGEST.days} days apart, or one of "
            f"{', '.join(f'`{name}`' for name in INDEXED)}.",
        )


def matching(wanted: Filter) -> QuerySet[Event]:
    """The rows of the tenant in use that the filter lets pass, newest first."""
    events = Event.objects.filter(**wanted.exact)
    if wanted.flagged is not None:
        events = events.filter(flag__isnull=not wanted.flagged)
    if wanted.since is not None:
        events = events.filter(occurred_at__gte=wanted.since)
    if wanted.until is not None:
        events = events.filter(occurred_at__lt=wanted.until)
    return events


def _instant(parameters: Mapping[str, str], name: str) -> datetime | None:
    if name not in parameters:
        return None
    try:
        instant = parse_datetime(parameters[name])
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise DomainError("invalid", f"`{name}` must be an ISO 8601 instant with an offset, e.g. 2026-11-23T10:00:00Z.")
    return instant
