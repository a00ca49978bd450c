"""The catalogue page's address: what it asks for, and the addresses one step further."""

from decimal import Decimal

import pytest
from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from catalog.dashboard.browsing import AVAILABILITY, SORTS, Wanted, chosen, price, query, toggles, tree, wanted

texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20).map(str.strip)
levels = texts.map(lambda text: text.replace(">", "").strip()).filter(bool)
amounts = st.none() | st.decimals(0, 1000, places=2)
states = st.builds(
    Wanted,
    q=texts,
    category=st.lists(levels, max_size=4).map(" > ".join),
    brand=st.lists(texts.filter(bool), max_size=3, unique=True).map(tuple),
    availability=st.lists(st.sampled_from(sorted(AVAILABILITY)), unique=True).map(tuple),
    low=amounts,
    high=amounts,
    sort=st.sampled_from(["", *SORTS]),
    page=st.integers(1, 999_999),
)


def asked(text: str) -> Wanted:
    return wanted(QueryDict(text))


@given(states)
def test_an_address_brings_back_what_it_was_made_of(state: Wanted) -> None:
    assert asked(query(state, page=state.page)) == state


@given(st.text())
def test_no_address_is_refused(text: str) -> None:
    state = asked(text)
    assert asked(query(state, page=state.page)) == state


@pytest.mark.parametrize(
    ("address", "state"),
    [
        ("", Wanted()),
        ("q=%00+red+", Wanted(q="red")),
        ("q=" + "x" * 900, Wanted(q="x" * 300)),
        ("page=0", Wanted()), ("page=-1", Wanted()), ("page=³", Wanted()), ("page=" + "9" * 5000, Wanted()),
        ("min=cheap&max=NaN", Wanted()), ("min=-1&max=1e99", Wanted()),
        ("min=9%2C5&max=+10+", Wanted(low=Decimal("9.5"), high=Decimal(10))),
        ("availability=sold&availability=preorder", Wanted(availability=("preorder",))),
        ("sort=worst&unknown=1", Wanted()),
        ("brand=&brand=A&brand=A%00", Wanted(brand=("A",))),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_left_out(address: str, state: Wanted) -> None:
    assert asked(address) == state


@pytest.mark.parametrize("text", ["", "x", "Infinity", "sNaN", "-0.01", "10000000000", "1 000"])
def test_what_is_no_price(text: str) -> None:
    assert price(text) is None


def test_a_value_is_added_and_taken_away_and_the_first_page_shows_then() -> None:
    state = Wanted(q="mug", brand=("A",), page=3)
    choices = toggles(state, "brand", {"B": 7, "A": 2})
    assert [(each.name, each.count, each.chosen, asked(each.query)) for each in choices] == [
        ("B", 7, False, Wanted(q="mug", brand=("A", "B"))),
        ("A", 2, True, Wanted(q="mug")),
    ]


def test_a_chosen_value_that_nothing_has_can_still_be_taken_away() -> None:
    (choice,) = toggles(Wanted(brand=("Gone",)), "brand", {})
    assert (choice.name, choice.count, choice.chosen, asked(choice.query)) == ("Gone", 0, True, Wanted())


def test_the_tree_shows_the_way_to_the_chosen_category_and_what_lies_in_it() -> None:
    counts = {"A": 5, "A > B": 3, "A > B > C": 2, "A > D": 2, "A > D > E": 1, "Z": 1, "Z > Y": 1, "A !": 1}
    assert [(each.name, each.depth) for each in tree(Wanted(), counts)] == [("A", 0), ("A !", 0), ("Z", 0)]
    opened = tree(Wanted(category="A > B"), counts)
    assert [(each.name, each.depth, each.chosen) for each in opened] == [
        ("A", 0, False), ("B", 1, True), ("C", 2, False), ("D", 1, False), ("A !", 0, False), ("Z", 0, False),
    ]  # fmt: skip
    assert [asked(each.query).category for each in opened] == ["A", "A", "A > B > C", "A > D", "A !", "Z"]


def test_every_filter_in_force_can_be_taken_away_alone() -> None:
    state = Wanted("mug", "A > B", ("K",), ("in_stock",), Decimal(3), Decimal("9.5"), "price")
    found = chosen(state, "EUR")
    assert [each.name for each in found] == ["A > B", "K", "In stock", "from 3 EUR", "up to 9.5 EUR"]
    without = [asked(each.query) for each in found]
    assert len(set(without)) == 5
    assert all((each.q, each.sort) == ("mug", "price") for each in without)
    assert [each.category for each in without] == ["", *["A > B"] * 4]
