"""How good a model is: its twin is asked about time that the twin has not seen.

Where pipeline, strategies and evaluation meet; the measures are those of `recommendations.evaluation`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, NamedTuple

import ibis
import pyarrow as pa
from django.conf import settings

from recommendations import publishing
from recommendations.algorithms import baskets, scoring, sessions
from recommendations.algorithms.engine import open_engine
from recommendations.evaluation import cases, holdout, judging, metrics, runner
from recommendations.evaluation.cases import Draw
from recommendations.evaluation.judging import Decision
from recommendations.evaluation.runner import Prefix, Recommend, Results
from recommendations.evaluation.types import Case, Quality
from recommendations.modelstore import Twin
from recommendations.strategies import STRATEGIES

K: Final = 20
JUDGED: Final = "session"
"""The strategy by which a model is compared with the live one."""
DRAW: Final = Draw(novel=True)  # what the visitor knows already is not shown
POPULAR: Final = "popular"


class Log(NamedTuple):
    """What a training read: the catalogue's numbers by item id, and the events (INTERACTIONS)."""

    numbers: Mapping[str, int]
    interactions: pa.Table


def split_moment(log: Log) -> datetime | None:
    """The moment that a model's twin is trained up to; None if there is too little to hold out."""
    with _opened(log) as interactions:
        return holdout.split_moment(sessions.sessions(interactions))


def assess(log: Log, twin: Twin) -> list[Quality]:
    """How each strategy does that predicts something, on what followed the twin's moment."""
    with _opened(log) as interactions:
        held_out = holdout.divide(interactions, twin.split_at).held_out
        visits, orders = _visits(held_out), cases.basket_cases(baskets.order_lines(held_out), DRAW).single
    asked = {JUDGED: visits, "bought_together": orders, POPULAR: visits}
    return [runner.quality(_results(name, log, twin, found, twin.split_at)) for name, found in asked.items()]


def judge(log: Log, twin: Twin | None, live: Twin | None, record: Sequence[Mapping[str, Any]]) -> Decision:
    """Whether the model of a twin may replace the live one, on what neither's twin has seen.

    `live` is the twin of the live model; where there is none, `record` says what its quality was found to be.
    """
    if twin is None:
        return Decision(True, "too_few_to_judge", "Published without a comparison: there are too few visits.", {})
    since = max(twin.split_at, live.split_at) if live else twin.split_at
    with _opened(log) as interactions:
        found = _visits(holdout.divide(interactions, since).held_out)
    new, popular = (_results(name, log, twin, found, since) for name in (JUDGED, POPULAR))
    known = next((Quality.from_json(each) for each in record if each["strategy"] == JUDGED), None)
    if live is None and known is not None and known.k == K:
        return judging.judge_by_record(new, known, popular)
    return judging.judge(new, live and _results(JUDGED, log, live, found, since), popular)


@contextmanager
def _opened(log: Log) -> Iterator[ibis.Table]:
    with open_engine(memory_limit=settings.TRAINING_MEMORY, threads=settings.TRAINING_THREADS) as engine:
        engine.con.register("interactions", log.interactions)
        yield engine.table("interactions")


def _visits(held_out: ibis.Table) -> list[Case]:
    return cases.next_item_cases(sessions.sessions(held_out), DRAW)


def _results(strategy: str, log: Log, twin: Twin, found: Sequence[Case], since: datetime) -> Results:
    """What a strategy of the twin does on the cases; `since` the same for all that are compared."""
    seen = log.interactions.filter(pa.compute.less_equal(log.interactions["occurred_at"], pa.scalar(since)))
    known = metrics.catalogue(list(log.numbers.values()), seen["item"].to_numpy())
    return runner.evaluate(strategy, _recommend(strategy, log, twin), found, K, known)


def _recommend(strategy: str, log: Log, twin: Twin) -> Recommend:
    """The strategy's slates out of the twin's tables, merged as the serving path does."""
    recipe = STRATEGIES[strategy]
    lists = dict(publishing.packed_lists(twin.tables[recipe.table]))
    if recipe.table == "lists":
        return _each(lambda prefix: scoring.merge([lists.get(strategy)], [1.0], prefix, K))
    by_number = {log.numbers[key]: packed for key, packed in lists.items() if key in log.numbers}

    def slate(prefix: Prefix) -> list[scoring.Scored]:
        anchors = list(dict.fromkeys(reversed(prefix)))[: recipe.max_anchors]
        weights = [recipe.weight(place) for place in range(len(anchors))]
        return scoring.merge([by_number.get(item) for item in anchors], weights, prefix, K)

    return _each(slate)


def _each(slate: Callable[[Prefix], list[scoring.Scored]]) -> Recommend:
    def recommend(prefixes: Sequence[Prefix]) -> Iterable[list[int]]:
        return ([scored.item for scored in slate(prefix)] for prefix in prefixes)

    return recommend
