"""Test sets: what is understood as cases of a log, and what is refused."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from recomengine.lib.errors import DomainError
from recommendations.logs.reading import Log
from tests.recommendations.logs import asked, log_of, of_sessions, written


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return log_of(written(tmp_path / "log", of_sessions("abc")))


def test_a_test_set_speaks_of_the_logs_items(tmp_path: Path, log: Log) -> None:
    cases = log.cases(written(tmp_path / "test", asked(("ab", "c"), ("xa", "yx"))))
    assert log.items.to_pylist() == list("abc")
    assert [(each.prefix, each.targets) for each in cases] == [((0, 1), {2}), ((3, 0), {3, 4})]
    assert len({each.unit for each in cases}) == 2


@pytest.mark.parametrize(
    ("prefix", "target"),
    [
        ([[20, 3], [3]], [3, 7]),
        ([[20.0, 3.0], [3.0]], [3.0, 7.0]),
        (pa.array([["20", "3"], ["3"]], pa.large_list(pa.large_string())), ["3", "7"]),
        ([["20", "3"], ["3"]], pa.array([3, 7]).dictionary_encode()),
        ([[20, 3], [3]], [[3], [7]]),
        ([["20", "3"], ["3"]], pa.array([[3], [7]], pa.list_(pa.int64(), 1))),
    ],
)
def test_a_test_sets_ids_are_equal_whatever_their_type(tmp_path: Path, prefix: Any, target: Any) -> None:
    log = log_of(written(tmp_path / "log", {"session": [1, 1], "pos": [0, 1], "item": [20, 3]}))
    cases = log.cases(written(tmp_path / "test", {"prefix": prefix, "target": target}))
    assert [(each.prefix, each.targets) for each in cases] == [((0, 1), {1}), ((1,), {2})]


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"prefix": [["a"]]}, "no column target; it has prefix"),
        ({"session": [1]}, "a test set has prefix and target"),
        ({"prefix": pa.array([], pa.list_(pa.string())), "target": pa.array([], pa.string())}, "the test set is empty"),
        ({"prefix": [["a"], []], "target": ["a", "b"]}, "row 2 needs a prefix of at least one item and a target (1 "),
        (
            {"prefix": [None, ["a"], None], "target": ["a"] * 3},
            "row 1 needs a prefix of at least one item and a target (2",
        ),
        ({"prefix": [["a"]] * 3, "target": ["a", "a", None]}, "row 3 needs"),
        ({"prefix": [["a"]] * 2, "target": [["a"], []]}, "row 2 needs"),
        ({"prefix": [["a"], ["b", None, "c"]], "target": ["a"] * 2}, "row 2 needs"),
        ({"prefix": [["a"], ["b", ""]], "target": ["a"] * 2}, "row 2 needs"),
        ({"prefix": ["[1, 2]"], "target": ["a"]}, "prefix has to hold lists, not string"),
        ({"prefix": [[["a"]]], "target": ["a"]}, "not understood"),
        ({"prefix": [[1.5]], "target": ["a"]}, "not understood"),
        ({"prefix": [["a"]], "target": [{"item": "a"}]}, "not understood"),
    ],
)
def test_test_sets_that_are_none_are_refused(tmp_path: Path, log: Log, columns: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DomainError) as caught:
        log.cases(written(tmp_path / "test", columns))
    assert complaint in caught.value.detail
