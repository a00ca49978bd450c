"""Derive sessions from raw interactions."""

from dataclasses import dataclass
from typing import Final

import ibis

from recommendations.algorithms.types import POSITIVE_TYPES, SESSION_EVENTS


@dataclass(frozen=True, slots=True)
class SessionParams:
    """What counts as one session.

    `gap_minutes`: a pause longer than this starts a new session where the shop sends no session id. `max_events`: only
    the last so many steps of a session are kept, because pairs grow with the square of its length and one crawler would
    otherwise cost more than all people together.
    """

    types: tuple[str, ...] = POSITIVE_TYPES
    gap_minutes: int = 30
    max_events: int = 200


DEFAULT: Final = SessionParams()


def sessions(interactions: ibis.Table, params: SessionParams = DEFAULT) -> ibis.Table:
    """Turn interactions (INTERACTIONS) into ordered sessions (SESSION_EVENTS).

    An explicit session id holds within its visitor; elsewhere a pause splits. All lines of an order share the session
    and the moment of its first line. Steps are ordered by time, then by item number (rows equal in both are
    interchangeable). Consecutive repeats of an item count once; sessions of one step are dropped.
    """
    positive = interactions.filter(interactions.type.isin(params.types), interactions.visitor.notnull())
    return _whole(_numbered(_steps(_with_order_moment(positive), params.gap_minutes)), params.max_events)


def _with_order_moment(positive: ibis.Table) -> ibis.Table:
    lines = positive.filter(positive.order_id.notnull())
    orders = lines.group_by("visitor", "order_id").agg(
        order_moment=lines.occurred_at.min(), order_session=lines.session.min()
    )
    joined = positive.left_join(orders, ["visitor", "order_id"])
    return joined.select(
        "visitor",
        "item",
        visit=ibis.coalesce(joined.order_session, joined.session),
        moment=ibis.coalesce(joined.order_moment, joined.occurred_at),
    )


def _steps(events: ibis.Table, gap_minutes: int) -> ibis.Table:
    """Mark where sessions start (`starts` 1) and drop consecutive repeats within one."""
    in_time = ibis.window(group_by=["visitor", "visit"], order_by=["moment", "item"])
    before = events.mutate(last_moment=events.moment.lag().over(in_time), last_item=events.item.lag().over(in_time))
    pause = before.moment.epoch_seconds() - before.last_moment.epoch_seconds()
    starts = before.last_item.isnull() | (before.visit.isnull() & (pause > gap_minutes * 60))
    marked = before.mutate(starts=starts.ifelse(1, 0))
    return marked.filter((marked.starts == 1) | (marked.item != marked.last_item))


def _numbered(steps: ibis.Table) -> ibis.Table:
    """Name the sessions; positions run on through all sessions of a visitor, only their differences mean anything."""
    in_time = ibis.window(group_by=["visitor", "visit"], order_by=["moment", "item"])
    up_to_here = ibis.window(group_by=["visitor", "visit"], order_by=["moment", "item"], preceding=None, following=0)
    numbered = steps.mutate(number=steps.starts.sum().over(up_to_here), position=ibis.row_number().over(in_time))
    # Ids are printable, so a tab cannot occur in one: two different sessions never share a key.
    name = ibis.coalesce(ibis.literal("id\t") + numbered.visit, ibis.literal("gap\t") + numbered.number.cast("string"))
    return numbered.select("item", "moment", "position", session=numbered.visitor + "\t" + name)


def _whole(steps: ibis.Table, max_events: int) -> ibis.Table:
    whole = ibis.window(group_by="session")
    counted = steps.mutate(
        first=steps.position.min().over(whole),
        last=steps.position.max().over(whole),
        ended_at=steps.moment.max().over(whole),
    )
    kept = counted.filter(counted.last > counted.first, counted.position > counted.last - max_events)
    return kept.select(*SESSION_EVENTS.names).cast(SESSION_EVENTS)
