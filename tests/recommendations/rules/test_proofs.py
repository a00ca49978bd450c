"""What is proven of two filters is true of every product."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalog.filters import parse
from catalog.matching import Facts, facts_of, matcher
from catalog.types import ItemIn
from recommendations.rules.proofs import MOST, disjoint, implies
from tests.catalog.test_filters import AT, generated_conditions, generated_filters, generated_items

BRAND_A = {"field": "brand", "op": "eq", "value": "A"}
BRAND_B = {"field": "brand", "op": "eq", "value": "B"}
BRANDS = {"field": "brand", "op": "in", "value": ["A", "B"]}
MUGS = {"field": "category", "op": "eq", "value": "Kitchen > Mugs"}
KITCHEN = {"field": "category", "op": "eq", "value": "Kitchen"}
GARDEN = {"field": "category", "op": "eq", "value": "Garden"}


def price(op: str, value: Any) -> dict[str, Any]:
    return {"field": "price", "op": op, "value": value}


def facts(item: ItemIn) -> Facts:
    known = {name: value for name, value in msgspec.structs.asdict(item).items() if value is not None}
    return facts_of(msgspec.json.encode(known))


@settings(max_examples=300)
@given(st.lists(generated_items, min_size=10, max_size=10), generated_filters, generated_filters)
def test_no_product_contradicts_a_proof(items: list[ItemIn], one: Any, other: Any) -> None:
    a, b = parse(one), parse(other)
    are_disjoint, is_implied = disjoint(a, b), implies(a, b)
    for item in map(facts, items):
        passes = matcher(a)(item, AT), matcher(b)(item, AT)
        assert not (are_disjoint and all(passes))
        assert not (is_implied and passes == (True, False))


@given(generated_filters, generated_conditions())
def test_everything_goes_with_itself_and_not_with_its_opposite(tree: Any, condition: Any) -> None:
    assert implies(parse(tree), parse(tree))
    assert disjoint(parse(condition), parse({"not": condition}))


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        (BRAND_A, BRAND_B, True),
        (BRAND_A, BRANDS, False),
        (BRAND_A, {"not": BRANDS}, True),
        (BRAND_A, {"field": "brand", "op": "not_in", "value": ["A"]}, True),
        (BRAND_A, {"not": {"all": [BRAND_A]}}, True),
        (BRAND_A, {"all": [BRANDS, {"not": BRAND_A}]}, True),
        (MUGS, GARDEN, False),  # a product may lie in both
        (MUGS, {"not": KITCHEN}, True),
        (KITCHEN, {"not": MUGS}, False),
        (price("lt", 5), price("gte", 5), True),
        (price("lte", 5), price("gte", 5), False),
        (price("between", [1, 2]), price("in", [3, 4]), True),
        ({"any": [price("lt", 5), BRAND_A]}, {"all": [price("gt", 6), BRAND_B]}, True),
        ({"any": [price("lt", 5), BRAND_A]}, price("gt", 6), False),
        ({"field": "brand", "op": "exists"}, {"not": {"field": "brand", "op": "exists"}}, True),
        ({"any": []}, BRAND_A, True),
    ],
)
def test_that_nothing_passes_both(one: Any, other: Any, wanted: bool) -> None:
    assert disjoint(parse(one), parse(other)) is disjoint(parse(other), parse(one)) is wanted


@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        (BRAND_A, BRANDS, True),
        (BRANDS, BRAND_A, False),
        (MUGS, KITCHEN, True),
        (KITCHEN, MUGS, False),
        ({"all": [MUGS, BRAND_A]}, {"all": [KITCHEN, BRANDS]}, True),
        (price("lt", 5), price("lte", 5), True),
        (price("lte", 5), price("lt", 5), False),
        (price("eq", 3), price("between", [3, 4]), True),
        ({"not": price("lte", 5)}, {"not": price("lt", 5)}, True),
        (BRAND_A, {"all": []}, True),
        ({"all": []}, BRAND_A, False),
    ],
)
def test_that_one_goes_with_the_other(one: Any, other: Any, wanted: bool) -> None:
    assert implies(parse(one), parse(other)) is wanted


def test_of_very_large_filters_nothing_is_proven() -> None:
    assert disjoint(parse(BRAND_A), parse({"all": [BRAND_B] * (MOST - 1)}))
    assert not disjoint(parse(BRAND_A), parse({"all": [BRAND_B] * MOST}))
