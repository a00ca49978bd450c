"""The whole way on the real orders of the example shop: divide by time, train, ask, measure, judge."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import ibis
import numpy as np
import pytest

from recommendations.algorithms.baskets import bought_together, order_lines
from recommendations.algorithms.engine import open_engine
from recommendations.algorithms.popularity import popular
from recommendations.evaluation.cases import BasketCases, basket_cases
from recommendations.evaluation.holdout import divide, split_moment
from recommendations.evaluation.judging import judge
from recommendations.evaluation.metrics import Catalogue, catalogue
from recommendations.evaluation.runner import Recommend, Results, evaluate
from tests.recommendations.algorithms.tables import lists
from tests.recommendations.algorithms.test_gift_shop import Shop

pytestmark = pytest.mark.slow


@dataclass
class Trained:
    cases: BasketCases
    known: Catalogue
    together: Recommend
    from_little: Recommend
    popular: Recommend


@pytest.fixture(scope="module")
def trained() -> Iterator[Trained]:
    with open_engine(memory_limit="500MB") as engine:
        engine.con.register("interactions", Shop().orders)
        table = engine.table("interactions")
        moment = split_moment(table.group_by(session="order_id").agg(ended_at=table.occurred_at.max()))
        assert moment
        training, held_out = divide(table, moment)
        ranked = engine.to_pyarrow(popular(training)).sort_by("rank")["item"].to_pylist()
        yield Trained(
            basket_cases(order_lines(held_out)),
            catalogue(items_of(table), items_of(training)),
            by_list(training),
            by_list(training.filter(training.order_id.endswith("7"), training.quantity > 20)),
            lambda prefixes: [[item for item in ranked if item not in prefix][:10] for prefix in prefixes],
        )


def items_of(table: ibis.Table) -> np.ndarray:
    return table.select("item").to_pyarrow()["item"].to_numpy()


def by_list(training: ibis.Table) -> Recommend:
    """The neighbours of the newest item, as they are ranked."""
    near = {item: list(found) for item, found in lists(bought_together(training).to_pyarrow()).items()}

    def recommend(prefixes: Sequence[tuple[int, ...]]) -> list[list[int]]:
        return [near.get(prefix[-1], []) for prefix in prefixes]

    return recommend


def asked(trained: Trained, recommend: Recommend) -> Results:
    return evaluate("bought_together", recommend, trained.cases.single, 5, trained.known)


def test_what_is_bought_together_beats_what_is_popular(trained: Trained) -> None:
    results, baseline = asked(trained, trained.together), asked(trained, trained.popular)
    assert results.quality.hit_rate
    assert baseline.quality.hit_rate
    assert results.quality.hit_rate.value > 0.5
    assert not results.quality.hit_rate.overlaps(baseline.quality.hit_rate)
    assert judge(results, None, baseline).beats_popular
    assert results.quality.coverage > 10 * baseline.quality.coverage
    assert (results.quality.novelty or 0) > (baseline.quality.novelty or 0)
    assert 1 < (results.quality.popularity_bias or 0) < (baseline.quality.popularity_bias or 0)


def test_a_model_of_a_fraction_of_the_orders_is_held_back(trained: Trained) -> None:
    decision = judge(asked(trained, trained.from_little), asked(trained, trained.together))
    assert (decision.publish, decision.code) == (False, "worse")
