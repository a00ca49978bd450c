"""Derive sessions from raw interactions."""

from dataclasses import dataclass
from typing import Any, Final

import ibis

from recommendations.algorithms.hashing import hashed
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


def numbered_sessions(interactions: ibis.Table, params: SessionParams = DEFAULT) -> ibis.Table:
    """The same with numbers (`hashing`) instead of names for sessions: several times faster to work with."""
    positive = interactions.filter(interactions.type.isin(params.types), interactions.visitor.notnull())
    return _capped(_whole(_split(_at_moments(_events(positive), params.gap_minutes))), params)


def _events(positive: ibis.Table) -> ibis.Table:
    """One row per event: visit (what a visitor did under one session id, or under none), named, moment, item, units."""
    single = positive.filter(positive.order_id.isnull()).select("visitor", "session", "occurred_at", "item", "quantity")
    lines = positive.filter(positive.order_id.notnull())
    of_order = ibis.window(group_by=["visitor", "order_id"])
    ordered = lines.select(
        "visitor",
        session=ibis.coalesce(lines.session.min().over(of_order), lines.session),
        occurred_at=lines.occurred_at.min().over(of_order),
        item="item",
        quantity="quantity",
    )
    events = ibis.union(single, ordered)
    return events.select(
        "item",
        visit=hashed(events.visitor + "\t" + events.session.fill_null("")),
        named=events.session.notnull(),
        moment="occurred_at",
        units=events.quantity.fill_null(1),
    )


def _at_moments(events: ibis.Table, gap_minutes: int) -> ibis.Table:
    """Each item once a moment, the moments of a visit numbered (`place`); 1 in `starts` where one follows a pause."""
    in_time = ibis.window(group_by="visit", order_by=["moment", "item"])
    alike = ibis.range_window(group_by="visit", order_by=["moment", "item"], preceding=0, following=0)
    # Sorting is what windows cost; these share one sort, and so do those of each function below.
    seen = events.mutate(
        sold=events.units.sum().over(alike),
        last_moment=events.moment.lag().over(in_time),
        last_item=events.item.lag().over(in_time),
        place=ibis.dense_rank().over(ibis.window(group_by="visit", order_by="moment")),
    )
    repeated = (seen.moment == seen.last_moment) & (seen.item == seen.last_item)
    pause = seen.moment.epoch_seconds() - seen.last_moment.epoch_seconds()
    starts = (~seen.named & (pause > gap_minutes * 60)).fill_null(False).cast("int8")
    # Sums are as wide as the engine likes, and everything that is sorted goes to disk when there is much of it.
    units = seen.sold.clip(-MOST_UNITS, MOST_UNITS).cast("int32")
    kept = seen.filter(~repeated.fill_null(False))
    return kept.select("visit", "item", "moment", units=units, starts=starts, place=seen.place.cast("int32"))


def _split(timed: ibis.Table) -> ibis.Table:
    """Give every step the number of its session, and drop those whose item was there at the moment before."""
    # Frames by range: steps of the same moment all see the one among them that follows the pause.
    numbered = timed.mutate(
        number=timed.starts.sum().over(_moments(preceding=None, following=0)),
        first=timed.starts.max().over(_moments(preceding=0, following=0)),
        before=timed.item.collect().over(_moments(preceding=(1, 1))),
    )
    again = (numbered.first == 0) & numbered.before.contains(numbered.item).fill_null(False)
    session = numbered.visit ^ (numbered.number.cast("int32").cast("int64") * SCATTER_FACTOR)
    return numbered.filter(~again).select("item", "units", "moment", "place", session=session)


def _moments(**frame: Any) -> ibis.expr.builders.WindowBuilder:
    """Moments of the same visit, relative to a step's own."""
    return ibis.range_window(group_by="visit", order_by="place", **frame)


def _whole(steps: ibis.Table) -> ibis.Table:
    """Sessions of more than one step, with their end and places counted from it."""
    newest_first = [ibis.desc("place"), ibis.desc("units"), _scattered(steps), "item"]
    by_moment = ibis.window(group_by="session", order_by=ibis.desc("place"))
    counted = steps.mutate(
        length=steps.count().over(ibis.window(group_by="session")),
        ended_at=steps.moment.max().over(ibis.window(group_by="session")),
        moments_after=ibis.dense_rank().over(by_moment),
        steps_after=ibis.rank().over(by_moment),
        row=ibis.row_number().over(ibis.window(group_by="session", order_by=newest_first)),
    )
    whole = counted.filter(counted.length > 1)
    return whole.select(
        "session", "item", "ended_at", "steps_after", row=whole.row.cast("int32"), position=-whole.moments_after
    )


def _capped(steps: ibis.Table, params: SessionParams) -> ibis.Table:
    """Of one moment the lines with most units, and of what is left of a session the last steps."""
    kept = steps.filter(steps.row - steps.steps_after < params.max_at_once)
    in_order = ibis.window(group_by="session", order_by="row")
    last = kept.mutate(back=ibis.row_number().over(in_order)).filter(ibis._.back < params.max_events)
    return last.select(*SESSION_EVENTS.names)


def _scattered(steps: ibis.Table) -> ibis.Value:
    """A number that is the same on every engine and says nothing about which item numbers lie near each other.

    It decides between lines of equal units, differently at each moment, so that no item always loses.
    """
    return (steps.item + steps.moment.epoch_seconds()) % SCATTER_PRIME * SCATTER_FACTOR % SCATTER_PRIME
