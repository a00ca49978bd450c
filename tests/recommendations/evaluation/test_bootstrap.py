import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from recommendations.evaluation.bootstrap import differences, independent_difference, intervals
from recommendations.evaluation.types import Estimate

CASES = st.lists(st.tuples(st.floats(0, 1), st.sampled_from("abcdefg")), min_size=1, max_size=30)


def columns(*values: list[float]) -> np.ndarray:
    return np.array(values, float).T


def ends(estimates: list[Estimate]) -> list[float]:
    return [end for each in estimates for end in (each.value, each.low, each.high)]


def test_intervals_are_those_of_scipy() -> None:
    values = np.random.default_rng(5).beta(1, 3, 400)
    (found,) = intervals(columns(values.tolist()), np.arange(400))
    expected = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=9999, rng=np.random.default_rng(1)
    ).confidence_interval
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.003)


def test_cases_of_one_unit_are_drawn_together() -> None:
    """Twenty cases of one visit that all went alike say as much as one."""
    values = np.random.default_rng(6).integers(0, 2, 100)
    (alone,) = intervals(columns(values.tolist()), np.arange(100))
    (together,) = intervals(columns(np.repeat(values, 20).tolist()), np.repeat(np.arange(100), 20))
    assert (together.low, together.high) == pytest.approx((alone.low, alone.high))


@settings(max_examples=30, deadline=None)
@given(cases=CASES, seed=st.integers(0, 3))
def test_an_interval_holds_its_mean_and_repeats(cases: list[tuple[float, str]], seed: int) -> None:
    values, units = columns([value for value, _ in cases]), [unit for _, unit in cases]
    (found,) = intervals(values, units, seed=seed)
    assert 0 <= found.low <= found.value <= found.high <= 1 + 1e-12
    assert intervals(values, units, seed=seed) == [found]


@settings(max_examples=30, deadline=None)
@given(cases=CASES, data=st.data())
def test_the_order_of_cases_does_not_matter(cases: list[tuple[float, str]], data: st.DataObject) -> None:
    def found(rows: list[tuple[float, str]]) -> list[float]:
        return ends(intervals(columns([value for value, _ in rows]), [unit for _, unit in rows]))

    assert found(data.draw(st.permutations(cases))) == pytest.approx(found(cases))


def test_one_unit_says_nothing() -> None:
    assert intervals(columns([1.0, 1.0]), ["a", "a"]) == [Estimate(1.0, 0.0, 1.0)]
    assert differences(columns([1.0]), columns([0.5]), ["a"]) == [Estimate(0.5, -1.0, 1.0)]


def test_there_is_no_mean_of_nothing() -> None:
    with pytest.raises(ValueError, match="no cases"):
        intervals(np.empty((0, 1)), [])


def test_several_measures_at_once_are_as_one_by_one() -> None:
    a, b = np.random.default_rng(7).random((2, 50)).tolist()
    both = intervals(columns(a, b), np.arange(50))
    apart = intervals(columns(a), np.arange(50)) + intervals(columns(b), np.arange(50))
    assert ends(both) == pytest.approx(ends(apart))


def test_pairs_show_a_difference_that_two_intervals_hide() -> None:
    hard = np.random.default_rng(8).random(300)
    worse, better = columns((hard * 0.9).tolist()), columns((hard * 0.9 + 0.02).tolist())
    (apart,) = differences(better, worse, np.arange(300))
    assert (apart.low, apart.high) == pytest.approx((0.02, 0.02))
    assert intervals(better, np.arange(300))[0].overlaps(intervals(worse, np.arange(300))[0])


def test_differences_need_the_same_cases() -> None:
    with pytest.raises(ValueError, match="different cases"):
        differences(np.zeros((2, 1)), np.zeros((3, 1)), [1, 2])


def test_independent_difference_by_hand() -> None:
    found = independent_difference(Estimate(0.5, 0.46, 0.53), Estimate(0.3, 0.26, 0.33))
    assert (found.value, found.low, found.high) == pytest.approx((0.2, 0.15, 0.25))


def test_95_of_100_intervals_hold_the_truth() -> None:
    """Visits of one to eight cases whose hits depend on the visit; the truth is the mean over all possible cases."""
    generator = np.random.default_rng(9)
    held = 0
    for _ in range(600):
        sizes = generator.integers(1, 9, 150)
        chance = np.repeat(generator.beta(1, 2, 150), sizes)
        values = (generator.random(len(chance)) < chance).astype(float)
        (found,) = intervals(values[:, np.newaxis], np.repeat(np.arange(150), sizes))
        held += found.low <= 1 / 3 <= found.high
    assert 0.92 <= held / 600 <= 0.98
