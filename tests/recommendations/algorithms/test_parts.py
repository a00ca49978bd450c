from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommendations.algorithms.coview import coview_of_sessions
from recommendations.algorithms.engine import open_engine
from recommendations.algorithms.parts import in_parts_of
from recommendations.algorithms.sessions import numbered_sessions
from tests.recommendations.algorithms.rows import histories
from tests.recommendations.algorithms.tables import Row, event, interactions, lists

Engine = Any


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with open_engine(memory_limit="200MB", spill=tmp_path) as engine:
        yield engine


def numbers(count: int) -> ibis.Table:
    """Twice as many keys, on both sides of zero."""
    return ibis.memtable(pa.table({"key": pa.array(range(-count, count), pa.int64())}))


def test_every_row_is_in_one_part_with_all_that_share_its_key(engine: Engine) -> None:
    def derive(part: ibis.Table) -> ibis.Table:
        per_key = part.group_by("key").agg(n=part.count())
        return per_key.mutate(together=per_key.n.sum().over(ibis.window()))

    rows = ibis.union(numbers(500), numbers(500))
    made = in_parts_of(engine, rows_at_once=300)("sums", rows, "key", derive).to_pyarrow().to_pylist()
    assert Counter(row["key"] for row in made) == Counter(range(-500, 500))
    assert {row["n"] for row in made} == {2}
    assert max(row["together"] for row in made) <= 300


def test_a_key_that_has_more_rows_than_are_worked_on_at_once_stays_whole(engine: Engine) -> None:
    rows = ibis.memtable(pa.table({"key": pa.array([7] * 100 + [8] * 3, pa.int64())}))
    made = in_parts_of(engine, rows_at_once=10)(
        "sizes", rows, "key", lambda part: part.group_by("key").agg(n=part.count())
    )
    assert sorted(made.to_pyarrow().to_pylist(), key=lambda row: row["key"]) == [
        {"key": 7, "n": 100},
        {"key": 8, "n": 3},
    ]


def test_nothing_comes_of_nothing_but_its_columns(engine: Engine) -> None:
    made = in_parts_of(engine)("none", numbers(0), "key", lambda part: part.mutate(more=part.key + 1))
    assert made.columns == ("key", "more")
    assert made.count().execute() == 0


def test_the_divided_rows_are_gone_once_all_is_derived(engine: Engine, tmp_path: Path) -> None:
    in_parts_of(engine)("same", numbers(500), "key", lambda part: part)
    assert [path for path in tmp_path.rglob("*.parquet") if "part=" in str(path)] == []


def test_a_failure_leaves_no_files(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="nonsense"):
        in_parts_of(engine)(
            "wrong", numbers(500), "key", lambda part: part.select(n=ibis.literal("nonsense").cast("int64") + part.key)
        )
    assert list(tmp_path.rglob("*.parquet")) == []


@settings(max_examples=25)
@given(rows=histories(), rows_at_once=st.sampled_from([1, 4, 1000]))
def test_sessions_of_parts_are_those_of_the_whole(rows: list[Row], rows_at_once: int) -> None:
    with open_engine(memory_limit="200MB") as engine:
        whole = engine.to_pyarrow(numbered_sessions(interactions(rows)))
        parted = numbered_sessions(interactions(rows), in_parts=in_parts_of(engine, rows_at_once))
        steps = engine.to_pyarrow(parted).select(whole.column_names).cast(whole.schema)
        assert Counter(map(str, steps.to_pylist())) == Counter(map(str, whole.to_pylist()))


def test_lists_of_parts_are_those_of_the_whole(engine: Engine) -> None:
    rows = [event(f"v{n % 4000}", n % 97, n // 4000 * 7) for n in range(40_000)]
    steps = numbered_sessions(interactions(rows), in_parts=in_parts_of(engine, 5_000))
    parted = lists(engine.to_pyarrow(coview_of_sessions(steps, keep=engine.create_table)))
    assert len(parted) == 97
    assert parted == lists(engine.to_pyarrow(coview_of_sessions(numbered_sessions(interactions(rows)))))
