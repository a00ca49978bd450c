"""When a bar counts as met."""

import json

from bench.figures import Figure, as_json, table


def test_a_fixed_bar_is_met_by_the_value() -> None:
    assert Figure("a", 0.57, 0.57).met is True
    assert Figure("a", 0.5699, 0.57, (0.5, 0.6)).met is False


def test_a_bar_measured_on_the_same_cases_is_missed_only_beyond_chance() -> None:
    assert Figure("a", 0.50, 0.51, difference=(-0.02, 0.001)).met is True
    assert Figure("a", 0.50, 0.51, difference=(-0.02, -0.001)).met is False


def test_what_has_no_bar_or_no_data_is_neither() -> None:
    assert Figure("a", 0.5).met is None
    assert Figure("a", bar=0.5, note="there is no file").met is None


def test_every_figure_is_told_with_its_bar_or_why_there_is_none() -> None:
    figures = [
        Figure("hit rate", 0.57, 0.58, (0.55, 0.59), note="5 cases"),
        Figure("other", 0.57, 0.5, difference=(-0.1, 0.2)),
        Figure("gone", note="there is no x.parquet"),
    ]
    _, first, second, third = table(figures).splitlines()
    assert first.split() == ["hit", "rate", "0.5700", "0.550", "to", "0.590", "0.5800", "MISSED", "5", "cases"]
    assert "met" in second
    assert "-0.100 to +0.200" in second
    assert third == "gone      skipped: there is no x.parquet"
    assert [each["met"] for each in json.loads(as_json(figures))] == [False, True, None]
