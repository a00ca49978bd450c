"""Filters and rules in a slate, from made-up replies: what is shown passes all of them, pins sit where they should."""

from dataclasses import replace
from typing import Any, NamedTuple

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from catalog.filters import parse
from catalog.types import Card
from recommendations.rules.types import Bury, Exclude, Hide, Include, Pin, RuleConfig
from recommendations.serving.explaining import explanation, told_why_not
from recommendations.serving.prepared import prepared
from recommendations.serving.slates import Slate
from recommendations.types import PlacementConfig, Query
from tests.recommendations.serving.made_up import ALL, NAMES, NOW, QUERIES, Shop, candidates, ids, run, shops

BRANDS = ("Acme", "Lux", "")
TESTS = [
    {"field": "brand", "op": "eq", "value": "Acme"},
    {"field": "brand", "op": "exists"},
    {"not": {"field": "brand", "op": "eq", "value": "Lux"}},
    {"field": "price", "op": "lte", "value": 5},
    {"field": "category", "op": "in", "value": ["A", "B > C"]},
    {"any": []},
]
PRODUCTS = st.fixed_dictionaries(
    {
        "title": st.just("x"),
        "brand": st.sampled_from(BRANDS),
        "price": st.sampled_from(["1.00", "5.00", "9.00", None]),
        "categories": st.sampled_from([[], ["A > B"], ["B > C"], ["A", "B"]]),
    }
)
SOME = st.lists(st.sampled_from(NAMES), max_size=5)
RULES = st.lists(
    st.one_of(
        st.builds(Pin, item_id=st.sampled_from(NAMES), position=st.integers(1, 12)),
        st.sampled_from(TESTS).map(Include),
        st.sampled_from(TESTS).map(Exclude),
        st.sampled_from(TESTS).map(Bury),
        st.builds(Hide, what=st.sampled_from(["purchased", "in_cart", "seen"]), times=st.integers(1, 4)),
    ),
    max_size=4,
).map(lambda actions: [RuleConfig(f"r{n}", "r", action) for n, action in enumerate(actions)])
CASCADES = st.lists(st.sampled_from(list(ALL)), unique=True, min_size=1, max_size=4).map(tuple)
PLACEMENTS = st.builds(
    PlacementConfig,
    key=st.just("here"),
    cascade=CASCADES,
    limit=st.integers(1, 12),
    one_per_group=st.booleans(),
    filter=st.none() | st.sampled_from(TESTS),
    diversity=st.sampled_from([0.0, 0.5]),
    rotation=st.booleans(),
    exploration=st.sampled_from([0.0, 0.5]),
)


@st.composite
def stocked(draw: st.DrawFn) -> Shop:
    shop = draw(shops())
    for number, card in shop.cards.items():
        product = draw(PRODUCTS) | {"item_id": card.item_id}
        shop.cards[number] = msgspec.structs.replace(card, product=msgspec.json.encode(product))
    shop.cart, shop.shown = draw(SOME), draw(st.dictionaries(st.sampled_from(NAMES), st.integers(1, 9), max_size=8))
    return shop


FILTERS = st.none() | st.sampled_from(TESTS)


class Case(NamedTuple):
    """A question to a shop with rules, with a filter or none, after other slates of the page took some items."""

    shop: Shop
    query: Query
    config: PlacementConfig
    rules: list[RuleConfig]
    wanted: Any
    taken: set[int]

    @property
    def limit(self) -> int:
        return self.query.limit or self.config.limit

    @property
    def filters(self) -> Any:
        """All that every item has to pass, as one filter."""
        found = [each for each in (self.wanted, self.config.filter) if each]
        found += [rule.action.filter for rule in self.rules if isinstance(rule.action, Include)]
        found += [{"not": rule.action.filter} for rule in self.rules if isinstance(rule.action, Exclude)]
        return {"all": found}

    @property
    def pins(self) -> list[tuple[str, Pin]]:
        return [(rule.key, rule.action) for rule in self.rules if isinstance(rule.action, Pin)]

    @property
    def by_name(self) -> dict[str, tuple[int, Card]]:
        return {card.item_id: (number, card) for number, card in self.shop.cards.items()}

    def slate(self, *, version: str | None = "m1", seed: str = "", **changes: Any) -> Slate:
        wanted = self.wanted and parse(self.wanted)
        query = replace(self.query, **{"filter": wanted, "explain": True, "fill": True, **changes})
        return run(self.shop, query, prepared(self.config, self.rules), version, taken=self.taken, seed=seed)[0]


