"""How good a model is: its twin is asked about time that the twin has not seen.

Where pipeline, strategies and evaluation meet; the measures are those of `recommendations.evaluation`.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import ibis

from catalog.reading import ItemContent
from recommendations import building, choosing
from recommendations.algorithms import baskets, sessions
from recommendations.building import Events
from recommendations.choosing import Choice
from recommendations.evaluation import cases, holdout, judging, metrics
from recommendations.evaluation.cases import Draw
from recommendations.evaluation.judging import Decision
from recommendations.evaluation.metrics import Catalogue
from recommendations.evaluation.runner import Results
from recommendations.evaluation.runner import evaluate as measured
from recommendations.evaluation.types import Case, Quality
from recommendations.modelstore import Twin
from recommendations.offline import recommender
from recommendations.packed_tables import MemoryTables, in_memory

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


def choose(log: Log) -> tuple[datetime | None, Choice]:
    """The moment that divides what a twin sees from what it is asked, and parameters by what was there before it.

    Without a moment there is too little to hold out, and then nothing to judge; all of it may speak for parameters.
    """
    with building.engine_of(log.events) as (engine, raw):
        run = building.runner(engine, lambda _: None)
        interactions = run("interactions", building.numbered(log.items, raw))
        moment = holdout.split_moment(run("all steps", sessions.sessions(interactions)))
        seen = interactions if moment is None else holdout.divide(interactions, moment).training
        return moment, choosing.choose(run, seen)


def assess(log: Log, twin: Twin) -> list[dict[str, Any]]:
    """How good each strategy is that predicts something, on what followed the twin's moment, as runs keep it.

    `Quality.to_json` with `asked`: of what the cases are, and `above_popular`: the measures less those of popular
    products on the same cases, as [value, low, high]; empty without cases, missing for popular products themselves.
    """
    held_out = _held_out(log, twin.split_at)
    tables = in_memory(twin.model.tables, log.numbers, twin.model.serving)
    asked = {"visits": held_out.visits, "histories": held_out.histories, "orders": held_out.orders}
    found = []
    for name, cases_of in asked.items():
        popular = _results(POPULAR, tables, cases_of, held_out.known)
        found += [
            _told(_results(strategy, tables, cases_of, held_out.known), popular, name) for strategy in ASKED[name]
        ]
        found.append({**popular.quality.to_json(), "asked": name})
    return found


def _told(results: Results, popular: Results, asked: str) -> dict[str, Any]:
    above = judging.paired_differences(results, popular)
    plain = {name: [each.value, each.low, each.high] for name, each in above.items()}
    return {**results.quality.to_json(), "asked": asked, "above_popular": plain}


def judge(log: Log, twin: Twin | None, live: Twin | None, record: Sequence[Mapping[str, Any]]) -> Decision:
    """Whether the model of a twin may replace the live one, on what neither's twin has seen.

    `live` is the twin of the live model; where there is none, `record` says what its quality was found to be.
    """
    if twin is None:
        text = "Published without a comparison: there are too few visits to hold any out."
        return Decision(True, "too_few_to_judge", text, {})
    held_out = _held_out(log, max(twin.split_at, live.split_at) if live else twin.split_at)
    tables = in_memory(twin.model.tables, log.numbers, twin.model.serving)
    new, popular = (_results(name, tables, held_out.visits, held_out.known) for name in (JUDGED, POPULAR))
    known = next((Quality.from_json(each) for each in record if each["strategy"] == JUDGED), None)
    if live is None and known is not None and known.k == K:
        return judging.judge_by_record(new, known, popular)
    return judging.judge(new, live and _of_live(live, log, held_out), popular)


def _of_live(live: Twin, log: Log, held_out: _HeldOut) -> Results:
    tables = in_memory(live.model.tables, log.numbers, live.model.serving)
    return _results(JUDGED, tables, held_out.visits, held_out.known)


def _results(name: str, tables: MemoryTables, found: Sequence[Case], known: Catalogue) -> Results:
    return measured(name, recommender(name, tables, K, novel=True), found, K, known)


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
