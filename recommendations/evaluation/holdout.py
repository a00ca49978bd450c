"""Divide a log by time: what training may see, and what it is judged on."""

from datetime import datetime
from typing import Any, Final, NamedTuple

import ibis
import pyarrow.compute as pc

HELD_OUT_SHARE: Final = 0.1
ENOUGH_SESSIONS: Final = 20_000


class Divided(NamedTuple):
    """Two parts of one table, of the same columns: nothing in `training` happened after anything in `held_out`."""

    training: ibis.Table
    held_out: ibis.Table


def split_moment(steps: ibis.Table, share: float = HELD_OUT_SHARE, at_most: int = ENOUGH_SESSIONS) -> datetime | None:
    """The moment after which the newest `share` of the sessions (SESSION_EVENTS), but at most so many, ended.

    More sessions than are needed for judging would only make the training older than it has to be. Sessions that ended
    at one moment stay together, on the older side. None if there is nothing to hold out: too few sessions, or all
    ended at the same moment. The expression is executed.
    """
    ends = steps.group_by("session").agg(ended_at=steps.ended_at.max()).ended_at.to_pyarrow().drop_null()
    held = min(int(len(ends) * share), at_most)
    newest = ends.take(pc.top_k_unstable(ends, held + 1)).to_pylist() if held else []
    if not held or newest[0] == newest[held]:
        return None
    moment: datetime = newest[held]
    return moment


def divide(interactions: ibis.Table, moment: datetime) -> Divided:
    """Cut interactions (INTERACTIONS) at a moment, which itself belongs to training.

    A session that was under way is cut in two, so training sees what a model trained at that moment would have seen. An
    order is held out only as a whole: the later lines of one that training has seen a part of are in neither.
    """
    before = interactions.filter(_up_to(interactions.occurred_at, moment))
    after = interactions.filter(~_up_to(interactions.occurred_at, moment))
    begun = before.filter(before.order_id.notnull()).select("visitor", "order_id").distinct()
    return Divided(before, after.anti_join(begun, ["visitor", "order_id"]))


def divide_sessions(steps: ibis.Table, moment: datetime) -> Divided:
    """Cut sessions (SESSION_EVENTS) by their end, each whole on one side; for logs that know no more than that.

    A held-out session may have begun before the moment. With interactions at hand `divide` is the better way.
    """
    ended = _up_to(steps.ended_at, moment)
    return Divided(steps.filter(ended), steps.filter(~ended))


def _up_to(column: Any, moment: datetime) -> Any:
    return column <= ibis.literal(moment, column.type())
