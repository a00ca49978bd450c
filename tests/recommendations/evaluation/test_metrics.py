import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from recommendations.evaluation import metrics
from recommendations.evaluation.metrics import EMPTY, Exposures, catalogue
from tests.recommendations.evaluation.made import case

SLATES = np.array([[3, 1, 2], [1, 2, EMPTY], [EMPTY, EMPTY, EMPTY], [7, 8, 9]])
CASES = [case(1), case(9), case(5), case(9, 7, 4, 1)]
HITS = metrics.hits_of(SLATES, CASES)
TARGETS = np.array([1, 1, 1, 4])


def test_hits_by_hand() -> None:
    assert HITS.tolist() == [[False, True, False], [False] * 3, [False] * 3, [True, False, True]]


def test_measures_by_hand() -> None:
    ranks = metrics.first_ranks(HITS)
    assert ranks.tolist() == [2, 0, 0, 1]
    assert metrics.hit(ranks).tolist() == [1, 0, 0, 1]
    assert metrics.reciprocal_rank(ranks).tolist() == [0.5, 0, 0, 1]
    assert metrics.recall(HITS, TARGETS).tolist() == [1, 0, 0, 0.5]
    second, third = 1 / math.log2(3), 1 / math.log2(4)
    assert metrics.ndcg(HITS, TARGETS).tolist() == pytest.approx([second, 0, 0, (1 + third) / (1 + second + third)])


@given(
    slates=st.lists(st.lists(st.integers(EMPTY, 6), min_size=3, max_size=3), min_size=1, max_size=6),
    targets=st.lists(st.frozensets(st.integers(0, 6), min_size=1), min_size=6, max_size=6),
)
def test_hits_are_those_of_looking_one_by_one(slates: list[list[int]], targets: list[frozenset[int]]) -> None:
    cases = [case(*items) for items in targets[: len(slates)]]
    expected = [[item in each.targets for item in slate] for slate, each in zip(slates, cases, strict=True)]
    assert metrics.hits_of(np.array(slates), cases).tolist() == expected


def test_an_item_is_a_hit_only_in_its_own_case() -> None:
    largest = 2**32 - 1
    slates = np.array([[EMPTY], [EMPTY], [largest]])
    assert metrics.hits_of(slates, [case(largest), case(largest), case(largest)]).tolist() == [[False], [False], [True]]


@pytest.mark.parametrize("target", [-1, 2**32])
def test_targets_are_item_numbers(target: int) -> None:
    with pytest.raises(ValueError, match="no item number"):
        metrics.hits_of(np.array([[1]]), [case(target)])


# Rankings of ten items, some of which are targets.
RANKINGS = st.lists(
    st.tuples(st.permutations(range(10)), st.frozensets(st.integers(0, 9), min_size=1)), min_size=1, max_size=8
)


@given(rankings=RANKINGS, k=st.integers(1, 10))
def test_ndcg_is_that_of_scikit_learn(rankings: list[tuple[list[int], frozenset[int]]], k: int) -> None:
    slates = np.array([order[:k] for order, _ in rankings])
    cases = [case(*targets) for _, targets in rankings]
    found = metrics.ndcg(metrics.hits_of(slates, cases), np.array([len(each.targets) for each in cases]))
    for value, (order, targets) in zip(found, rankings, strict=True):
        truth = [[float(item in targets) for item in range(10)]]
        scores = [[-float(order.index(item)) for item in range(10)]]
        assert value == pytest.approx(ndcg_score(truth, scores, k=k))


@given(rankings=RANKINGS, data=st.data())
def test_another_hit_lowers_no_measure(rankings: list[tuple[list[int], frozenset[int]]], data: st.DataObject) -> None:
    slates = np.array([order[:5] for order, _ in rankings])
    hits = metrics.hits_of(slates, [case(*targets) for _, targets in rankings])
    targets = np.full(len(hits), 10)
    more = hits.copy()
    more[data.draw(st.integers(0, len(hits) - 1)), data.draw(st.integers(0, 4))] = True
    for measure in (metrics.ndcg, metrics.recall):
        assert (measure(more, targets) >= measure(hits, targets)).all()
    before, after = metrics.first_ranks(hits), metrics.first_ranks(more)
    for by_rank in (metrics.hit, metrics.reciprocal_rank):
        assert (by_rank(after) >= by_rank(before)).all()


def test_coverage_counts_distinct_items_of_the_catalogue() -> None:
    known = catalogue([1, 2, 3, 4], [])
    assert metrics.coverage(metrics.exposures(SLATES), known) == 0.75  # 7, 8 and 9 are of no catalogue
    assert metrics.coverage(metrics.exposures(SLATES), catalogue([], [])) == 0


def test_novelty_by_hand() -> None:
    known = catalogue([1, 2], [1] * 5)  # with one added to each: 6/7 and 1/7
    shown = Exposures(np.array([1, 2]), np.array([3, 1]))
    assert metrics.novelty(shown, known) == pytest.approx((3 * -math.log2(6 / 7) - math.log2(1 / 7)) / 4)


def test_rarer_items_are_more_novel() -> None:
    known = catalogue(range(3), [0] * 8 + [1] * 2)
    shown = [Exposures(np.array([item]), np.array([1])) for item in range(3)]
    bits = [metrics.novelty(each, known) or 0.0 for each in shown]
    assert bits == sorted(bits)


def test_popularity_bias_is_one_for_what_people_choose_anyway() -> None:
    known = catalogue(range(3), [0] * 6 + [1] * 2)
    chosen = Exposures(np.array([0, 1]), np.array([1, 1]))
    assert metrics.popularity_bias(chosen, chosen, known) == 1
    assert metrics.popularity_bias(Exposures(np.array([0]), np.array([9])), chosen, known) == 1.5
    assert metrics.popularity_bias(Exposures(np.array([2]), np.array([9])), chosen, known) == 0


def test_nothing_shown_or_known_has_no_novelty_and_no_bias() -> None:
    nothing = metrics.exposures(np.full((2, 3), EMPTY))
    one = Exposures(np.array([1]), np.array([1]))
    assert metrics.novelty(nothing, catalogue([1], [1])) is None
    assert metrics.popularity_bias(nothing, one, catalogue([1], [1])) is None
    assert metrics.popularity_bias(one, one, catalogue([], [])) is None
    assert metrics.novelty(one, catalogue([], [])) == 0


def test_the_catalogue_counts_what_it_holds() -> None:
    known = catalogue([5, 3, 3], [3, 5, 5, 4, 9])
    assert known.items.tolist() == [3, 5]
    assert known.counts.tolist() == [1, 2]
    assert metrics.popularity(np.array([2, 3, 4, 5, 6]), known).tolist() == [0, 1, 0, 2, 0]
