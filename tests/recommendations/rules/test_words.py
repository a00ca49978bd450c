"""Rules in words."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog.filters import parse
from recommendations.rules import words
from recommendations.rules.types import Action, RuleConfig
from recommendations.types import PlacementConfig
from tests.catalog.test_filters import generated_filters

ACME = {"field": "brand", "op": "eq", "value": "Acme"}
CHEAP = {"field": "price", "op": "lte", "value": 50}


def said(action: dict[str, Any], when: Any = None) -> str:
    return words.rule(RuleConfig("k", "K", msgspec.convert(action, Action), when=when))


@pytest.mark.parametrize(
    ("action", "text"),
    [
        ({"type": "pin", "item_id": "mug", "position": 2}, "mug at position 2"),
        (
            {"type": "boost", "filter": {"all": [CHEAP, ACME]}, "factor": 2},
            "Products whose price is at most 50 and brand is Acme count 2 times as much",
        ),
        ({"type": "bury", "filter": ACME}, "Products whose brand is Acme come after all others"),
        ({"type": "include", "filter": ACME}, "Only products whose brand is Acme"),
        ({"type": "include", "filter": {"all": []}}, "Only all products"),
        ({"type": "exclude", "filter": ACME}, "Everything but products whose brand is Acme"),
        ({"type": "same_category"}, "Only products of the category of the product at hand"),
        (
            {"type": "same_category", "levels": 1},
            "Only products that share the first level of the category of the product at hand",
        ),
        (
            {"type": "price_band", "lowest": 0.5, "highest": 2},
            "Only products that cost 0.5 to 2 times as much as the product at hand",
        ),
        (
            {"type": "price_band", "lowest": 1},
            "Only products that cost at least 1 times as much as the product at hand",
        ),
        ({"type": "hide", "what": "seen", "times": 3}, "Nothing that the visitor was shown 3 times without a click"),
    ],
)
def test_what_a_rule_does(action: dict[str, Any], text: str) -> None:
    assert said(action) == text


def test_for_which_products_at_hand() -> None:
    pin = {"type": "pin", "item_id": "mug", "position": 1}
    assert said(pin, ACME) == "mug at position 1, if the product at hand is one of the products whose brand is Acme"
    assert said(pin, {"all": []}) == "mug at position 1, if there is a product at hand"


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        (
            {"any": [{"all": [ACME, CHEAP]}, {"not": ACME}]},
            "(brand is Acme and price is at most 50) or brand is not Acme",
        ),
        ({"field": "brand", "op": "in", "value": ["A", "B", "C"]}, "brand is A, B or C"),
        ({"field": "brand", "op": "not_in", "value": ["A"]}, "brand is not A"),
        ({"field": "brand", "op": "in", "value": [*"ABCDEFG"]}, "brand is A, B, C, D, E or one of 2 more"),
        ({"field": "attributes.color", "op": "contains", "value": "blue"}, "color contains blue"),
        ({"field": "attributes.vegan", "op": "eq", "value": True}, "vegan is yes"),
        ({"field": "brand", "op": "exists", "value": False}, "brand is missing"),
        ({"not": {"field": "brand", "op": "exists"}}, "brand is missing"),
        ({"not": CHEAP}, "not (price is at most 50)"),
        ({"field": "price", "op": "between", "value": [1, "2.50"]}, "price is 1 to 2.50"),
        (
            {"field": "published_at", "op": "gt", "value": "2026-11-24T13:00:00+01:00"},
            "publication is above 2026-11-24 12:00 UTC",
        ),
        ({"field": "brand", "op": "eq", "value": "x" * 1000}, "brand is " + "x" * 59 + "…"),
    ],
)  # fmt: skip
def test_filters_in_words(tree: Any, text: str) -> None:
    assert words.clause(parse(tree)) == text


@given(generated_filters, st.sampled_from(["boost", "bury", "include", "exclude"]))
def test_words_never_fail(tree: Any, kind: str) -> None:
    more = {"factor": 1.5} if kind == "boost" else {}
    text = said({"type": kind, "filter": tree, **more}, tree)
    assert text
    assert len(text) < 6_000


def test_what_a_placement_itself_wants_stage_by_stage() -> None:
    config = PlacementConfig("pdp", ("popular",), filter=CHEAP, diversity=0.3, margin=1, newness=0.5, exploration=0.05)
    assert words.placement(config) == {
        1: ["Only products whose price is at most 50", "One variant of each product"],
        2: [
            "What a visitor was shown often without a click sinks",
            "A high margin counts up to 2 times as much",
            "New products count up to 1.5 times as much",
        ],
        3: ["Brands and categories are mixed with a strength of 0.3, from 0 to 1"],
        4: ["In 5 % of slates chance chooses the last product"],
    }
