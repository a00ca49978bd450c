"""The order of a slate: what lifts and sinks items, diversity, and chance with the probability that is told."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from catalog.filters import parse
from catalog.matching import facts_of, matcher
from catalog.types import Card
from recommendations.rules.applying import Weight
from recommendations.serving.gate import Admitted
from recommendations.serving.reranking import Controls, Ranked, alike, diversified, explored, is_buried, ranked
from recommendations.types import Candidate

AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
LONG_AGO = int((AT - timedelta(days=400)).timestamp())


def admitted(number: int, published_at: int = 0, **product: Any) -> Admitted:
    shown = msgspec.json.encode({"item_id": f"i{number}", "title": "x", **product})
    card = Card(f"i{number}", True, published_at, 0, "", shown)
    return Admitted(Candidate(number, 1.0, "popular", "popular", None, 1), card, facts_of(shown))


def only(*items: str) -> Any:
    return matcher(parse({"field": "item_id", "op": "in", "value": list(items)}))


def ids(order: list[Ranked]) -> list[str]:
    return [each.admitted.card.item_id for each in order]


PRODUCTS = st.fixed_dictionaries(
    {
        "brand": st.sampled_from(["", "A", "B"]),
        "categories": st.lists(st.sampled_from(["A", "A > B", "C"]), max_size=2),
        "attributes": st.sampled_from([{}, {"margin": 0.3}, {"margin": 1}, {"margin": "much"}, {"margin": True}]),
        "published_at": st.sampled_from([0, LONG_AGO, int(AT.timestamp()) - 60]),
    }
)


@st.composite
def pools(draw: st.DrawFn) -> list[Admitted]:
    drawn = draw(st.lists(PRODUCTS, min_size=1, max_size=14))
    return [
        admitted(n, each["published_at"], **{name: each[name] for name in ("brand", "categories", "attributes")})
        for n, each in enumerate(drawn)
    ]


SOME = st.lists(st.integers(0, 14).map(lambda n: f"i{n}"), max_size=4)
WEIGHTS = st.lists(
    st.tuples(SOME, st.just(0.0) | st.floats(1, 100)).map(lambda each: Weight("other", only(*each[0]), each[1])),
    max_size=3,
)
CONTROLS = st.builds(
    Controls,
    weights=WEIGHTS,
    diversity=st.sampled_from([0.0, 0.3, 1.0]),
    shown=st.dictionaries(st.integers(0, 14).map(lambda n: f"i{n}"), st.integers(1, 40), max_size=5),
    margin=st.sampled_from([0.0, 0.5, 1.0]),
    newness=st.sampled_from([0.0, 0.5]),
)


@given(pools(), CONTROLS, st.integers(1, 12), st.integers(0, 13), st.floats(1, 100))
def test_boosting_an_item_never_lowers_its_rank(
    pool: list[Admitted], controls: Controls, limit: int, number: int, factor: float
) -> None:
    item = f"i{number % len(pool)}"
    before = ids(ranked(pool, (), limit, controls, AT))
    boosted = weighing(controls, [*controls.weights, Weight("boost", only(item), factor)])
    after = ids(ranked(pool, (), limit, boosted, AT))
    assert sorted(after) == sorted(before)
    assert after.index(item) <= before.index(item)


def weighing(controls: Controls, weights: list[Weight]) -> Controls:
    return Controls(
        weights, controls.diversity, controls.shown, controls.margin, controls.newness, controls.exploration
    )


@given(pools(), CONTROLS, st.integers(1, 12), SOME)
def test_what_is_buried_is_behind_all_others(
    pool: list[Admitted], controls: Controls, limit: int, buried: list[str]
) -> None:
    weights = [Weight("bury", only(*buried), 0.0), Weight("boost", only(*buried), 100.0)]
    order = ranked(pool, (), limit, weighing(controls, [*controls.weights, *weights]), AT)
    flags = [is_buried(each) for each in order]
    assert flags == sorted(flags)
    assert {item for item, flag in zip(ids(order), flags, strict=True) if flag} >= set(buried) & set(ids(order))


@given(pools(), CONTROLS, st.integers(1, 12))
def test_an_order_holds_each_item_once_and_says_what_its_value_is_made_of(
    pool: list[Admitted], controls: Controls, limit: int
) -> None:
    order = ranked(pool, (), limit, controls, AT)
    assert sorted(ids(order)) == sorted(each.card.item_id for each in pool)
    for each in order:
        product = 1.0
        for part in each.parts:
            product *= part.factor or 1.0
        assert not each.parts or each.value == pytest.approx(product)


def test_what_is_shown_often_sinks_and_what_is_new_or_earns_more_rises() -> None:
    day = int((AT - timedelta(days=1)).timestamp())
    pool = [admitted(0), admitted(1), admitted(2, day), admitted(3, attributes={"margin": 1.0})]

    def order(**controls: Any) -> list[str]:
        return ids(ranked(pool, (), 10, Controls(**controls), AT))

    assert order() == ["i0", "i1", "i2", "i3"]
    assert order(shown={"i0": 2}) == ["i0", "i1", "i2", "i3"]
    assert order(shown={"i0": 3}) == ["i1", "i2", "i3", "i0"]
    assert order(newness=0.5) == ["i2", "i0", "i1", "i3"]
    assert order(margin=0.5) == ["i3", "i0", "i1", "i2"]


def test_diversity_by_hand() -> None:
    """Likeness: a and b share the brand and the category (1), a and c the brand (0.5), d nothing with anybody."""
    a, b = admitted(0, brand="X", categories=["P"]), admitted(1, brand="X", categories=["P"])
    c, d = admitted(2, brand="X", categories=["Q"]), admitted(3, brand="Y", categories=["R"])
    valued = [Ranked(each, value) for each, value in ((a, 1.0), (b, 0.9), (c, 0.8), (d, 0.5))]
    assert [alike(valued[0], each) for each in valued] == [1.0, 1.0, 0.5, 0.0]
    # After a: b 0.5·0.9 − 0.5·1 = −0.05, c 0.4 − 0.25 = 0.15, d 0.25. After d: b −0.05, c 0.15.
    assert ids(diversified(valued, 4, 0.5)) == ["i0", "i3", "i2", "i1"]
    # After a: b 0.81 − 0.1 = 0.71, c 0.72 − 0.05 = 0.67, d 0.45.
    assert ids(diversified(valued, 4, 0.1)) == ["i0", "i1", "i2", "i3"]
    assert ids(diversified(valued, 2, 0.5)) == ["i0", "i3", "i1", "i2"]  # beyond the limit as they were


def test_chance_shows_what_just_missed_as_often_as_it_says() -> None:
    limit, share, draws = 3, 0.3, 4_000
    order = [Ranked(admitted(n), 1.0) for n in range(7)]
    slates = [explored(order, limit, share, f"r{n}") for n in range(draws)]
    told: dict[str, float] = {}
    for slate in slates:
        assert ids(slate[:2]) == ["i0", "i1"]
        assert [each.propensity for each in slate[:2]] == [1.0, 1.0]
        told.setdefault(slate[-1].admitted.card.item_id, slate[-1].propensity)
        assert told[slate[-1].admitted.card.item_id] == slate[-1].propensity
    assert set(told) == {"i2", "i3", "i4", "i5", "i6"}
    assert sum(told.values()) == pytest.approx(1.0)
    seen = Counter(slate[-1].admitted.card.item_id for slate in slates)
    result = chisquare([seen[item] for item in told], [propensity * draws for propensity in told.values()])
    assert result.pvalue > 0.01
    assert explored(order, limit, share, "r1") == explored(order, limit, share, "r1")


def test_chance_leaves_pins_alone_and_what_is_buried_behind() -> None:
    bury = Controls(weights=[Weight("bury", only("i3", "i4"), 0.0)])
    pool = [admitted(n) for n in range(5)]
    order = ranked(pool, (), 2, bury, AT)
    assert {explored(order, 2, 0.5, n)[-1].admitted.card.item_id for n in range(200)} == {"i1", "i2"}
    pinned = ranked(pool[:4], [(2, "pin", pool[4])], 2, Controls(), AT)
    assert {tuple(ids(explored(pinned, 2, 0.5, n))) for n in range(50)} == {("i0", "i4")}
    short = ranked(pool[:1], (), 2, Controls(), AT)
    assert explored(short, 2, 0.5, 1)[0].propensity == 1.0
