"""Logs from anywhere: what is understood, that it means the same in every form, and what is refused."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from recomengine.lib.errors import DomainError
from recommendations.algorithms.types import INTERACTIONS
from recommendations.logs.reading import Log
from recommendations.training import building
from tests.recommendations.logs import log_of, of_sessions, written

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECONDS = int(NOON.timestamp())


def orders_of(log: Log) -> list[dict[str, Any]]:
    """What counts as an order, in the order of the visitors and items."""
    with building.engine_of(log.path) as (engine, interactions):
        found = engine.to_pyarrow(log.as_orders(interactions))
    return sorted(found.to_pylist(), key=lambda row: (row["visitor"], row["item"]))


def events(**columns: Any) -> dict[str, Any]:
    """Three events of two visitors, with some of their columns replaced."""
    moments = [NOON, NOON + timedelta(minutes=1), NOON]
    return {"visitor_id": ["v", "v", "w"], "occurred_at": moments, "item_id": ["b", "a", "b"], **columns}


def rows(log: Log) -> list[dict[str, Any]]:
    """The interactions with the items' ids, in an order of their own."""
    names = log.items.to_pylist()
    return sorted(({**row, "item": names[row["item"]]} for row in log.interactions.to_pylist()), key=repr)


def refused(path: Path) -> str:
    with pytest.raises(DomainError) as caught:
        log_of(path)
    return caught.value.detail


def test_events_become_interactions(tmp_path: Path) -> None:
    more = {
        "type": ["view", "Purchase", "add_to_cart"],
        "session_id": [1, None, None],
        "order_id": [None, 77, None],
        "quantity": [None, 2, None],
        "price": [1, 2, 3],
    }
    read = log_of(written(tmp_path / "log", events(**more)))
    assert read.interactions.schema.equals(INTERACTIONS.to_pyarrow())
    blank = {"session": None, "order_id": None, "quantity": None}
    assert read.items.to_pylist() == ["a", "b"]
    assert read.interactions.to_pylist() == [
        blank | {"visitor": "v", "session": "1", "type": "view", "item": 1, "occurred_at": NOON},
        blank | {"visitor": "v", "type": "purchase", "item": 0, "occurred_at": NOON + timedelta(minutes=1),
                 "order_id": "77", "quantity": 2},
        blank | {"visitor": "w", "type": "add_to_cart", "item": 1, "occurred_at": NOON},
    ]  # fmt: skip


def test_sessions_become_visits_of_a_visitor_each_one_after_the_other(tmp_path: Path) -> None:
    columns = {"session": [10, 9, 10, 9, 9], "pos": [7, 3, -2, 3, 1_000_000_007], "item": list("abcde")}
    read = log_of(written(tmp_path / "log", columns))
    assert read.interactions.schema.equals(INTERACTIONS.to_pyarrow())
    table = read.interactions.sort_by([("occurred_at", "ascending"), ("item", "ascending")])
    assert [read.items[item].as_py() for item in table["item"].to_pylist()] == list("bdeca")
    assert table["session"].to_pylist() == table["visitor"].to_pylist() == ["9", "9", "9", "10", "10"]
    moments = table["occurred_at"].to_pylist()
    assert moments[0] == moments[1] < moments[2] < moments[3] < moments[4]
    assert set(table["type"].to_pylist()) == {"view"}


@pytest.mark.parametrize("names", [[9, 10], [9.0, 10.0], ["9", "10"], ["b", "c"], [-3, 2]])
def test_sessions_follow_by_number_or_by_name(tmp_path: Path, names: list[Any]) -> None:
    columns = {"session": names[::-1], "pos": [0, 0], "item": ["later", "first"]}
    read = log_of(written(tmp_path / "log", columns))
    ordered = read.interactions.sort_by("occurred_at")["item"].to_pylist()
    assert [read.items[item].as_py() for item in ordered] == ["first", "later"]


