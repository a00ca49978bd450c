"""Derive sessions from raw interactions."""

from dataclasses import dataclass
from typing import Final

import ibis

from recommendations.algorithms.types import POSITIVE_TYPES, SESSION_EVENTS

SCATTER_PRIME: Final = 2_147_483_647
SCATTER_FACTOR: Final = 1_327_217_885


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
    positive = interactions.filter(interactions.type.isin(params.types), interactions.visitor.notnull())
    steps = _placed(_numbered(_at_moments(_with_order_moment(positive)), params.gap_minutes))
    return _whole(steps, params)


def _with_order_moment(positive: ibis.Table) -> ibis.Table:
    lines = positive.filter(positive.order_id.notnull())
    orders = lines.group_by("visitor", "order_id").agg(
        order_moment=lines.occurred_at.min(), order_session=lines.session.min()
    )
    joined = positive.left_join(orders, ["visitor", "order_id"])
    return joined.select(
        "visitor",
        "item",
        units=joined.quantity.fill_null(1),
        visit=ibis.coalesce(joined.order_session, joined.session),
        moment=ibis.coalesce(joined.order_moment, joined.occurred_at),
    )


def _at_moments(events: ibis.Table) -> ibis.Table:
    return events.group_by("visitor", "visit", "moment", "item").agg(units=events.units.sum())


def _numbered(steps: ibis.Table, gap_minutes: int) -> ibis.Table:
    """Number the sessions of a visit (`number`) and its moments (`place`)."""
    in_time = ibis.window(group_by=["visitor", "visit"], order_by="moment")
    # A frame by range: steps of the same moment all see the one among them that follows the pause.
    up_to_here = ibis.range_window(group_by=["visitor", "visit"], order_by="moment", preceding=None, following=0)
    pause = steps.moment.epoch_seconds() - steps.moment.lag().over(in_time).epoch_seconds()
    timed = steps.mutate(starts=(steps.visit.isnull() & (pause > gap_minutes * 60)).ifelse(1, 0))
    return timed.mutate(number=timed.starts.sum().over(up_to_here), place=ibis.dense_rank().over(in_time))


def _placed(numbered: ibis.Table) -> ibis.Table:
    """Drop consecutive repeats and name the sessions.

    Positions run on through all sessions of a visit, only their differences mean anything.
    """
    of_item = ibis.window(group_by=["visitor", "visit", "number", "item"], order_by="place")
    before = numbered.mutate(last_place=numbered.place.lag().over(of_item))
    kept = before.filter(before.last_place.isnull() | (before.place - before.last_place > 1))
    position = ibis.dense_rank().over(ibis.window(group_by=["visitor", "visit"], order_by="moment"))
    # Ids are printable, so a tab cannot occur in one: two different sessions never share a key.
    name = ibis.coalesce(ibis.literal("id\t") + kept.visit, ibis.literal("gap\t") + kept.number.cast("string"))
    return kept.select("item", "moment", "units", position=position, session=kept.visitor + "\t" + name)


def _whole(steps: ibis.Table, params: SessionParams) -> ibis.Table:
    most_units_first = [ibis.desc("units"), _scattered(steps), "item"]
    whole = ibis.window(group_by="session")
    counted = steps.mutate(
        length=steps.count().over(whole),
        ended_at=steps.moment.max().over(whole),
        line=ibis.row_number().over(ibis.window(group_by=["session", "position"], order_by=most_units_first)),
    )
    kept = counted.filter(counted.length > 1, counted.line < params.max_at_once)
    newest_first = ibis.window(group_by="session", order_by=[ibis.desc("position"), "line"])
    last = kept.mutate(place=ibis.row_number().over(newest_first)).filter(ibis._.place < params.max_events)
    return last.select(*SESSION_EVENTS.names).cast(SESSION_EVENTS)


def _scattered(steps: ibis.Table) -> ibis.Value:
    """A number that is the same on every engine and says nothing about which item numbers lie near each other.

    It decides between lines of equal units, differently at each moment, so that no item always loses.
    """
    return (steps.item + steps.moment.epoch_seconds()) % SCATTER_PRIME * SCATTER_FACTOR % SCATTER_PRIME
