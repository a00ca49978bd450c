"""Which part of a log is asked for, and out of what."""

from pathlib import Path

import pyarrow as pa

from bench.divided import sessions_of, split, split_histories, visits_of, write
from recommendations.algorithms.types import INTERACTIONS
from recommendations.logs import reading
from tests.recommendations.algorithms.tables import Row, event, interactions, visit


def log_of(rows: list[Row]) -> pa.Table:
    return interactions(rows).to_pyarrow().cast(INTERACTIONS.to_pyarrow())


def test_a_visit_ends_with_its_session_or_a_pause_unless_histories_are_asked_for() -> None:
    loose = [event("w", item, minute) for item, minute in ((6, 0), (6, 1), (7, 2), (8, 60), (9, 61))]
    log = log_of([*visit("a", 1, 1, 2), *visit("b", 4), *loose])
    assert sorted(session.items for session in sessions_of(log)) == [(1, 1, 2), (6, 6, 7), (8, 9)]
    assert sorted(session.items for session in sessions_of(log, histories=True)) == [(1, 1, 2), (6, 6, 7, 8, 9)]


def test_the_newest_tenth_is_asked_for_step_by_step_and_is_not_trained_on() -> None:
    log = log_of([step for n in range(20) for step in visit(f"v{n:02}", n, n, n + 1, day=n)])
    training, test = split(log)
    assert set(training["session"].to_pylist()) == {f"v{n:02}" for n in range(18)}
    asked = [(row["prefix"], row["target"]) for row in test.to_pylist()]
    assert asked == [(past[:end], [past[end]]) for past in ([18, 18, 19], [19, 19, 20]) for end in (1, 2)]
    assert len(set(test["session"].to_pylist())) == 2


def test_no_more_cases_than_wanted_and_the_same_ones_each_time() -> None:
    log = log_of([step for n in range(40) for step in visit(f"v{n:02}", *range(30), day=n)])
    _, test = split(log, cases=50)
    assert test.num_rows == 50
    assert test.equals(split(log, cases=50)[1])
    assert max(test["session"].to_pylist().count(name) for name in set(test["session"].to_pylist())) <= 20


def test_a_history_is_asked_what_came_next_all_at_one_moment() -> None:
    rows = [event(f"v{n}", n, 60 * 24 * n) for n in range(27)]
    later = [event("v3", item, 60 * 24 * (100 + day)) for item, day in ((5, 0), (6, 0), (7, 9))]
    training, test = split_histories(log_of([*rows, *later]))
    assert test.to_pylist() == [{"prefix": [3], "target": [5, 6], "session": "v3"}]
    assert training.num_rows == 27


def test_what_is_written_is_read_as_it_was(tmp_path: Path) -> None:
    log = log_of([step for n in range(20) for step in visit(f"v{n:02}", n, n + 1, day=n)])
    training, test = split(log)
    train_path, test_path = write(tmp_path, training, test)
    read = reading.read(train_path, tmp_path)
    assert len(visits_of(read.interactions).starts) == len(visits_of(training).starts) == 18
    assert [len(case.prefix) for case in read.cases(test_path)] == [1, 1]
