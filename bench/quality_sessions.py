"""The `session` strategy as a training makes it by itself, beside VSTAN, on logs of visits of different kinds.

VSTAN has parameters that its authors published for three shops; of these the one that ranks best (NDCG) on the newest
tenth of the training log is taken, for each log and question. The two questions: what a visit turns to next, repeats
counted, and which new item it turns to.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from pyarrow import parquet

from bench import divided, session_logs
from bench.figures import Figure
from bench.session_logs import NoData, SessionLog
from bench.vstan import PUBLISHED, Vstan
from recommendations.evaluation import bootstrap
from recommendations.evaluation.cases import novel_only
from recommendations.evaluation.runner import Recommend, Results, evaluate
from recommendations.evaluation.types import MEASURES, Case
from recommendations.logs import reading
from recommendations.logs.reading import Log, trials
from recommendations.training.offline import recommender

K: Final = 20
VALIDATION_CASES: Final = 600
QUESTIONS: Final = {"repeats": False, "new items": True}
BARS: Final = {("repeats", "hit_rate"): 0.57, ("repeats", "mrr"): 0.28,
               ("new items", "hit_rate"): 0.36, ("new items", "mrr"): 0.135}  # fmt: skip
"""For the published division of RetailRocket."""
SHOWN: Final = {"hit_rate": "HR@20", "mrr": "MRR@20"}


def figures(data: Path, only: Sequence[SessionLog] = session_logs.LOGS) -> Iterator[Figure]:
    """Each log's figures, against VSTAN's on the same cases; RetailRocket's against the bars as well."""
    for log in only:
        with TemporaryDirectory() as work:
            try:
                paths = log.make(data, Path(work))
            except NoData as missing:
                yield Figure(log.name, note=str(missing))
                continue
            yield from _of_log(log, reading.read(paths[0], Path(work)), paths[1])


def _of_log(which: SessionLog, log: Log, test: Path) -> Iterator[Figure]:
    every = cases_of(log, test)
    ours = trials.trained(log, "session")
    sessions = divided.sessions_of(log.interactions, histories=which.histories)
    for question, novel in QUESTIONS.items():
        cases = novel_only(every) if novel else every
        parameters = chosen_parameters(log, novel=novel, histories=which.histories)
        vstan = Vstan(sessions, PUBLISHED[parameters])
        found = _asked("session", recommender("session", ours, K, novel=novel), cases, log)
        other = _asked("vstan", partial(vstan.recommend, k=K, novel=novel), cases, log)
        for measure, title in SHOWN.items():
            whole = f"{which.name}, {question}, {title}"
            if which is session_logs.LOGS[0]:
                yield _beside_bar(whole, found, measure, BARS[question, measure])
            yield _beside(f"{whole}, VSTAN's as the bar", found, other, measure, parameters)


def cases_of(log: Log, test: Path) -> list[Case]:
    """The cases of a test set, those of one session as one unit if it says which these are."""
    cases = log.cases(test)
    if "session" not in parquet.read_schema(test).names:
        return cases
    names = parquet.read_table(test, columns=["session"])["session"].to_pylist()
    return [replace(case, unit=name) for case, name in zip(cases, names, strict=True)]


def chosen_parameters(log: Log, *, novel: bool, histories: bool) -> str:
    """The name of the published parameters that rank best on the newest tenth of a training log."""
    divide = divided.split_histories if histories else divided.split
    older, newer = divide(log.interactions, VALIDATION_CASES)
    rows = zip(newer["prefix"].to_pylist(), newer["target"].to_pylist(), newer["session"].to_pylist(), strict=True)
    cases = [Case(tuple(prefix), frozenset(target), session) for prefix, target, session in rows]
    cases = novel_only(cases) if novel else cases
    sessions = divided.sessions_of(older, histories=histories)

    def ndcg(name: str) -> float:
        vstan = Vstan(sessions, PUBLISHED[name])
        results = _asked(name, partial(vstan.recommend, k=K, novel=novel), cases, log)
        return float(results.measures[:, MEASURES.index("ndcg")].mean())

    return max(PUBLISHED, key=ndcg)


def _asked(name: str, recommend: Recommend, cases: Sequence[Case], log: Log) -> Results:
    return evaluate(name, recommend, cases, K, log.catalogue())


def _beside_bar(name: str, found: Results, measure: str, bar: float) -> Figure:
    estimate = getattr(found.quality, measure)
    return Figure(name, estimate.value, bar, (estimate.low, estimate.high))


def _beside(name: str, found: Results, other: Results, measure: str, parameters: str) -> Figure:
    estimate, place = getattr(found.quality, measure), MEASURES.index(measure)
    apart = bootstrap.differences(found.measures, other.measures, found.units)[place]
    theirs = float(other.measures[:, place].mean())
    note = f"{len(found.cases):,} cases, parameters of {parameters}"
    return Figure(name, estimate.value, theirs, (estimate.low, estimate.high), (apart.low, apart.high), note)
