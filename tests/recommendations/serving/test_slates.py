"""Properties of every slate, from the pure planner and assembler: no server, no database, replies made up."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import example, given

from catalog.types import Card
from recommendations.serving import answers, planning
from recommendations.serving.slates import FEW
from recommendations.types import MAX_LIMIT, PlacementConfig, Query
from tests.recommendations.serving.made_up import (
    ALL,
    NAMES,
    NEED_NO_MODEL,
    NOW,
    PLACEMENTS,
    QUERIES,
    Shop,
    candidates,
    ids,
    run,
    shops,
)  # fmt: skip

QUERY = Query()


@given(shops(), QUERIES, PLACEMENTS)
def test_a_slate_shows_only_what_may_be_shown_each_once_up_to_the_limit(
    shop: Shop, query: Query, placement: PlacementConfig
) -> None:
    slate, _ = run(shop, query, placement)
    by_name = {card.item_id: card for card in shop.cards.values()}
    shown = ids(slate)
    assert len(shown) == len(set(shown)) <= (query.limit or placement.limit)
    assert not set(shown) & {*query.exclude, *query.items}
    assert not {item_id for each, item_id in candidates(slate) if not each.repeats} & {*query.session_items}
    for item_id in shown:
        assert by_name[item_id].available
        assert by_name[item_id].published_at <= NOW
        assert by_name[item_id].expires_at == 0 or by_name[item_id].expires_at > NOW
    assert (slate.empty_reason is None) == bool(shown)


@given(shops(), QUERIES, PLACEMENTS)
def test_of_a_group_one_is_shown_and_none_of_what_is_at_hand(
    shop: Shop, query: Query, placement: PlacementConfig
) -> None:
    slate, _ = run(shop, query, placement)
    groups = [group for item_id in ids(slate) if (group := shop.group(item_id))]
    new = {group for each, item_id in candidates(slate) if (group := shop.group(item_id)) and not each.repeats}
    if placement.one_per_group:
        assert len(groups) == len(set(groups))
        assert not set(groups) & {shop.group(item_id) for item_id in query.items}
        assert not new & {shop.group(item_id) for item_id in query.session_items}
    else:
        every, _ = run(shop, replace(query, limit=MAX_LIMIT), replace(placement, one_per_group=True))
        assert len(slate.items) >= min(len(every.items), query.limit or placement.limit)


@given(shops(), QUERIES, PLACEMENTS)
def test_a_slate_is_full_unless_there_is_nothing_more(shop: Shop, query: Query, placement: PlacementConfig) -> None:
    """Whatever is left out is made up for: asking for everything finds no more than what was shown."""
    slate, _ = run(shop, query, placement)
    everything, _ = run(shop, replace(query, limit=MAX_LIMIT), placement)
    limit = query.limit or placement.limit
    assert candidates(slate) == candidates(everything)[:limit]


@given(shops(), QUERIES, PLACEMENTS)
def test_a_slate_says_where_its_items_come_from(shop: Shop, query: Query, placement: PlacementConfig) -> None:
    slate, _ = run(shop, query, placement)
    asked = [query.strategy, *placement.cascade] if query.strategy else list(placement.cascade)
    sources = [candidate.source for candidate, _ in candidates(slate)]
    assert sources == sorted(sources, key=list(dict.fromkeys(asked)).index)  # a strategy at a time, in their order
    assert slate.strategy == asked[0]
    if not query.fill:
        assert set(sources) <= {asked[0]}
    assert 0 <= slate.fallback_share <= 1
    anchored = {candidate.because_of for candidate, _ in candidates(slate)} - {None}
    assert anchored <= {*query.items, *query.session_items, *shop.history}


@given(shops(), QUERIES, PLACEMENTS)
def test_what_a_visitor_knows_is_not_shown_where_the_history_is_read(
    shop: Shop, query: Query, placement: PlacementConfig
) -> None:
    slate, _ = run(shop, query, placement)
    known = set(shop.bought) if query.is_known else set()
    if any(each.name == "for_you" for each in planning.cascade_of(query, placement, ALL)) and query.is_known:
        known |= set(shop.history)
    assert not {item_id for candidate, item_id in candidates(slate) if not candidate.repeats} & known


@given(shops(), QUERIES, PLACEMENTS)
def test_the_answer_is_as_the_contract_shows_it(shop: Shop, query: Query, placement: PlacementConfig) -> None:
    slate, _ = run(shop, query, placement)
    answer = msgspec.json.decode(msgspec.json.encode(answers.body(slate, "r1", QUERY)))
    assert [item["position"] for item in answer["items"]] == list(range(1, len(answer["items"]) + 1))
    assert set(answer) - {"empty_reason"} == {
        "recommendation_id", "placement", "strategy", "experiment", "model_version", "fallback_share", "context",
        "items",
    }  # fmt: skip
    assert ("empty_reason" in answer) == (not answer["items"])
    for item in answer["items"]:
        assert set(item) == {"item_id", "position", "score", "source", "reason", "product"}
        assert item["score"] >= 0
        assert item["reason"]["code"] in ALL[item["source"]].reasons
        assert "None" not in item["reason"]["text"]
        assert "{" not in item["reason"]["text"]


@given(shops(), QUERIES, PLACEMENTS)
@example(Shop({}, {"popular": list(range(25))}, []), Query("here"), PlacementConfig("here", ("popular",), 1))
def test_the_reads_are_few(shop: Shop, query: Query, placement: PlacementConfig) -> None:
    slate, reads = run(shop, query, placement)
    # What repeats proposes an item again that another has proposed.
    times = 1 + sum(ALL[name].repeats or name == "own" for name in {*placement.cascade, query.strategy} - {None})
    proposed = times * len({n for numbers in shop.lists.values() for n in numbers})
    asked = planning.cascade_of(query, placement, ALL)
    assert reads <= 1 + 2 * len(asked) + proposed // FEW
    if slate.empty_reason in {"no_context", "no_model"}:
        assert reads <= 1


def test_no_strategy_is_asked_once_the_slate_is_full() -> None:
    shop = Shop({n: Card(NAMES[n], True, 0, 0, "", b"{}") for n in range(12)}, {"i30": list(range(12)), "new": [3]}, [])
    placement = PlacementConfig("here", ("also_viewed", "trending", "popular", "new"))
    _, reads = run(shop, Query("here", items=("i30",), visitor_id="v1"), placement)
    assert reads == 3  # of the visitor, the lists, the cards
    _, reads = run(shop, Query("here", items=("i30",), visitor_id="v1", why_not="i3"), placement)
    assert reads == 6  # what is asked about may be proposed further down


def test_a_browser_that_belongs_to_a_user_has_the_users_history() -> None:
    shop = Shop({5: Card("i5", True, 0, 0, "", b"{}")}, {"i30": [5]}, ["i30"], owner=b"u1")
    slate, reads = run(shop, Query("here", visitor_id="v1"), PlacementConfig("here", ("session",)))
    assert ids(slate) == ["i5"]
    assert reads == 4


@given(shops(), QUERIES, PLACEMENTS)
def test_without_a_model_only_what_needs_none_is_read(shop: Shop, query: Query, placement: PlacementConfig) -> None:
    slate, reads = run(shop, query, placement, version=None)
    assert {candidate.source for candidate, _ in candidates(slate)} <= NEED_NO_MODEL
    assert slate.empty_reason in {None, "no_model", "nothing_available"}
    if not {*placement.cascade, query.strategy} & NEED_NO_MODEL:
        assert slate.empty_reason == "no_model"
        assert reads <= 1  # of the visitor


def test_an_item_whose_id_looks_like_a_format_is_quoted_as_it_is() -> None:
    shop = Shop({1: Card("i1", True, 0, 0, "", b"{}")}, {"{0}{count}": [1]}, [])
    placement = PlacementConfig("here", ("also_viewed",))
    slate, _ = run(shop, Query("here", items=("{0}{count}",)), placement)
    [item] = answers.body(slate, "r1", QUERY)["items"]
    assert item["reason"]["text"] == "3 shoppers interested in {0}{count} were also interested in this"


@pytest.mark.parametrize("length", [1, 50, 100])
def test_a_slate_from_long_lists_of_many_anchors(length: int) -> None:
    lists = {f"i{n}": list(range(length)) for n in range(20)}
    shop = Shop({n: Card(f"x{n}", True, 0, 0, "", b"{}") for n in range(length)}, lists, [])
    slate, reads = run(shop, Query("here", session_items=tuple(lists)), PlacementConfig("here", ("session",), 50))
    assert ids(slate) == [f"x{n}" for n in range(min(length, 50))]
    assert reads == 3
