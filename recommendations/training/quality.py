"""How good a model is: its twin is asked about time that the twin has not seen.

Where pipeline, strategies and evaluation meet; the measures are those of `recommendations.evaluation`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

import ibis

from catalog.reading import ItemContent
from recommendations.algorithms import baskets, sessions
from recommendations.evaluation import cases, holdout, judging, metrics
from recommendations.evaluation.cases import Draw
from recommendations.evaluation.judging import Decision
from recommendations.evaluation.metrics import Catalogue
from recommendations.evaluation.runner import Results, evaluate
from recommendations.evaluation.types import Case, Quality
from recommendations.releases.modelstore import Twin
from recommendations.releases.packed_tables import MemoryTables, in_memory
from recommendations.training import building, choosing
from recommendations.training.building import Events
from recommendations.training.choosing import Choice
from recommendations.training.offline import recommender

K: Final = 20
JUDGED: Final = "session"
"""The strategy by which a model is compared with the live one."""
POPULAR: Final = "popular"
DRAW: Final = Draw(novel=True)  # what the visitor knows already is not shown
ASKED: Final = {
    "visits": ("session", "also_viewed", "similar"),
    "histories": ("for_you",),
    "orders": ("bought_together",),
}
"""The strategies that are asked what a visit turns to next, what a visitor comes back for, what an order holds."""


@dataclass(frozen=True)
class Log:
    """What a training read: the catalogue, and the events with the columns of `events.reading.INTERACTIONS`."""

    items: Sequence[ItemContent]
    events: Events

    @property
    def numbers(self) -> dict[str, int]:
        return {item.item_id: item.id for item in self.items}


@dataclass(frozen=True)
class _HeldOut:
    """What followed a moment, as cases; `known` counts what was there before."""

    visits: list[Case]
    orders: list[Case]
    histories: list[Case]
    known: Catalogue


class Assessment(NamedTuple):
    """What a twin came to: of each strategy that predicts something, as runs keep it, and the gate's decision.

    `measured`: `Quality.to_json` with `asked`: of what the cases are, and `above_popular`: the measures less those of
    popular products on the same cases, as [value, low, high]; empty without cases, missing for popular products.
    """

    measured: list[dict[str, Any]]
    decision: Decision


TOO_FEW: Final = Decision(
    True, "too_few_to_judge", "Published without a comparison: there are too few visits to hold any out.", {}
)
"""Where there is no twin."""


def choose(log: Log) -> tuple[datetime | None, Choice]:
    """The moment that divides what a twin sees from what it is asked, and parameters by what was there before it.

    Without a moment there is too little to hold out, and then nothing to judge; all of it may speak for parameters.
    """
    with building.engine_of(log.events) as (engine, raw):
        run = building.Runner(engine)
        interactions = run("interactions", building.numbered(log.items, raw))
        moment = holdout.split_moment(sessions.numbered_sessions(interactions, in_parts=run.in_parts))
        seen = interactions if moment is None else holdout.divide(interactions, moment).training
        return moment, choosing.choose(run, seen)


def assess(log: Log, twin: Twin, live: Twin | None, record: Sequence[Mapping[str, Any]]) -> Assessment:
    """Ask a model's twin about what followed its moment, and compare it with the live model.

    `live` is the twin of the live model; where there is none, `record` says what its quality was found to be.
    """
    held_out, tables = _held_out(log, twin.split_at), _tables(twin, log)
    asked = {"visits": held_out.visits, "histories": held_out.histories, "orders": held_out.orders}
    results = {
        name: {each: _results(each, tables, found, held_out.known) for each in (*ASKED[name], POPULAR)}
        for name, found in asked.items()
    }
    measured = [_told(each, found[POPULAR], name) for name, found in results.items() for each in found.values()]
    if live and live.split_at > twin.split_at:  # it has seen some of these cases
        return Assessment(measured, _judge_since(live.split_at, log, twin, live))
    visits = results["visits"]
    return Assessment(measured, _judge(visits[JUDGED], visits[POPULAR], live, log, record))


def _told(results: Results, popular: Results, asked: str) -> dict[str, Any]:
    plain = {**results.quality.to_json(), "asked": asked}
    if results is popular:
        return plain
    above = judging.paired_differences(results, popular)
    return {**plain, "above_popular": {name: [each.value, each.low, each.high] for name, each in above.items()}}


def _judge_since(moment: datetime, log: Log, twin: Twin, live: Twin) -> Decision:
    """By what followed a later moment than the twin's own."""
    held_out = _held_out(log, moment)
    new, popular = (_results(name, _tables(twin, log), held_out.visits, held_out.known) for name in (JUDGED, POPULAR))
    return _judge(new, popular, live, log, ())


def _judge(
    new: Results, popular: Results, live: Twin | None, log: Log, record: Sequence[Mapping[str, Any]]
) -> Decision:
    known = next((Quality.from_json(each) for each in record if each["strategy"] == JUDGED), None)
    if live is None and known is not None and known.k == K:
        return judging.judge_by_record(new, known, popular)
    return judging.judge(new, live and _results(JUDGED, _tables(live, log), new.cases, new.known), popular)


def _tables(twin: Twin, log: Log) -> MemoryTables:
    return in_memory(twin.model.tables, log.numbers, twin.model.serving)


def _results(name: str, tables: MemoryTables, found: Sequence[Case], known: Catalogue) -> Results:
    return evaluate(name, recommender(name, tables, K, novel=True), found, K, known)


def _held_out(log: Log, moment: datetime) -> _HeldOut:
    with _interactions(log) as interactions:
        before, after = holdout.divide(interactions, moment)
        seen = before.item.to_pyarrow().to_numpy()
        return _HeldOut(
            cases.next_item_cases(sessions.sessions(after), DRAW),
            cases.basket_cases(baskets.order_lines(after), DRAW).single,
            cases.history_cases(before, after, DRAW),
            metrics.catalogue([item.id for item in log.items], seen),
        )


@contextmanager
def _interactions(log: Log) -> Iterator[ibis.Table]:
    with building.engine_of(log.events) as (engine, raw):
        yield engine.create_table("interactions", building.numbered(log.items, raw))