def test_places_beyond_any_length_keep_their_order(tmp_path: Path) -> None:
    """A place may be the row's number in the whole log, or a moment."""
    columns = {"session": [1, 1, 1], "pos": [10**15 + 2, 10**15, 10**15 + 1], "item": ["c", "a", "b"]}
    read = log_of(written(tmp_path / "log", columns))
    ordered = read.interactions.sort_by("occurred_at")["item"].to_pylist()
    assert [read.items[item].as_py() for item in ordered] == ["a", "b", "c"]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([20, 3, 20], pa.int16()),
        pa.array([20, 3, 20], pa.uint64()),
        pa.array([20.0, 3.0, 20.0]),
        pa.array(["20", "3", "20"]),
        pa.array(["20", "3", "20"], pa.large_string()),
        pa.array([b"20", b"3", b"20"]),
        pa.array(["20", "3", "20"]).dictionary_encode(),
        pa.array([20, 3, 20]).dictionary_encode(),
        pa.array([Decimal(20), Decimal(3), Decimal(20)], pa.decimal128(9, 0)),
    ],
    ids=lambda column: str(column.type),
)
def test_ids_are_equal_whatever_their_type(tmp_path: Path, column: pa.Array) -> None:
    expected = events(visitor_id=["20", "3", "20"], item_id=["20", "3", "20"], session_id=["20", "3", "20"])
    given = events(visitor_id=column, item_id=column, session_id=column)
    found, wanted = (log_of(written(tmp_path / name, each)) for name, each in (("a", given), ("b", expected)))
    assert rows(found) == rows(wanted)
    in_sessions = {"session": column, "pos": [0, 0, 1], "item": column}
    as_text = {"session": ["20", "3", "20"], "pos": [0, 0, 1], "item": ["20", "3", "20"]}
    found, wanted = (log_of(written(tmp_path / name, each)) for name, each in (("c", in_sessions), ("d", as_text)))
    assert rows(found) == rows(wanted)


def test_empty_ids_are_none(tmp_path: Path) -> None:
    read = log_of(written(tmp_path / "log", events(session_id=["", "s", None])))
    assert read.interactions["session"].to_pylist() == [None, "s", None]
    assert "rows without visitor_id, item_id" in refused(
        written(tmp_path / "none", events(visitor_id=["v", "", "w"], item_id=["", "a", "b"]))
    )


EARLY, LATE = NOON, NOON + timedelta(minutes=1, microseconds=125_000)
NAIVE = [each.replace(tzinfo=None) for each in (EARLY, LATE, EARLY)]
MICROS = [SECONDS * 10**6, SECONDS * 10**6 + 60_125_000, SECONDS * 10**6]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([EARLY, LATE, EARLY], pa.timestamp("us", "UTC")),
        pa.array([EARLY, LATE, EARLY], pa.timestamp("ns", "America/New_York")),
        pa.array(NAIVE, pa.timestamp("ms")),
        pa.array(NAIVE, pa.timestamp("ns")),
        pa.array(NAIVE, pa.timestamp("us")).dictionary_encode(),
        pa.array([each.isoformat() for each in (EARLY, LATE, EARLY)]),
        pa.array([each.isoformat() for each in NAIVE], pa.large_string()),
        pa.array([f"{each:%Y-%m-%d %H:%M:%S.%f} UTC" for each in NAIVE]),
        pa.array([f"{each:%Y-%m-%dT%H:%M:%S.%f}789Z" for each in NAIVE]),
        pa.array([f"{each + timedelta(hours=2):%Y-%m-%d %H:%M:%S.%f} +02:00" for each in NAIVE]),
        pa.array([each.astimezone(timezone(timedelta(hours=-5))).isoformat() for each in (EARLY, LATE, EARLY)]),
        pa.array([each.isoformat() for each in NAIVE]).dictionary_encode(),
        pa.array([each / 1e6 for each in MICROS]),
        pa.array([each // 1000 for each in MICROS]),
        pa.array([each / 1000 for each in MICROS]),
        pa.array(MICROS),
        pa.array([each * 1000 for each in MICROS]),
        pa.array([each * 1000 for each in MICROS], pa.uint64()),
    ],
    ids=lambda column: f"{column.type} {column[0]}",
)
def test_times_are_equal_however_they_are_written(tmp_path: Path, column: pa.Array) -> None:
    read = log_of(written(tmp_path / "log", events(occurred_at=column)))
    assert read.interactions["occurred_at"].to_pylist() == [EARLY, LATE, EARLY]


@pytest.mark.parametrize(
    "column", [[date(2026, 3, 1)] * 3, ["2026-03-01"] * 3, pa.array([date(2026, 3, 1)] * 3, pa.date64())]
)
def test_days_are_their_beginning(tmp_path: Path, column: Any) -> None:
    read = log_of(written(tmp_path / "log", events(occurred_at=column)))
    assert read.interactions["occurred_at"].to_pylist() == [NOON.replace(hour=0)] * 3


