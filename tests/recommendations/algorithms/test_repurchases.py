"""What is bought again, worked out by hand, and the chance that it is due."""

from math import exp, log
from typing import Any

import pyarrow as pa
import pytest

from recommendations.algorithms.repurchases import USUAL, RepurchaseParams, repurchases
from recommendations.algorithms.types import REPURCHASES
from recommendations.packing import Repurchase, pack_repurchase, unpack_repurchase
from recommendations.strategies.buy_again import chance_of
from tests.recommendations.algorithms.conftest import Run
from tests.recommendations.algorithms.tables import Row, event, interactions

ALONE = RepurchaseParams(buyers=0, intervals=0)


def bought(visitor: str, item: int, *days: float) -> list[Row]:
    return [event(visitor, item, day * 1440, "purchase", order_id=f"{visitor}{day}") for day in days]


def learned(run: Run, rows: list[Row], params: RepurchaseParams = USUAL) -> dict[int, dict[str, Any]]:
    table: pa.Table = run(repurchases(interactions(rows), params))
    assert table.schema.types == REPURCHASES.to_pyarrow().types
    return {row["item"]: row for row in table.to_pylist()}


def test_the_share_of_buyers_and_the_median_interval(run: Run) -> None:
    rows = [*bought("a", 1, 0, 10, 50), *bought("b", 1, 0, 20), *bought("c", 1, 5), *bought("d", 2, 0, 3)]
    found = learned(run, rows, ALONE)
    assert set(found) == {1}  # one shopper alone bought the second again
    assert (found[1]["count"], found[1]["probability"]) == (2, pytest.approx(2 / 3))
    mean = (log(10) + log(40) + log(20)) / 3
    assert found[1]["days"] == pytest.approx(exp(mean), rel=1e-5)
    variance = sum((log(days) - mean) ** 2 for days in (10, 40, 20)) / 3
    assert found[1]["spread"] == pytest.approx(variance**0.5, rel=1e-4)


def test_what_few_did_is_drawn_towards_the_shop(run: Run) -> None:
    rows = [*bought("a", 1, 0, 10), *bought("b", 1, 0, 10)]
    rows += [row for n in range(40) for row in bought(f"s{n}", 2, 0, *([40] if n < 10 else []))]
    found = learned(run, rows)
    share = 12 / 42
    assert found[1]["probability"] == pytest.approx((2 + 10 * share) / 12, rel=1e-5)
    usual = (2 * log(10) + 10 * log(40)) / 12
    assert found[1]["days"] == pytest.approx(exp((2 * log(10) + 5 * usual) / 7), rel=1e-5)


def test_the_orders_of_a_day_are_one_and_views_are_none(run: Run) -> None:
    rows = [*bought("a", 1, 0, 0.1, 0.2), *bought("b", 1, 0, 0.1), event("a", 1, 5 * 1440), event("b", 1, 5 * 1440)]
    assert learned(run, rows) == {}
    assert learned(run, []) == {}


def test_the_chance_rises_towards_the_usual_interval_and_falls_after() -> None:
    known = Repurchase(1, 5, 0.5, 30.0, 0.5)
    chances = [chance_of(known, days) for days in (1, 10, 25, 40, 120)]
    assert chances[0] < chances[1] < chances[2]
    assert chances[4] < chances[3] < 0.5
    assert all(0 <= chance <= 1 for chance in chances)
    assert chance_of(known, 0, 1e9) == pytest.approx(0.5)  # in the long run, as many as ever do


def test_a_record_comes_back_as_it_was() -> None:
    assert unpack_repurchase(pack_repurchase(Repurchase(2**32 - 1, 7, 0.5, 30.0, 0.25))) == (
        2**32 - 1,
        7,
        0.5,
        30.0,
        0.25,
    )
