"""Properties of every slate, from the pure planner and assembler: no server, no database, replies made up."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from catalog.types import Card
from events.types import HISTORY_LENGTH
from recommendations import packing, scripts
from recommendations.algorithms.returning import learn_returns
from recommendations.serving import answers, planning
from recommendations.serving.prepared import prepared
from recommendations.serving.slates import SPARE, Slate
from recommendations.serving.slates import slate as serve
from recommendations.strategies import STRATEGIES, Asked, blend, tuned
from recommendations.types import MAX_LIMIT, Candidate, LiveModel, PlacementConfig, Query, ServingParameters

NOW = 1_700_000_000.0
QUERY = Query()
NAMES = [f"i{n}" for n in range(40)]
OWN = blend(
    "own",
    "Own",
    [
        (tuned(STRATEGIES["session"], {"repeats": True}), 2.0),
        (STRATEGIES["popular"], 1.0),
        (STRATEGIES["buy_again"], 0.5),
    ],
)
ALL = {**STRATEGIES, "own": OWN}
NEED_NO_MODEL = {name for name, strategy in ALL.items() if not strategy.needs_model}
MODEL = LiveModel("m1", ServingParameters(returns=learn_returns([[1, 2, 1, 3, 2], [4, 5, 4]] * 50)))
CARDS = st.builds(
    Card,
    item_id=st.just(""),
    available=st.booleans(),
    published_at=st.sampled_from([0, int(NOW) - 1, int(NOW), int(NOW) + 1]),
    expires_at=st.sampled_from([0, 0, int(NOW), int(NOW) + 1, int(NOW) - 5]),
    group_id=st.sampled_from(["", "", "g1", "g2", "g3"]),
    product=st.just(b"{}"),
)
LISTS = st.lists(st.integers(0, len(NAMES) - 1), unique=True, max_size=25)
SOME = st.lists(st.sampled_from([*NAMES, "unknown"]), max_size=6)


@dataclass
class Shop:
    """What a made-up Redis holds: cards by number, a neighbour list for each item and strategy, one history."""

    cards: dict[int, Card]
    lists: dict[str, list[int]]
    history: list[str]
    bought: list[str] = field(default_factory=list)

    def reply(self, command: Sequence[Any]) -> Any:
        name, *arguments = command
        return self.of_script(*arguments) if name == "EVAL" else self.of_command(name, *arguments)

    def of_script(self, script: str, _: int, key: str, *arguments: Any) -> Any:
        if script == scripts.BOUGHT:
            return [item_id.encode() for item_id in self.bought]
        if script == scripts.NEWEST:
            new = self.lists.get("new", [])
            return [part for n, number in enumerate(new) for part in (b"%d" % number, b"%d" % (NOW - n * 43_200))]
        if script == scripts.BOUGHT_WITH:
            times = [b"%d" % ((NOW - 30 * 86_400) * 1e6) for _ in self.bought]
            return [times, [self.repurchase(item) for item in self.bought]]
        numbers = [b"%d" % NAMES.index(item) if item in NAMES else None for item in self.history]
        if script == scripts.RECENT:
            return [[b"v" + item.encode() for item in self.history], numbers]
        if script == scripts.TREND:
            trend = self.lists.get("trending", [])
            pairs = [part for n, number in enumerate(trend) for part in (NAMES[number].encode(), b"%d" % (99 - n))]
            return [pairs, [b"%d" % number for number in trend], b"%d" % NOW]
        if script == scripts.TREND_OF_CATEGORY:
            trend = self.lists.get(str(arguments[-1]), [])[:5]
            pairs = [part for n, number in enumerate(trend) for part in (NAMES[number].encode(), b"%d" % (99 - n))]
            return [pairs, [b"%d" % number for number in trend], b"%d" % NOW, b"Kitchen > {Mugs}"]
        count = int(arguments[-1])
        anchors = list(dict.fromkeys(self.history))[:count]
        return [[b"v" + anchor.encode() for anchor in anchors], [self.packed(anchor) for anchor in anchors]]

    def of_command(self, name: str, key: str, *fields: str) -> Any:
        if name == "ZRANGE":
            return []
        assert name == "HMGET"
        if key.endswith(":ids"):
            return [b"%d" % NAMES.index(field) if field in NAMES else None for field in fields]
        if key.endswith(":groups"):
            return [group.encode() if (group := self.group(field)) else None for field in fields]
        if key.endswith(":items"):
            return [msgspec.msgpack.encode(self.cards[field]) if field in self.cards else None for field in fields]
        return [self.packed(field) for field in fields]

    def group(self, item_id: str) -> str:
        return next((card.group_id for card in self.cards.values() if card.item_id == item_id), "")

    def repurchase(self, item_id: str) -> bytes | None:
        if item_id not in NAMES:
            return None
        return packing.pack_repurchase(packing.Repurchase(NAMES.index(item_id), 4, 0.3, 30.0, 0.6))

    def packed(self, field: str) -> bytes | None:
        neighbours = self.lists.get(field)
        if neighbours is None:
            return None
        scores = np.linspace(packing.SCALE, 1, len(neighbours)) if neighbours else np.array([])
        return packing.pack(np.array(neighbours, np.int64), scores, np.full(len(neighbours), 3))


@st.composite
def shops(draw: st.DrawFn) -> Shop:
    numbers = draw(st.lists(st.integers(0, len(NAMES) - 1), unique=True))
    cards = {n: msgspec.structs.replace(draw(CARDS), item_id=NAMES[n]) for n in numbers}
    lists = draw(st.dictionaries(st.sampled_from([*NAMES, *ALL]), LISTS, max_size=12))
    return Shop(cards, lists, draw(SOME), draw(SOME))


QUERIES = st.builds(
    Query,
    placement=st.just("here"),
    strategy=st.none() | st.sampled_from(list(ALL)),
    items=SOME.map(tuple),
    session_items=SOME.map(tuple),
    visitor_id=st.none() | st.just("v1"),
    user_id=st.none() | st.just("u1"),
    exclude=SOME.map(frozenset),
    limit=st.none() | st.integers(1, MAX_LIMIT),
    fill=st.booleans(),
)
PLACEMENTS = st.builds(
    PlacementConfig,
    key=st.just("here"),
    cascade=st.lists(st.sampled_from(list(ALL)), unique=True, min_size=1).map(tuple),
    limit=st.integers(1, 12),
    one_per_group=st.booleans(),
)


def run(
    shop: Shop, query: Query, placement: PlacementConfig, version: str | None = "m1", strategies: Any = None
) -> tuple[Slate, int]:
    """The slate and the number of reads it took."""
    model = MODEL if version else None
    reads, count = serve("shop", query, prepared(placement), model, NOW, strategies=strategies or ALL), 0
    try:
        commands = next(reads)
        while True:
            count += 1
            commands = reads.send([shop.reply(command) for command in commands])
    except StopIteration as done:
        slate: Slate = done.value
        return slate, count


def ids(slate: Slate) -> list[str]:
    return [each.admitted.card.item_id for each in slate.items]


def candidates(slate: Slate) -> list[tuple[Candidate, str]]:
    """What was shown, with its item's id."""
    return [(each.admitted.candidate, each.admitted.card.item_id) for each in slate.items]


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
    asked = Asked("shop", query, MODEL, NOW)
    steps = planning.plan(asked, planning.cascade_of(query, placement, ALL), prepared(placement)).steps
    known = set(shop.bought) if query.visitor_id or query.user_id else set()
    whole = [read for step in steps for read in step.reads if read[1] == scripts.NEIGHBOURS]
    if any(int(read[-1]) == HISTORY_LENGTH for read in whole):
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
    proposed = len({n for numbers in shop.lists.values() for n in numbers})
    assert reads <= 2 + proposed // SPARE
    if slate.empty_reason in {"no_context", "no_model"}:
        assert reads == 0


@given(shops(), QUERIES, PLACEMENTS)
def test_without_a_model_only_what_needs_none_is_read(shop: Shop, query: Query, placement: PlacementConfig) -> None:
    slate, reads = run(shop, query, placement, version=None)
    assert {candidate.source for candidate, _ in candidates(slate)} <= NEED_NO_MODEL
    assert slate.empty_reason in {None, "no_model", "nothing_available"}
    if not {*placement.cascade, query.strategy} & NEED_NO_MODEL:
        assert (slate.empty_reason, reads) == ("no_model", 0)


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
    assert reads == 2