@pytest.mark.parametrize(
    ("column", "complaint"),
    [
        ([1.7e9, float("nan"), 1.7e9], "a time is no number"),
        ([1.7e9, float("inf"), 1.7e9], "a time is no number"),
        (["2026-03-01T12:00:00Z", "yesterday", "2026-03-01"], "yesterday"),
        (["2026-02-30", "2026-03-01", "2026-03-01"], "2026-02-30"),
        ([SECONDS, SECONDS * 1000, SECONDS], "more than 50 years apart"),
        ([NOON, NOON.replace(year=2099), NOON], "more than 50 years apart"),
        ([-(10**18) * 9, 10**18, 0], "years"),
        (pa.array([2**40, 0, 0], pa.timestamp("s")), "years 1000 to 9998"),
        (pa.array([2**64 - 1, 0, 0], pa.uint64()), "not understood"),
        ([[1], [2], [3]], "not understood"),
        ([True, False, True], "not understood"),
        ([NOON, None, NOON], "rows without occurred_at"),
        ([None, None, None], "rows without occurred_at"),
        (["", None, "2026-03-01"], ""),
    ],
)
def test_times_that_are_none_are_refused(tmp_path: Path, column: Any, complaint: str) -> None:
    assert complaint in refused(written(tmp_path / "log", events(occurred_at=column)))


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"session": [1], "item": [1]}, "no column visitor_id, occurred_at, item_id; it has session, item. A training"),
        (
            {"prefix": [[1]], "target": [1]},
            "A training log has session, pos, item, or visitor_id, occurred_at, item_id",
        ),
        ({"visitor_id": ["v"], "item_id": ["a"]}, "no column occurred_at; it has visitor_id, item_id"),
        ({}, "no column visitor_id"),
        ({"session": [], "pos": [], "item": []}, "the log is empty"),
        (events(item_id=["a", None, "b"]), "rows without item_id"),
        (events(visitor_id=[None] * 3), "rows without visitor_id"),
        (events(item_id=[1.0, 2.5, 3.0]), "not understood"),
        (events(item_id=[1.0, float("nan"), 3.0]), "not understood"),
        (events(item_id=[["a"], ["b"], ["c"]]), "not understood"),
        (events(item_id=[b"\xff", b"b", b"c"]), "not understood"),
        (events(quantity=[1.5, 1, 1]), "not understood"),
        (events(quantity=["many", "1", "1"]), "not understood"),
        (events(type=["impression"] * 3), "no row has a type of purchase, add_to_cart, click, view"),
        (events(type=[None] * 3), "no row has a type of"),
        ({"session": [1, None], "pos": [0, 1], "item": [1, 2]}, "rows without session or pos"),
        ({"session": [1, 1], "pos": [0, None], "item": [1, 2]}, "rows without session or pos"),
        ({"session": [1, 1], "pos": [0, float("nan")], "item": [1, 2]}, "not understood"),
        ({"session": [1, 1], "pos": [0, 1.5], "item": [1, 2]}, "not understood"),
        ({"session": [1, 1], "pos": ["first", "second"], "item": [1, 2]}, "Failed to parse string"),
        ({"session": [1, 1], "pos": [0, 1], "item": [1, None]}, "rows without item."),
    ],
)
def test_logs_that_are_none_are_refused(tmp_path: Path, columns: dict[str, Any], complaint: str) -> None:
    assert complaint in refused(written(tmp_path / "log", columns))


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    assert refused(tmp_path / "nowhere") == f"There is no file {tmp_path / 'nowhere'}."
    for name, content in (("empty", b""), ("text", b"session,pos,item\n1,0,a\n"), ("half", b"PAR1" * 20)):
        (tmp_path / name).write_bytes(content)
        assert "is no Parquet file that can be read" in refused(tmp_path / name)
    whole = written(tmp_path / "log", of_sessions("abc" * 1000)).read_bytes()
    (tmp_path / "cut").write_bytes(whole[:200] + bytes(200) + whole[400:])
    assert "is no Parquet file that can be read" in refused(tmp_path / "cut")
    (tmp_path / "directory").mkdir()
    assert "has no column visitor_id, occurred_at, item_id; it has none" in refused(tmp_path / "directory")


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([1])] * 4, names=["session", "pos", "item", "item"])
    parquet.write_table(table, tmp_path / "log")
    assert "has 2 columns item; keep one" in refused(tmp_path / "log")


def test_a_directory_of_files_is_one_log(tmp_path: Path) -> None:
    columns = of_sessions("abc", "cab", "bca")
    whole = log_of(written(tmp_path / "log", columns))
    for number in range(3):
        part = {name: column[number * 3 : number * 3 + 3] for name, column in columns.items()}
        part["item"] = pa.array(part["item"]).dictionary_encode() if number else part["item"]
        written(tmp_path / "parts" / f"{number}.parquet", part)
    (tmp_path / "parts" / "_SUCCESS").touch()
    assert rows(log_of(tmp_path / "parts")) == rows(whole)


