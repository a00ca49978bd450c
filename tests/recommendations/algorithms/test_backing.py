"""Lists that rest on little lean on the texts; those that rest on much do not."""

from typing import Any

import ibis
import pytest

from recommendations.algorithms.backing import backed
from recommendations.algorithms.types import NEIGHBOURS
from tests.recommendations.algorithms.conftest import Run


def lists(*rows: tuple[int, int, float, int]) -> ibis.Table:
    """Lists of (item, neighbour, score, count), in their order."""
    seen: dict[int, int] = {}
    whole: list[Any] = []
    for item, neighbour, score, count in rows:
        seen[item] = seen.get(item, 0) + 1
        values = {"item": item, "neighbour": neighbour, "score": score, "count": count, "rank": seen[item]}
        whole.append(values)
    return ibis.memtable({name: [row[name] for row in whole] for name in NEIGHBOURS.names}, schema=NEIGHBOURS)


def shown(run: Run, expression: ibis.Table) -> list[tuple[int, float, int]]:
    rows = run(expression.order_by("item", "rank")).to_pylist()
    return [(row["neighbour"], pytest.approx(row["score"], rel=1e-5), row["count"]) for row in rows]


TEXTS = ((1, 8, 0.6, 5), (1, 2, 0.3, 2), (9, 8, 0.5, 1))


def test_a_list_seen_once_gives_a_fifth_to_the_text(run: Run) -> None:
    found = shown(run, backed(lists((1, 2, 4.0, 1), (1, 3, 0.5, 1)), lists(*TEXTS), 10))
    assert found == [(2, 0.8 * 4 + 0.2 * 4 * 0.5, 1), (8, 0.2 * 4, 0), (3, 0.8 * 0.5, 1)]


def test_a_list_seen_often_hardly_changes(run: Run) -> None:
    found = shown(run, backed(lists((1, 2, 4.0, 20), (1, 3, 0.5, 1)), lists(*TEXTS), 10))
    share = 0.25 / 20.25
    assert found == [
        (2, (1 - share) * 4 + share * 4 * 0.5, 20), (3, (1 - share) * 0.5, 1), (8, share * 4, 0)
    ]  # fmt: skip


def test_without_texts_a_list_stays_and_without_a_list_there_is_none(run: Run) -> None:
    seen = lists((1, 2, 4.0, 1), (1, 3, 0.5, 2), (1, 4, 0.25, 1))
    assert shown(run, backed(seen, lists((9, 8, 0.5, 1)), 2)) == [(2, 4.0, 1), (3, 0.5, 2)]
