import json

import pytest

from recommendations.evaluation.judging import judge, judge_by_record, paired_differences
from recommendations.evaluation.metrics import catalogue
from recommendations.evaluation.runner import Results, evaluate
from tests.recommendations.evaluation.made import always, random_ranks, ranking

GOOD = ranking(random_ranks(1, 400, 0.5))
POOR = ranking(random_ranks(2, 400, 0.2))


def narrow(like: Results) -> Results:
    """The same hits at the same ranks, but beside them everybody is shown the same few items."""
    slates = [[*range(rank - 1), 50] if rank else [0] for rank in like.ranks.tolist()]
    return evaluate("session", always(slates), like.cases, like.k, like.known)


def test_a_worse_model_is_held_back_and_says_why() -> None:
    decision = judge(POOR, GOOD)
    assert (decision.publish, decision.code) == (False, "worse")
    assert decision.differences["ndcg"].high < 0
    new, live = (f"{each.measures[:, 0].mean():.1%}".replace("%", " %") for each in (POOR, GOOD))
    assert decision.text.startswith("Not published: the new model ranks worse than the live one, by more than chance")
    for part in (f"in {new} of cases", f"the live one in {live}", "Among 10 products", "400 held-out visits or orders"):
        assert part in decision.text


def test_a_better_model_is_published() -> None:
    decision = judge(GOOD, POOR)
    assert (decision.publish, decision.code) == (True, "better")
    assert decision.differences["hit_rate"].low > 0


def test_a_difference_within_chance_holds_nothing_back() -> None:
    """Another draw of the same quality, and the very same model."""
    assert judge(ranking(random_ranks(3, 400, 0.49)), GOOD).code == "as_good"
    same = judge(GOOD, GOOD)
    assert (same.publish, same.code) == (True, "as_good")
    assert {(each.value, each.low, each.high) for each in same.differences.values()} == {(0, 0, 0)}


def test_a_collapse_of_coverage_is_held_back() -> None:
    decision = judge(narrow(GOOD), GOOD)
    assert (decision.publish, decision.code) == (False, "coverage_collapsed")
    assert "It shows 10.0 % of the catalogue, the live one 51.0 %" in decision.text


def test_some_loss_of_coverage_is_no_collapse() -> None:
    """31 items instead of 51: more than half."""
    others = [[(number + place) % 30 for place in range(10)] for number in range(len(GOOD.cases))]
    ranked = zip(GOOD.ranks.tolist(), others, strict=True)
    slates = [[*rest[: rank - 1], 50, *rest[rank:]] if rank else rest for rank, rest in ranked]
    candidate = evaluate("session", always(slates), GOOD.cases, GOOD.k, GOOD.known)
    assert candidate.quality.coverage < GOOD.quality.coverage
    assert judge(candidate, GOOD).code == "as_good"


def test_one_hit_less_is_not_worse() -> None:
    ranks = GOOD.ranks.tolist()
    ranks[ranks.index(max(ranks))] = 0
    candidate = ranking(ranks)
    assert judge(candidate, GOOD).code == "as_good"
    assert "It is not clearly better than" in judge(candidate, None, GOOD).text


def test_what_is_worse_and_narrow_is_called_worse() -> None:
    assert judge(narrow(POOR), GOOD).code == "worse"


@pytest.mark.parametrize("live", [None, ranking([1] * 49)])
def test_too_few_visits_hold_nothing_back(live: Results | None) -> None:
    decision = judge(ranking([0] * 49), live)
    assert (decision.publish, decision.code) == (True, "too_few_to_judge")
    assert "only 49 held-out visits or orders to judge it by" in decision.text


def test_visits_count_and_not_cases() -> None:
    """A thousand cases of a few visits are few."""
    decision = judge(ranking([0] * 1000, per_unit=100), ranking([1] * 1000, per_unit=100))
    assert (decision.publish, decision.code) == (True, "too_few_to_judge")
    assert "only 10 held-out visits or orders" in decision.text


def test_without_any_case_it_is_published_with_the_reason() -> None:
    decision = judge(ranking([]), ranking([]), ranking([]))
    assert (decision.publish, decision.code) == (True, "too_few_to_judge")
    assert decision.differences == {}


@pytest.mark.parametrize(
    ("candidate", "popular", "beats", "says"),
    [
        (GOOD, POOR, True, "It is better than showing everybody what is popular"),
        (POOR, GOOD, False, "It is worse than showing everybody what is popular"),
        (GOOD, GOOD, False, "It is not clearly better than"),
    ],
)
def test_a_first_model_is_published_and_compared_with_popular(
    candidate: Results, popular: Results, beats: bool, says: str
) -> None:
    decision = judge(candidate, None, popular)
    assert (decision.publish, decision.code, decision.beats_popular) == (True, "first_model", beats)
    assert "it is the first model" in decision.text
    assert says in decision.text


def test_only_the_same_cases_are_compared() -> None:
    for other in (ranking([1, 2]), ranking(random_ranks(1, 400, 0.5), k=20)):
        with pytest.raises(ValueError, match="same cases"):
            paired_differences(GOOD, other)


def test_a_record_will_do_where_the_live_tables_are_gone() -> None:
    assert judge_by_record(POOR, GOOD.quality).code == "worse"
    assert judge_by_record(GOOD, POOR.quality).code == "better"
    assert judge_by_record(ranking(random_ranks(4, 300, 0.5)), GOOD.quality).code == "as_good"
    assert judge_by_record(GOOD, ranking([1] * 20).quality).code == "too_few_to_judge"
    assert judge_by_record(GOOD, ranking([]).quality).publish
    with pytest.raises(ValueError, match="items shown"):
        judge_by_record(GOOD, ranking([1], k=20).quality)


def test_a_decision_is_plain_values() -> None:
    plain = json.loads(json.dumps(judge(POOR, GOOD, POOR).to_json()))
    assert (plain["publish"], plain["code"], plain["beats_popular"]) == (False, "worse", False)
    assert len(plain["differences"]["mrr"]) == 3


def test_an_empty_catalogue_can_be_judged() -> None:
    nothing = catalogue([], [])
    assert judge(ranking([1] * 60, known=nothing), ranking([1] * 60, known=nothing)).code == "as_good"