@pytest.mark.parametrize("of_sessions_too", [True, False])
def test_a_log_is_the_same_in_however_many_parts_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of_sessions_too: bool
) -> None:
    """Of the times only the last tells that they are no seconds."""
    if of_sessions_too:
        columns = of_sessions("abc", "cab", "bd")
    else:
        moments = [*(5 * 10**10 + n for n in range(7)), 12 * 10**11]
        columns = {"visitor_id": [*"vwvwvwvw"], "occurred_at": moments, "item_id": [*"abcdabce"], "type": ["view"] * 8}
    parquet.write_table(pa.table(columns), tmp_path / "log", row_group_size=2)
    whole = log_of(tmp_path / "log")
    at_once = rows(whole)
    for size in (1, 3):
        monkeypatch.setattr("recommendations.logs.columns._PART", size)
        parts = log_of(tmp_path / "log")
        assert (rows(parts), parts.items, parts.types) == (at_once, whole.items, whole.types)
        assert parts.counts.tolist() == whole.counts.tolist()
    assert whole.catalogue().counts.sum() == len(at_once)


def test_times_of_several_parts_lie_near_each_other_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recommendations.logs.columns._PART", 1)
    columns = events(occurred_at=[NOON, NOON.replace(year=2099), NOON])
    parquet.write_table(pa.table(columns), tmp_path / "log", row_group_size=1)
    assert "more than 50 years apart" in refused(tmp_path / "log")


def test_messages_hold_nothing_that_a_terminal_obeys(tmp_path: Path) -> None:
    for columns in ({"\x1b[31mred\n\x07": [1]}, events(occurred_at=["\x1b[2J\r" + "x" * 10_000] * 3)):
        said = refused(written(tmp_path / "log", columns))
        assert said.isprintable()
        assert len(said) < 800


def test_ids_may_hold_anything(tmp_path: Path) -> None:
    strange = ["\x00", "\x1b[31m", "a\tb", "né\u202e", " "]
    columns = {"session": [*strange, *strange], "pos": [0] * 5 + [1] * 5, "item": [*strange, *strange[::-1]]}
    read = log_of(written(tmp_path / "log", columns))
    assert set(read.items.to_pylist()) == set(strange)
    assert set(read.interactions["session"].to_pylist()) == set(strange)


def test_purchases_without_an_order_are_one_order_a_moment(tmp_path: Path) -> None:
    columns = events(type=["purchase"] * 3, occurred_at=[NOON] * 3, order_id=[None, None, "own"])
    orders = [row["order_id"] for row in orders_of(log_of(written(tmp_path / "log", columns)))]
    assert orders[0] == orders[1] != orders[2] == "own"


def test_sessions_serve_as_orders_where_nothing_was_bought(tmp_path: Path) -> None:
    """A session id holds within its visitor, and what says nothing in an item's favour is not bought."""
    columns = events(session_id=["1", "1", "1"], type=["view", "impression", "view"])
    log = log_of(written(tmp_path / "log", columns))
    assert log.ignored() == {"impression": 1}
    orders = orders_of(log)
    assert [row["type"] for row in orders] == ["purchase"] * 2
    assert len({row["order_id"] for row in orders}) == 2


def test_rows_that_say_nothing_are_counted(tmp_path: Path) -> None:
    log = log_of(written(tmp_path / "log", events(type=["view", None, "transaction"])))
    assert log.ignored() == {"none": 1, "transaction": 1}


def test_a_shop_may_have_more_items_than_its_log(tmp_path: Path) -> None:
    log = log_of(written(tmp_path / "log", of_sessions("abc")))
    whole = log.with_items(pa.array(["z", "b", "z"]))
    assert whole.items.to_pylist() == ["a", "b", "c", "z"]
    assert whole.catalogue().counts.tolist() == [1, 1, 1, 0]
    assert whole.numbers(pa.array(["z", "b", "new"])) == [3, 1, 4]


SESSIONS = st.lists(st.tuples(st.integers(-3, 12), st.integers(-5, 5), st.integers(0, 12)), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=SESSIONS, data=st.data())
def test_neither_the_order_of_rows_nor_the_type_of_ids_matters(
    tmp_path: Path, drawn: list[tuple[int, int, int]], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(drawn))
    kinds = st.sampled_from([pa.int64(), pa.float64(), pa.string()])
    types = [data.draw(kinds), data.draw(st.sampled_from([pa.int64(), pa.float64()])), data.draw(kinds)]
    found = []
    for name, given_rows, of in (("a", drawn, [pa.int64()] * 3), ("b", shuffled, types)):
        columns = [pa.array(column).cast(kind) for column, kind in zip(zip(*given_rows, strict=True), of, strict=True)]
        path = written(tmp_path / name, dict(zip(("session", "pos", "item"), columns, strict=True)))
        found.append(rows(log_of(path)))
    assert found[0] == found[1]


def test_a_session_of_a_million_steps_is_read(tmp_path: Path) -> None:
    steps = np.arange(1_000_000)
    columns = {"session": np.zeros_like(steps), "pos": steps[::-1], "item": steps % 7}
    read = log_of(written(tmp_path / "log", columns))
    assert len(read.items) == 7
    assert len(read.interactions["occurred_at"].unique()) == len(steps)