CASES = st.builds(
    Case, stocked(), QUERIES, PLACEMENTS, RULES, FILTERS, st.sets(st.integers(0, len(NAMES) - 1), max_size=8)
)


@given(CASES)
def test_nothing_is_shown_that_anything_forbids(case: Case) -> None:
    slate = case.slate()
    shown, passing = ids(slate), matching(case.shop, case.filters)
    assert len(shown) == len(set(shown)) <= case.limit
    assert not set(shown) & {*case.query.exclude, *case.query.items}
    for item_id in shown:
        number, card = case.by_name[item_id]
        assert card.is_showable(NOW)
        assert number not in case.taken
        assert item_id in passing
    for rule in case.rules:
        if isinstance(rule.action, Hide):
            assert not set(shown) & hidden(case.shop, case.query, rule.action)
    assert (slate.empty_reason is None) == bool(shown)


def matching(shop: Shop, wanted: Any) -> set[str]:
    """By hand, for the few tests that are drawn."""
    return {card.item_id for card in shop.cards.values() if passes(msgspec.json.decode(card.product), wanted)}


def passes(product: Any, wanted: Any) -> bool:
    if "all" in wanted:
        return all(passes(product, each) for each in wanted["all"])
    if "any" in wanted:
        return any(passes(product, each) for each in wanted["any"])
    if "not" in wanted:
        return not passes(product, wanted["not"])
    value = wanted.get("value")
    match wanted["field"], wanted["op"]:
        case "brand", "eq":
            return bool(product["brand"] == value)
        case "brand", "exists":
            return bool(product["brand"])
        case "price", "lte":
            return product["price"] is not None and float(product["price"]) <= value
    return any(path == each or path.startswith(f"{each} > ") for path in product["categories"] for each in value)


def hidden(shop: Shop, query: Query, action: Hide) -> set[str]:
    if action.what == "seen":
        return {item for item, times in shop.shown.items() if times >= action.times} if query.visitor_id else set()
    known = shop.bought if action.what == "purchased" else shop.cart
    return set(known if query.is_known else [])


@given(CASES)
def test_pins_sit_where_they_are_pinned(case: Case) -> None:
    """Each at its position, or the next that no other pin has; where there are too few items, at the end."""
    case = case._replace(config=replace(case.config, exploration=0.0))
    slate = case.slate()
    shown, taken, passed_over = ids(slate), set[int](), {by for by, _ in slate.applied.passed_over}
    for key, pin in sorted(case.pins, key=lambda each: each[1].position):
        if key in passed_over:
            continue
        position = next(n for n in range(pin.position, 99) if n not in taken)
        taken.add(position)
        if position <= min(case.limit, len(shown)):
            assert (shown[position - 1], slate.items[position - 1].pinned) == (pin.item_id, key)
    assert not passed_over & {each.pinned for each in slate.items}
    for key, pin in case.pins:
        if key not in passed_over and len(shown) < case.limit:
            assert pin.item_id in shown


@given(CASES, st.sampled_from(TESTS))
def test_what_is_buried_comes_after_all_others(case: Case, wanted: Any) -> None:
    slate = case._replace(rules=[RuleConfig("bury", "b", Bury(wanted))]).slate()
    buried = [item_id in matching(case.shop, wanted) for item_id in ids(slate)]
    assert buried == sorted(buried)


@given(CASES, st.text(max_size=3))
def test_the_same_question_has_the_same_slate(case: Case, seed: str) -> None:
    one, again = case.slate(seed=seed), case.slate(seed=seed)
    assert (one.items, one.considered, one.refused) == (again.items, again.considered, again.refused)


@given(CASES)
def test_a_filter_leaves_no_slate_short(case: Case) -> None:
    """Of what the filters let through, all that nothing else keeps away is shown, up to the limit."""
    cascade = (*(name for name in case.config.cascade if name != "new"), "new")
    rules = [rule for rule in case.rules if isinstance(rule.action, Include | Exclude)]
    case = case._replace(config=replace(case.config, cascade=cascade), rules=rules, wanted=case.wanted or TESTS[0])
    shop, query, everything = case.shop, case.query, ids(case.slate(limit=50))
    assert len(case.slate().items) == min(case.limit, len(everything))
    known = {*query.session_items, *((*shop.bought, *shop.history) if query.is_known else ())}
    taken = {card.item_id for number, card in shop.cards.items() if number in case.taken or not card.is_showable(NOW)}
    free = matching(shop, case.filters) - taken - {*query.exclude, *query.items} - known
    at_hand = {shop.group(item_id) for item_id in (*query.items, *query.session_items)} - {""}
    if case.config.one_per_group:
        groups = {shop.group(item_id) or item_id for item_id in free if shop.group(item_id) not in at_hand}
        assert len(everything) >= len(groups)
    else:
        assert set(everything) >= free


