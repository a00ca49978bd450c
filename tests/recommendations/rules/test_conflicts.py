"""Conflicts of rules, as a plain function of rules, placements and what the catalogue says."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.filters import parse
from catalog.matching import Facts
from recommendations.rules import conflicts
from recommendations.rules.conflicts import CODES, Catalogue
from recommendations.rules.types import Action, RuleConfig
from recommendations.types import PlacementConfig
from tests.catalog.test_filters import generated_filters

NOW = 1_800_000_000.0
PLACEMENTS = [PlacementConfig("home", ("popular",), 10), PlacementConfig("pdp", ("popular",), 4)]
MUG = Facts(item_id="mug", title="Mug", brand="Acme")
ACME = {"field": "brand", "op": "eq", "value": "Acme"}
LUX = {"field": "brand", "op": "eq", "value": "Lux"}
KNOWN = Catalogue({"mug": (MUG, True), "cup": (Facts(item_id="cup", title="Cup"), True)})


def rule(key: str, action: str, **fields: Any) -> RuleConfig:
    own = {name: fields.pop(name) for name in list(fields) if name not in RuleConfig.__struct_fields__}
    return RuleConfig(key, key.upper(), msgspec.convert({"type": action, **own}, Action), **fields)


def pin(key: str, item: str = "mug", position: int = 1, **fields: Any) -> RuleConfig:
    return rule(key, "pin", item_id=item, position=position, **fields)


def found(*rules: RuleConfig, catalogue: Catalogue = KNOWN, placements: Any = PLACEMENTS) -> dict[str, Any]:
    known = conflicts.find(rules, placements, catalogue, NOW)
    return {key: [(each.code, each.rule) for each in of_rule] for key, of_rule in known.items()}


@pytest.mark.parametrize(
    ("one", "other", "code"),
    [
        (pin("a"), pin("b", "cup"), "same_position"),
        (pin("a"), pin("b", position=2), "same_item"),
        (pin("a", placement="pdp"), pin("b", position=2), "same_item"),
        (pin("a"), rule("b", "include", filter=LUX), "pin_filtered"),
        (rule("a", "exclude", filter=ACME), pin("b"), "pin_filtered"),
        (pin("a"), rule("b", "hide", what="purchased"), "pin_hidden"),
        (rule("a", "boost", filter=ACME, factor=2), rule("b", "exclude", filter=ACME), "void"),
        (rule("a", "bury", filter=ACME), rule("b", "include", filter=LUX), "void"),
        (rule("a", "include", filter=ACME), rule("b", "include", filter=LUX), "nothing_passes"),
        (rule("a", "include", filter=ACME), rule("b", "exclude", filter=ACME), "nothing_passes"),
        (rule("a", "price_band", highest=0.8), rule("b", "price_band", lowest=1), "bands_do_not_meet"),
    ],
)
def test_two_rules_in_each_others_way_are_told_of_both(one: RuleConfig, other: RuleConfig, code: str) -> None:
    assert found(one, other) == found(other, one) == {"a": [(code, "b")], "b": [(code, "a")]}


@pytest.mark.parametrize(
    "rules",
    [
        (pin("a"), pin("b", "cup", 2)),
        (pin("a", placement="home"), pin("b", "cup", placement="pdp")),
        (pin("a", ends_at=NOW + 10), pin("b", "cup", starts_at=NOW + 10)),
        (pin("a", ends_at=NOW - 1), pin("b", "cup")),
        (pin("a", when=ACME), pin("b", "cup", when=LUX)),
        (pin("a"), rule("b", "include", filter=ACME)),
        (pin("a"), rule("b", "bury", filter=ACME)),
        (rule("a", "boost", filter=ACME, factor=2), rule("b", "exclude", filter=LUX)),
        (rule("a", "include", filter=ACME), rule("b", "exclude", filter=LUX)),
        (rule("a", "price_band", highest=1), rule("b", "price_band", lowest=1)),
    ],
)
def test_rules_that_get_along(rules: tuple[RuleConfig, ...]) -> None:
    assert found(*rules) == {}


def test_of_pins_alone() -> None:
    assert found(pin("a", position=5)) == {"a": [("beyond_limit", None)]}
    assert found(pin("a", position=5, placement="home")) == {}
    assert found(pin("a", "gone")) == {"a": [("unknown_item", None)]}
    assert found(pin("a"), catalogue=Catalogue({"mug": (MUG, False)})) == {"a": [("unavailable_item", None)]}


def test_of_a_placements_own_filter() -> None:
    lux = [PlacementConfig("home", ("popular",), filter=LUX)]
    assert found(pin("a"), placements=lux) == {"a": [("pin_filtered", None)]}
    assert found(rule("a", "include", filter=ACME), placements=lux) == {"a": [("nothing_passes", None)]}


def test_the_catalogue_is_asked_for_what_holds_together_at_a_time() -> None:
    rules = [
        rule("a", "include", filter=ACME, placement="pdp"),
        rule("b", "exclude", filter={"field": "title", "op": "eq", "value": "x"}, starts_at=NOW + 5, ends_at=NOW + 9),
        rule("c", "include", filter=ACME, when=ACME),
        pin("d"),
    ]
    asked = conflicts.questions(rules, PLACEMENTS, NOW)
    assert [(each.placement, each.rules) for each in asked] == [("pdp", ("a",)), ("home", ("b",)), ("pdp", ("a", "b"))]
    empty = [asked[2].wanted]
    assert found(*rules, catalogue=Catalogue(KNOWN.items, empty)) == {
        "a": [("nothing_passes", "b")],
        "b": [("nothing_passes", "a")],
    }
    many = [rule(f"r{n}", "include", filter=ACME, starts_at=NOW + n, ends_at=NOW + n + 1) for n in range(100)]
    many += [rule(f"x{n}", "include", filter={"any": [LUX] * (n % 40)}, starts_at=NOW + n) for n in range(100)]
    assert len({each.wanted for each in conflicts.questions(many, PLACEMENTS, NOW)}) <= conflicts.MOST_ASKED


times = st.sampled_from([0.0, NOW - 5, NOW + 5, NOW + 10])
actions = st.one_of(
    st.builds(lambda n: {"type": "pin", "item_id": "mug", "position": n}, st.integers(1, 50)),
    st.builds(lambda tree: {"type": "boost", "filter": tree, "factor": 2}, generated_filters),
    st.builds(
        lambda kind, tree: {"type": kind, "filter": tree}, st.sampled_from(["bury", "include", "exclude"]),
        generated_filters,
    ),
    st.builds(lambda low, high: {"type": "price_band", "lowest": low, "highest": high}, *[st.floats(0.1, 5)] * 2),
    st.sampled_from([{"type": "same_category"}, {"type": "hide", "what": "seen"}]),
)  # fmt: skip
rules = st.builds(
    lambda key, action, placement, when, starts, ends: RuleConfig(
        key, key, msgspec.convert(action, Action), placement, when, starts, ends
    ),
    st.uuids().map(str), actions, st.sampled_from([None, "home", "pdp", "elsewhere"]),
    st.none() | generated_filters, times, times,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(rules, max_size=5), st.none() | generated_filters)
def test_whatever_the_rules_are_conflicts_are_found_and_told_of_both(several: list[RuleConfig], own: Any) -> None:
    placements = [PlacementConfig("home", ("popular",), filter=own), *PLACEMENTS[1:]]
    asked = conflicts.questions(several, placements, NOW)
    known = conflicts.find(several, placements, Catalogue(KNOWN.items, [each.wanted for each in asked]), NOW)
    keys = {each.key for each in several}
    for key, of_rule in known.items():
        for each in of_rule:
            assert each.code in CODES
            assert each.message
            assert each.rule in keys - {key} | {None}
    for question in asked:
        assert all(any(each.code == "nothing_passes" for each in known[key]) for key in question.rules)


def test_a_filter_is_read_as_the_rule_says_it() -> None:
    (asked,) = conflicts.questions([rule("a", "exclude", filter=ACME)], PLACEMENTS[:1], NOW)
    assert asked.wanted == parse({"all": [{"not": ACME}]})
