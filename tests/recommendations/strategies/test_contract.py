"""What holds for every strategy, built in or blended, through the serving path and a made-up Redis."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
import pytest

from catalog.types import Card
from recommendations import packing
from recommendations.serving import answers
from recommendations.serving.slates import Slate
from recommendations.strategies import STRATEGIES, Anchors, blend, tuned
from recommendations.strategies.base import Strategy
from recommendations.types import Candidate, PlacementConfig, Query, ServingParameters
from tests.docs.pages import rows, section, text
from tests.recommendations.serving.made_up import MODEL, NAMES, NOW, Shop, candidates, ids, run

OWN: Final = blend("own", "Own", [(STRATEGIES["similar"], 3.0), (STRATEGIES["popular"], 1.0)])
RETURNING: Final = blend("returning", "Returning", [(tuned(STRATEGIES["session"], {"repeats": True}), 1.0)])
EVERY: Final = {**STRATEGIES, "own": OWN, "returning": RETURNING}
KNOWN: Final[Mapping[str, list[str]]] = {
    "also_viewed": ["i5", "i6", "i7"],
    "bought_together": ["i5", "i6", "i7"],
    "similar": ["i5", "i6", "i7"],
    "session": ["i5", "i6", "i7"],
    "for_you": ["i8", "i9"],
    "trending": ["i5", "i6", "i7", "i12", "i11", "i10"],  # the category of what is at hand first
    "popular": ["i9", "i5", "i8"],
    "new": ["i20", "i21"],
    "recently_viewed": ["i2", "i3"],
    "buy_again": ["i4"],
    "own": ["i5", "i6", "i9", "i7", "i8"],
    "returning": ["i2", "i5", "i6", "i7"],  # its visits come back more often than not
}
QUERY: Final = Query("here", items=("i0",), session_items=("i2",))
VISITOR: Final = Query("here", visitor_id="v1")
every = pytest.mark.parametrize("name", EVERY)


def cards(*numbers: int, **changes: Any) -> dict[int, Card]:
    whole = {"available": True, "published_at": 0, "expires_at": 0, "group_id": "", "product": b"{}"} | changes
    return {n: Card(item_id=NAMES[n], **whole) for n in numbers}


def shop() -> Shop:
    """Lists of the items at hand and of the history, the shop's lists, a trend, and what came last."""
    lists = {
        "i0": [5, 6, 7], "i2": [], "i3": [8, 9], "popular": [9, 5, 8], "trending": [12, 11, 10], "new": [20, 21],
    }  # fmt: skip
    return Shop(cards(*range(40)), lists, ["i2", "i3"], ["i4"])


def query_of(strategy: Strategy) -> Query:
    return VISITOR if set(strategy.starts_from) == {Anchors.HISTORY} else QUERY


def slate(name: str, made: Shop, query: Query | None = None, **changes: Any) -> Slate:
    asked = replace(query or query_of(EVERY[name]), strategy=name, fill=False, limit=50, **changes)
    answer, _ = run(made, asked, PlacementConfig("here", ("popular",)), strategies=EVERY)
    return answer


def shown(answer: Slate) -> list[str]:
    return ids(answer)


@every
def test_a_known_answer(name: str) -> None:
    assert shown(slate(name, shop()))[: len(KNOWN[name])] == KNOWN[name]


@every
def test_the_same_question_has_the_same_answer(name: str) -> None:
    assert slate(name, shop()) == slate(name, shop())


@every
def test_an_empty_catalogue_and_one_of_a_single_item(name: str) -> None:
    assert shown(slate(name, Shop({}, {}, []))) == []
    single = Shop(cards(0), {"i0": [], "popular": [0], "trending": [0], "new": [0]}, ["i0"], ["i0"])
    answer = slate(name, single)
    assert set(shown(answer)) <= {"i0"}
    assert "i0" not in shown(slate(name, single, QUERY))


@every
def test_never_the_item_at_hand_nor_what_is_excluded(name: str) -> None:
    first = shown(slate(name, shop()))[0]
    query = query_of(EVERY[name])
    assert first not in shown(slate(name, shop(), query, exclude=frozenset({first})))
    assert first not in shown(slate(name, shop(), query, items=(*query.items, first)))


@every
@pytest.mark.parametrize(
    "change", [{"available": False}, {"expires_at": int(NOW)}, {"published_at": int(NOW) + 1}], ids=str
)
def test_never_what_is_not_available(name: str, change: dict[str, Any]) -> None:
    made = shop()
    first = shown(slate(name, made))[0]
    made.cards |= cards(NAMES.index(first), **change)
    assert first not in shown(slate(name, made))
    del made.cards[NAMES.index(first)]
    assert first not in shown(slate(name, made))


@every
def test_ids_that_nobody_knows_change_nothing(name: str) -> None:
    query = query_of(EVERY[name])
    if query.items:
        query = replace(query, items=(*query.items, "unknown"), session_items=(*query.session_items, "unknown"))
    assert shown(slate(name, shop(), query)) == shown(slate(name, shop()))
    nobody = slate(name, replace(shop(), history=["unknown"], bought=["unknown"]), Query("here", visitor_id="v1"))
    assert "unknown" not in shown(nobody)


@every
def test_best_first_and_each_says_its_evidence(name: str) -> None:
    answer = slate(name, shop())
    codes = set(rows(section(text("docs/errors.md"), "Reasons")))
    scores = [candidate.score for candidate, _ in candidates(answer)]
    assert scores == sorted(scores, reverse=True)
    for candidate, _ in candidates(answer):
        assert candidate.source == name
        assert candidate.reason in codes
        assert candidate.reason in EVERY[name].reasons
        assert candidate.evidence > 0 or candidate.reason == "new"  # days in the shop, which may be none
        assert candidate.score > 0
        assert answers.sentence(candidate)


