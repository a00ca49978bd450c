"""Derive sessions from raw interactions."""

from dataclasses import dataclass
from typing import Final

import ibis

from recommendations.algorithms.hashing import hashed
from recommendations.algorithms.parts import InParts, as_a_whole
from recommendations.algorithms.types import POSITIVE_TYPES, SESSION_EVENTS

SCATTER_PRIME: Final = 2_147_483_647
SCATTER_FACTOR: Final = 1_327_217_885
MOST_UNITS: Final = 1_000_000_000  # of a line; more make no difference


@dataclass(frozen=True, slots=True)
class SessionParams:
    """What counts as one session.

    `gap_minutes`: a pause longer than this starts a new session where the shop sends no session id. `max_at_once`: of
    steps at one moment (the lines of an order) only so many are kept, most units first; `max_events`: of a session only
    the last so many. Pairs grow with the square, and one crawler or wholesaler would otherwise cost more than all
    people together. Both are at least 2.
    """

    types: tuple[str, ...] = POSITIVE_TYPES
    gap_minutes: int = 30
    max_at_once: int = 100
    max_events: int = 200


DEFAULT: Final = SessionParams()


def sessions(interactions: ibis.Table, params: SessionParams = DEFAULT) -> ibis.Table:
    """Turn interactions (INTERACTIONS) into sessions (SESSION_EVENTS).

    An explicit session id holds within its visitor; elsewhere a pause splits. All lines of an order share the session
    and the moment of its first line. `position` counts the moments of a session: what happened at the same moment has
    no order and shares one. An item counts once at a moment, and once at consecutive moments; sessions of one step are
    dropped.
    """
    return numbered_sessions(interactions, params).cast(SESSION_EVENTS)


def numbered_sessions(
    interactions: ibis.Table, params: SessionParams = DEFAULT, in_parts: InParts = as_a_whole
) -> ibis.Table:
    """The same with numbers (`hashing`) instead of names for sessions: several times faster to work with.

    `in_parts` divides a large log by visits, so that each part is sorted in memory.
    """
    return in_parts("sessions", _visits(interactions, params), "visit", lambda part: _of_visits(part, params))


def _visits(interactions: ibis.Table, params: SessionParams) -> ibis.Table:
    """One row per event, with a number for the visit: what a visitor did under one session id, or under none."""
    positive = interactions.filter(interactions.type.isin(params.types), interactions.visitor.notnull())
    single = positive.filter(positive.order_id.isnull())
    return ibis.union(_hashed(single), _hashed(_ordered(positive.filter(positive.order_id.notnull()))))


def _of_visits(events: ibis.Table, params: SessionParams) -> ibis.Table:
    """The sessions of some visits, all events of which are there."""
    named = events.filter(events.is_named).select("item", "moment", "units", session="visit")
    unnamed = _split(events.filter(~events.is_named), params.gap_minutes)
    return _returning(_capped(_whole(_new(_at_moments(ibis.union(named, unnamed)))), params))


def _ordered(lines: ibis.Table) -> ibis.Table:
    """The lines of orders, with the session and the moment of their order."""
    of_order = ibis.window(group_by=["visitor", "order_id"])
    return lines.mutate(
        session=ibis.coalesce(lines.session.min().over(of_order), lines.session),
        occurred_at=lines.occurred_at.min().over(of_order),
    )


def _hashed(events: ibis.Table) -> ibis.Table:
    return events.select(
        "item",
        moment="occurred_at",
        visit=hashed(events.visitor + "\t" + events.session.fill_null("")),
        is_named=events.session.notnull(),
        units=events.quantity.fill_null(1),
    )


def _split(unnamed: ibis.Table, gap_minutes: int) -> ibis.Table:
    """Give every event without a session id the number of a session that begins after a pause."""
    last_moment = unnamed.moment.lag().over(ibis.window(group_by="visit", order_by="moment"))
    pause = unnamed.moment.epoch_seconds() - last_moment.epoch_seconds()
    timed = unnamed.mutate(starts=(pause > gap_minutes * 60).fill_null(False).cast("int8"))
    # A frame by range: events of the same moment all see the one among them that follows the pause.
    so_far = ibis.range_window(group_by="visit", order_by="moment", preceding=None, following=0)
    number = timed.starts.sum().over(so_far).cast("int32").cast("int64")
    return timed.select("item", "moment", "units", session=timed.visit ^ (number * SCATTER_FACTOR))


