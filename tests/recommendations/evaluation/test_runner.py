import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommendations.evaluation.metrics import catalogue
from recommendations.evaluation.runner import BATCH, evaluate
from recommendations.evaluation.types import Quality
from tests.recommendations.evaluation.made import SHOP, always, case, random_ranks, ranking


def test_a_small_evaluation_by_hand() -> None:
    cases = [case(1, unit="a"), case(2, unit="a"), case(3, unit="b"), case(4, unit="c")]
    results = evaluate("session", always([[1, 9], [9, 2], [9, 8], []]), cases, 2, catalogue(range(10), [1, 1, 2, 9]))
    found = results.quality
    assert results.ranks.tolist() == [1, 2, 0, 0]
    assert (found.strategy, found.k, found.n, found.units) == ("session", 2, 4, 3)
    assert found.hit_rate
    assert found.mrr
    assert (found.hit_rate.value, found.mrr.value) == (0.5, 0.375)
    assert found.share_answered == 0.75
    assert found.coverage == 0.4  # 1, 2, 8, 9 of ten
    # Shown 1, 9, 9, 2, 9, 8, met 2, 1, 1, 1, 1, 0 times; chosen 1 to 4, met 2, 1, 0, 0 times.
    assert found.popularity_bias == pytest.approx((6 / 6) / (3 / 4))


def test_lists_are_cut_at_k_and_may_be_arrays() -> None:
    results = evaluate("s", always([np.array([1, 2, 3]), [4]]), [case(3), case(4)], 2, SHOP)  # type: ignore[list-item]
    assert results.ranks.tolist() == [0, 1]
    assert results.shown.items.tolist() == [1, 2, 4]


def test_a_generator_will_do_and_batches_are_bounded() -> None:
    sizes = []

    def recommend(prefixes: Sequence[tuple[int, ...]]) -> object:
        sizes.append(len(prefixes))
        return ([prefix[-1]] for prefix in prefixes)

    cases = [case(number % 50, prefix=[number % 50]) for number in range(BATCH + 1)]
    results = evaluate("s", recommend, cases, 1, SHOP)  # type: ignore[arg-type]
    assert sizes == [BATCH, 1]
    assert (results.ranks == 1).all()


@pytest.mark.parametrize(
    ("slates", "complaint"),
    [([[1, 1]], "twice"), ([[-1]], "no item number"), ([[2**32]], "no item number"), ([], "0 lists for 1")],
)
def test_what_is_no_slate_is_refused(slates: list[list[int]], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        evaluate("s", lambda _: slates, [case(1)], 3, SHOP)


def test_no_cases_have_no_figures() -> None:
    found = evaluate("s", always([]), [], 5, SHOP).quality
    assert (found.n, found.hit_rate, found.ndcg, found.share_answered, found.novelty) == (0, None, None, None, None)
    assert Quality.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_quality_survives_json() -> None:
    found = ranking(random_ranks(1, 80, 0.4)).quality
    plain = json.loads(json.dumps(found.to_json()))
    assert Quality.from_json(plain) == found
    assert plain["hit_rate_interval"][0] < plain["hit_rate"] < plain["hit_rate_interval"][1]


@settings(max_examples=20, deadline=None)
@given(ranks=st.lists(st.integers(0, 10), min_size=2, max_size=20), data=st.data())
def test_the_order_of_cases_does_not_matter(ranks: list[int], data: st.DataObject) -> None:
    cases = [case(50, unit=str(number % 7)) for number in range(len(ranks))]
    slates = [[*range(rank - 1), 50] if rank else [1] for rank in ranks]
    order = data.draw(st.permutations(range(len(ranks))))
    found = evaluate("s", always(slates), cases, 10, SHOP).quality
    other = evaluate("s", always([slates[at] for at in order]), [cases[at] for at in order], 10, SHOP).quality
    assert without_time(other) == pytest.approx(without_time(found))


def without_time(found: Quality) -> dict[str, object]:
    plain = {name: value for name, value in found.to_json().items() if not name.endswith("slate")}
    intervals = {name: plain.pop(name) for name in list(plain) if name.endswith("interval")}
    return {**plain, **{f"{name}{end}": pair[end] for name, pair in intervals.items() for end in (0, 1)}}