@given(CASES)
def test_an_explanation_lists_exactly_what_was_refused(case: Case) -> None:
    slate = case.slate()
    told = explanation(slate)
    refused = [each["item_id"] for each in told["filtered"]]
    considered = {each.admitted.card.item_id for each in slate.considered}
    assert len(refused) == len(set(refused))
    assert not set(refused) & considered
    assert told["considered"] == len(considered)
    assert {each["by"] for each in told["filtered"]} <= {
        *(rule.key for rule in case.rules), "filter", "currency", "placement", None,
    }  # fmt: skip
    for each in told["filtered"]:
        assert each["by"] is None or each["code"] in {"hidden", "filtered"}
        why = case.slate(why_not=each["item_id"]).why_not
        assert why is not None
        assert (why.code, why.by) == (each["code"], each["by"])


@given(CASES, st.sampled_from([*NAMES, "unknown"]), st.sampled_from(["m1", None]))
def test_why_not_is_true_of_any_item(case: Case, item_id: str, version: str | None) -> None:
    slate = case.slate(version=version, why_not=item_id)
    why, query = slate.why_not, case.query
    assert why is not None
    assert told_why_not(why)["message"].endswith(".")
    assert (why.code == "shown") == (item_id in ids(slate))
    assert (why.code == "unknown_item") == (item_id not in case.by_name)
    if item_id not in case.by_name:
        return
    number, card = case.by_name[item_id]
    assert (why.code == "out_of_stock") == (not card.available)
    assert (why.code in {"expired", "not_published_yet"}) == (card.available and not card.is_showable(NOW))
    if card.is_showable(NOW):
        assert (why.code == "excluded") == (item_id in {*query.exclude, *query.items})
    holds = {
        "shown_elsewhere": number in case.taken,
        "same_group": bool(card.group_id),
        "known": item_id in {*query.session_items, *case.shop.bought, *case.shop.history},
        "filtered": bool(case.filters["all"]),
        "hidden": any(isinstance(rule.action, Hide) for rule in case.rules),
    }
    assert holds.get(why.code, True)


def test_without_anything_to_start_from_pins_stand_and_questions_are_answered() -> None:
    shop = Shop({1: Card("i1", True, 0, 0, "", b'{"item_id":"i1","title":"One"}')}, {}, [])
    config = PlacementConfig("here", ("similar",))
    slate, _ = run(shop, Query("here", why_not="i1"), prepared(config))
    assert (slate.empty_reason, slate.why_not and slate.why_not.code) == ("no_context", "not_proposed")
    slate, _ = run(shop, Query("here"), prepared(config, [RuleConfig("p", "p", Pin("i1", 1))]))
    assert ids(slate) == ["i1"]
    slate, _ = run(shop, Query("here"), prepared(config, [RuleConfig("p", "p", Pin("i2", 1))]), None)
    assert (slate.empty_reason, slate.applied.passed_over) == ("no_model", [("p", "unknown_item")])


def test_a_pin_beyond_the_slate_is_none() -> None:
    cards = {n: Card(f"i{n}", True, 0, 0, "", b'{"item_id":"i","title":"x"}') for n in range(6)}
    shop = Shop(cards, {"popular": [0, 1, 2, 3, 4]}, [])
    rules = [RuleConfig("far", "far", Pin("i5", 4)), RuleConfig("near", "near", Pin("i4", 2))]
    slate, _ = run(shop, Query("here", limit=3), prepared(PlacementConfig("here", ("popular",)), rules))
    assert ids(slate) == ["i0", "i4", "i1"]
    assert slate.applied.passed_over == [("far", "beyond_limit")]
    assert candidates(slate)[1][0].source == "rule"


def test_hundreds_of_variants_of_one_thing_leave_no_slate_short() -> None:
    product = b'{"item_id":"i","title":"x","brand":"Acme"}'
    cards = {n: Card(f"i{n}", True, 0, 0, "" if n < 3 else "g", product) for n in range(1_500)}
    wanted = parse({"field": "brand", "op": "eq", "value": "Acme"})
    slate, _ = run(Shop(cards, {}, []), Query("here", filter=wanted, limit=4), PlacementConfig("here", ("popular",)))
    assert ids(slate) == ["i1499", "i2", "i1", "i0"]