def _at_moments(events: ibis.Table) -> ibis.Table:
    """Each item once a moment, the moments of a session numbered (`place`)."""
    in_time = ibis.window(group_by="session", order_by=["moment", "item"])
    alike = ibis.range_window(group_by="session", order_by=["moment", "item"], preceding=0, following=0)
    # Sorting is what windows cost; these share one sort, and so do those of each function below.
    seen = events.mutate(
        sold=events.units.sum().over(alike),
        last_moment=events.moment.lag().over(in_time),
        last_item=events.item.lag().over(in_time),
        place=ibis.dense_rank().over(ibis.window(group_by="session", order_by="moment")),
    )
    repeated = (seen.moment == seen.last_moment) & (seen.item == seen.last_item)
    # Sums are as wide as the engine likes, and everything that is sorted goes to disk when there is much of it.
    units = seen.sold.clip(-MOST_UNITS, MOST_UNITS).cast("int32")
    kept = seen.filter(~repeated.fill_null(False))
    return kept.select("session", "item", "moment", units=units, place=seen.place.cast("int32"))


def _new(steps: ibis.Table) -> ibis.Table:
    """The steps whose item was not there at the moment before."""
    before = steps.select("session", "item", place=(steps.place + 1).cast("int32"))
    return steps.anti_join(before, ["session", "item", "place"])


def _whole(steps: ibis.Table) -> ibis.Table:
    """Sessions of more than one step, with their `length` and end, and their moments counted from it."""
    of_session = ibis.window(group_by="session")
    counted = steps.mutate(
        length=steps.count().over(of_session).cast("int32"),
        ended_at=steps.moment.max().over(of_session),
        moments_after=ibis.dense_rank().over(ibis.window(group_by="session", order_by=ibis.desc("place"))),
    )
    whole = counted.filter(counted.length > 1)
    return whole.select(
        "session", "item", "units", "moment", "length", "ended_at", position=-whole.moments_after.cast("int32")
    )


def _capped(whole: ibis.Table, params: SessionParams) -> ibis.Table:
    """Of one moment the lines with most units, and of what is left of a session the last steps."""
    surely_kept = min(params.max_at_once, params.max_events)
    short, long = whole.filter(whole.length <= surely_kept), whole.filter(whole.length > surely_kept)
    newest_first = [ibis.desc("position"), ibis.desc("units"), _scattered(long), "item"]
    ranked = long.mutate(
        steps_after=ibis.rank().over(ibis.window(group_by="session", order_by=ibis.desc("position"))),
        row=ibis.row_number().over(ibis.window(group_by="session", order_by=newest_first)),
    )
    kept = ranked.filter(ranked.row - ranked.steps_after < params.max_at_once)
    in_order = ibis.window(group_by="session", order_by="row")
    last = kept.mutate(back=ibis.row_number().over(in_order)).filter(ibis._.back < params.max_events)
    columns = ["session", "position", "item", "ended_at"]
    return ibis.union(short.select(*columns), last.select(*columns))


def _returning(steps: ibis.Table) -> ibis.Table:
    often = steps.group_by("session", "item").having(ibis._.count() > 1).agg().select("session").distinct()
    joined = steps.left_join(often.mutate(found=True), "session")
    return joined.select(*steps.columns, returns=joined.found.notnull())


def _scattered(steps: ibis.Table) -> ibis.Value:
    """A number that is the same on every engine and says nothing about which item numbers lie near each other.

    It decides between lines of equal units, differently at each moment, so that no item always loses.
    """
    return (steps.item + steps.moment.epoch_seconds()) % SCATTER_PRIME * SCATTER_FACTOR % SCATTER_PRIME
