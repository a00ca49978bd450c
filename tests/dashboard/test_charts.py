"""Numbers as coordinates and as words."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics import charts
from analytics.overview import Measure, Point
from recomengine.templatetags import display

NUMBERS = st.integers(0, 10**12)


def measure(*values: tuple[int, int]) -> Measure:
    points = [Point(date(2026, 1, 1) + timedelta(days=day), now, then) for day, (now, then) in enumerate(values)]
    return Measure("events", "Events", 0, 0, points)


def test_a_chart_of_two_days() -> None:
    chart = charts.time_series(measure((0, 50), (100, 0)))
    assert chart.line == "M25.0 100.0 L75.0 4.0"
    assert chart.area == "M25.0 100.0 L75.0 4.0 L75.0 100 L25.0 100 Z"
    assert chart.before == "M25.0 52.0 L75.0 100.0"
    assert [(tick.y, tick.value) for tick in chart.ticks] == [(4.0, 100.0), (52.0, 50.0), (100.0, 0.0)]
    assert [column.label_left for column in chart.columns] == [False, False]


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=90))
def test_every_point_lies_in_the_chart(values: list[tuple[int, int]]) -> None:
    chart = charts.time_series(measure(*values))
    assert all(0 <= column.y <= 100 and 0 <= column.centre <= 100 for column in chart.columns)
    assert len(chart.columns) == len(values)


@given(st.floats(0, 1e15, allow_nan=False))
def test_the_axis_ends_at_a_round_number_that_is_not_far_above(highest: float) -> None:
    top = charts.axis_top(highest)
    assert top >= highest
    assert top <= max(2.0, highest * 1.34, highest + 2)


@given(st.lists(NUMBERS, min_size=1, max_size=90))
def test_a_sparkline_stays_in_its_box(values: list[int]) -> None:
    heights = [float(point.split(" ")[1]) for point in charts.sparkline(values)[1:].split(" L")]
    assert len(heights) == len(values)
    assert all(0 <= height <= 100 for height in heights)


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        ("9.5", "EUR", "€9.50"),
        (Decimal("1234.005"), "GBP", "£1,234.00"),
        ("1200", "JPY", "¥1,200"),
        ("3", "CHF", "CHF 3.00"),
        ("-2.5", "USD", "−$2.50"),
        (None, "USD", "–"),
    ],
)
def test_money(amount: str | Decimal | None, currency: str, text: str) -> None:
    assert display.money(amount, currency) == text


@pytest.mark.parametrize(
    ("amount", "text"), [("1361046.04", "€1,361,046"), ("39.89", "€39.89"), ("80", "€80"), ("0", "€0")]
)
def test_money_in_a_headline(amount: str, text: str) -> None:
    assert display.money_short(amount, "EUR") == text


@pytest.mark.parametrize(("fraction", "text"), [(0.104, "10.4%"), (-0.104, "10.4%"), (3.0, "300%"), (12.345, "1,234%")])
def test_percent(fraction: float, text: str) -> None:
    assert display.percent(fraction) == text


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("Red mug", "RM"),
        ("3D Hearts", "DH"),
        ("mug", "M"),
        ("Ünter Öl", "ÜÖ"),
        ("+ 12", "+ "),
        ("50's Christmas", "SC"),
    ],
)
def test_initials(title: str, text: str) -> None:
    assert display.initials(title) == text


@given(st.text())
def test_every_item_has_a_colour_and_keeps_it(item_id: str) -> None:
    assert 0 <= display.hue(item_id) == display.hue(item_id) < display.HUES