@pytest.mark.parametrize(("name", "usual"), [
    ("also_viewed", "viewed_together"), ("session", "viewed_together"), ("for_you", "because_of_history"),
    ("returning", "viewed_together"),
])  # fmt: skip
def test_what_texts_alone_speak_for_says_so_without_a_number(name: str, usual: str) -> None:
    class Backed(Shop):
        def packed(self, field: str) -> bytes | None:
            return packing.pack(np.array([5, 6]), np.array([512.0, 9.0]), np.array([2, 0]))

    made = Backed(cards(*range(40)), {}, ["i3"])
    query = VISITOR if name == "for_you" else Query("here", items=("i0",))
    anchor = "i3" if name == "for_you" else "i0"
    found = {item_id: candidate for candidate, item_id in candidates(slate(name, made, query))}
    assert (found["i5"].reason, found["i5"].evidence) == (usual, 2)
    assert (found["i6"].reason, found["i6"].evidence) == ("similar_content", 0)
    assert answers.sentence(found["i6"]) == f"Resembles {anchor}"
    assert {"similar_content", usual} <= set(EVERY[name].reasons)


@every
def test_the_order_in_which_a_basket_is_named_decides_only_where_newer_ones_count_more(name: str) -> None:
    if not {Anchors.ITEMS} & set(EVERY[name].starts_from):
        pytest.skip("it does not start from a basket")
    if name == "also_viewed":
        pytest.skip("the item named first is the newest")
    one, other = (replace(QUERY, session_items=(), items=items) for items in (("i0", "i3"), ("i3", "i0")))
    assert shown(slate(name, shop(), one)) == shown(slate(name, shop(), other))


TIED: Final = packing.pack(np.array([5, 6, 7]), np.array([512.0, 512.0, 512.0]), np.array([2, 2, 2]))


@dataclass
class Tables:
    """A model's tables as the made-up shop holds them."""

    shop: Shop
    parameters: ServingParameters = field(default_factory=lambda: MODEL.parameters)

    def lists(self, table: str, items: Any) -> list[bytes | None]:
        return [self.shop.packed(NAMES[item]) for item in items]

    def shop_list(self, strategy: str) -> bytes | None:
        return self.shop.packed(strategy)


@every
def test_ranks_from_tables_as_it_is_served(name: str) -> None:
    """Visitor's histories and the shop's lists from the tables; what depends on the moment is not ranked."""
    strategy, made = EVERY[name], shop()
    past = [3, 2] if query_of(strategy) is VISITOR else [2, 0]
    if Anchors.ITEMS in strategy.starts_from:
        past = [0]
    ranked = strategy.rank(Tables(made), past)
    if ranked is None:
        assert name in {"trending", "new", "buy_again"}
        return
    served = shown(slate(name, made))
    from_tables = [NAMES[item] for item in ranked]
    assert [item for item in from_tables if item in served] == [item for item in served if item in from_tables]
    assert set(served) <= set(from_tables)


@pytest.mark.parametrize("name", ["also_viewed", "similar", "session", "own"])
def test_ties_go_to_the_smaller_item(name: str) -> None:
    class Tied(Shop):
        def packed(self, field: str) -> bytes | None:
            return TIED if field == "i0" else None

    made = Tied(cards(*range(40)), {}, [])
    assert shown(slate(name, made, Query("here", items=("i0",)))) == ["i5", "i6", "i7"]


def test_a_blend_adds_shares_of_each_parts_best() -> None:
    """similar: i5 1, i6 ~½, i7 ~0, three times; popular: i9 1, i5 ~½, i8 ~0, once; all over four."""
    scores = {item_id: candidate.score / packing.SCALE for candidate, item_id in candidates(slate("own", shop()))}
    assert scores["i5"] == pytest.approx((3 + 0.5) / 4, abs=2e-3)
    assert scores["i6"] == pytest.approx(3 * 0.5 / 4, abs=2e-3)
    assert scores["i9"] == pytest.approx(1 / 4, abs=2e-3)


def test_a_blend_gives_the_reason_of_the_part_that_gave_most() -> None:
    found: dict[str, Candidate] = {item_id: candidate for candidate, item_id in candidates(slate("own", shop()))}
    assert (found["i5"].reason, found["i5"].because_of, found["i9"].reason) == ("similar_content", "i0", "popular")
    assert {candidate.source for candidate in found.values()} == {"own"}


def test_a_part_with_nothing_to_start_from_has_no_say() -> None:
    alone = slate("own", shop(), Query("here"))
    assert next((item_id, candidate.score) for candidate, item_id in candidates(alone)) == ("i9", packing.SCALE)


def test_a_visit_may_come_back_but_not_to_the_item_at_hand() -> None:
    found = {item_id: candidate for candidate, item_id in candidates(slate("returning", shop()))}
    assert (found["i2"].reason, found["i2"].evidence) == ("comes_back", 1)
    assert "i0" not in found
    assert "i2" not in shown(slate("session", shop()))


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("popular", {"decay": 1.0}), ("session", {"decay": 0}), ("session", {"repeats": 1}),
        ("similar", {"repeats": True}), ("for_you", {"max_anchors": 1.5}), ("for_you", {"max_anchors": 51}),
        ("bought_together", {"basket": "yes"}),
    ],
)  # fmt: skip
def test_what_cannot_be_set(name: str, parameters: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=name):
        tuned(STRATEGIES[name], parameters)
