"""A made-up Redis and catalogue for slates: no server, no database, replies worked out here."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np
from hypothesis import strategies as st

from catalog.matching import facts_of, matcher
from catalog.types import Card
from recommendations import packing, scripts
from recommendations.algorithms.returning import learn_returns
from recommendations.serving.prepared import Prepared, prepared
from recommendations.serving.slates import Matching, Slate
from recommendations.serving.slates import slate as serve
from recommendations.strategies import STRATEGIES, blend, tuned
from recommendations.types import MAX_LIMIT, Candidate, LiveModel, PlacementConfig, Query, ServingParameters

NOW = 1_700_000_000.0
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
MODEL = LiveModel("m1", ServingParameters(returns=learn_returns([[[1], [2], [1], [3], [2]], [[4], [5], [4]]] * 50)))
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
    shown: dict[str, int] = field(default_factory=dict)
    cart: list[str] = field(default_factory=list)
    owner: bytes | None = None

    def reply(self, command: Sequence[Any]) -> Any:
        name, *arguments = command
        return self.of_script(*arguments) if name == "EVAL" else self.of_command(name, *arguments)

    def of_script(self, script: str, _: int, key: str, *arguments: Any) -> Any:
        if script == scripts.CARDS:
            return self.named(arguments[1:])
        if script == scripts.TREND:
            trend = self.lists.get("trending", [])
            pairs = [part for n, number in enumerate(trend) for part in (NAMES[number].encode(), b"%d" % (99 - n))]
            return [pairs, [b"%d" % number for number in trend], b"%d" % NOW]
        assert script == scripts.TREND_OF_CATEGORY
        trend = self.lists.get(str(arguments[-1]), [])[:5]
        pairs = [part for n, number in enumerate(trend) for part in (NAMES[number].encode(), b"%d" % (99 - n))]
        return [pairs, [b"%d" % number for number in trend], b"%d" % NOW, b"Kitchen > {Mugs}"]

    def of_command(self, name: str, key: str, *fields: str) -> Any:
        if name == "GET":
            return self.owner
        if name == "ZRANGE":
            return [part for member, score in self.scored(key) for part in (member.encode(), b"%d" % score)]
        assert name == "HMGET"
        if key.endswith(":ids"):
            return [b"%d" % NAMES.index(field) if field in NAMES else None for field in fields]
        if key.endswith(":groups"):
            return [group.encode() if (group := self.group(field)) else None for field in fields]
        if key.endswith(":items"):
            return [msgspec.msgpack.encode(self.cards[field]) if field in self.cards else None for field in fields]
        if key.endswith(":repurchases"):
            return [self.repurchase(field) for field in fields]
        return [self.packed(field) for field in fields]

    def scored(self, key: str) -> list[tuple[str, float]]:
        """The newest items, and the sorted sets of the only visitor: the last one shown first in the history."""
        if key.endswith(":new"):
            return [(str(number), NOW - n * 43_200) for n, number in enumerate(self.lists.get("new", []))]
        if ":shown:" in key:
            return list(self.shown.items())
        if ":bought:" in key:
            return [(item, (NOW - 30 * 86_400) * 1e6) for item in dict.fromkeys(self.bought)]
        in_cart = [("a" + item, NOW * 1e6) for item in self.cart]
        seen = [("v" + item, (NOW - n) * 1e6) for n, item in enumerate(dict.fromkeys(self.history))]
        return in_cart + seen

    def named(self, names: Sequence[str]) -> Any:
        numbers = {card.item_id: number for number, card in self.cards.items()}
        found = [numbers.get(name) for name in names]
        packed = [None if number is None else msgspec.msgpack.encode(self.cards[number]) for number in found]
        return [[None if number is None else b"%d" % number for number in found], packed]

    def matching(self, asked: Matching) -> list[int]:
        """What the catalogue would answer: it knows no popularity here."""
        test, at = matcher(asked.wanted), datetime.fromtimestamp(NOW, UTC)
        found = [n for n, card in self.cards.items() if card.is_showable(NOW) and test(facts_of(card.product), at)]
        return sorted(found, reverse=True)[asked.offset : asked.offset + asked.limit]

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


def run(  # noqa: PLR0917 - what a slate is made of
    shop: Shop,
    query: Query,
    placement: PlacementConfig | Prepared,
    version: str | None = "m1",
    strategies: Any = None,
    taken: Collection[int] = frozenset(),
    seed: str = "",
) -> tuple[Slate, int]:
    """The slate and the number of reads it took."""
    model, ready = MODEL if version else None, placement if isinstance(placement, Prepared) else prepared(placement)
    reads = serve("shop", query, ready, model, NOW, strategies=strategies or ALL, taken=taken, seed=seed)
    count = 0
    try:
        asked = next(reads)
        while True:
            count += 1
            if isinstance(asked, Matching):
                asked = reads.send(shop.matching(asked))
            else:
                asked = reads.send([shop.reply(command) for command in asked])
    except StopIteration as done:
        slate: Slate = done.value
        return slate, count


def ids(slate: Slate) -> list[str]:
    return [each.admitted.card.item_id for each in slate.items]


def candidates(slate: Slate) -> list[tuple[Candidate, str]]:
    """What was shown, with its item's id."""
    return [(each.admitted.candidate, each.admitted.card.item_id) for each in slate.items]
