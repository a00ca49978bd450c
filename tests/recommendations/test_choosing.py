"""Which settings a shop's own visits speak for, and that what was chosen is trained with."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import ibis
import pytest

from recommendations.algorithms import baskets
from recommendations.algorithms.coview import BROWSING
from recommendations.algorithms.engine import open_engine
from recommendations.algorithms.ranking import Keep
from recommendations.evaluation.types import ENOUGH_UNITS
from recommendations.training import choosing
from recommendations.training.choosing import Choice
from recommendations.types import ServingParameters
from tests.recommendations.algorithms.tables import Row, event, interactions, visit


@contextmanager
def running() -> Iterator[Keep]:
    with open_engine() as engine:

        def run(name: str, expression: ibis.Table) -> ibis.Table:
            table: ibis.Table = engine.create_table(name, expression)
            return table

        yield run


def chosen(rows: list[Row]) -> Choice:
    with running() as run:
        return choosing.choose(run, run("interactions", interactions(rows)))


def test_a_choice_comes_back_from_json_as_it_was() -> None:
    choice = Choice(
        coview=replace(BROWSING, half_life_days=7.0, backward=1.0),
        single=replace(baskets.PRODUCT_PAGE, popularity_penalty=0.0),
        cart=replace(baskets.CART, popularity_penalty=0.7),
        serving=ServingParameters(3.0, (((0.1, 0.2),),), 0.4, 3.0),
        names={"coview": "recent"},
        evidence={"coview": {"cases": 3}},
    )
    assert Choice.from_json(json.loads(json.dumps(choice.to_json()))) == choice


def test_a_few_visits_say_nothing_and_the_usual_settings_stay() -> None:
    choice = chosen([step for n in range(20) for step in visit(f"v{n}", 1, 2, 3, day=n)])
    assert (choice.coview, choice.single, choice.cart) == (BROWSING, baskets.PRODUCT_PAGE, baskets.CART)
    assert choice.evidence == {}


def test_enough_visits_are_evidence_and_the_same_visits_the_same_choice() -> None:
    rows = [step for n in range(1_200) for step in visit(f"v{n}", n % 40, (n + 1) % 40, (n + 2) % 40, day=n / 24)]
    first, second = chosen(rows), chosen(rows[::-1])
    assert first == second
    tried = first.evidence["coview"]["tried"]
    assert tried[0]["setting"] == "browsing"
    assert tried[0]["difference"] is None
    assert {each["setting"] for each in tried} > {"browsing", "without distance"}
    assert first.evidence["coview"]["units"] >= ENOUGH_UNITS
    assert first.serving.found == 1  # what comes next is always among the few neighbours


def test_what_nobody_can_guess_is_seldom_found() -> None:
    """After the first two items a visit turns to one that no visit has had."""
    rows = [step for n in range(1_200) for step in visit(f"v{n}", n % 40, (n + 1) % 40, 1_000 + n, day=n / 24)]
    choice = chosen(rows)
    cases = choice.evidence["coview"]["cases"]
    assert choice.serving.found == pytest.approx(0.5, abs=2 / cases)


def test_what_a_long_visit_comes_back_to_is_told_by_what_its_newest_steps_lead_to() -> None:
    """Every visit goes round the same thirty items: what is next was seen long ago, like twenty others."""
    rounds = [step for n in range(1_050) for step in visit(f"v{n}", *((n + k) % 30 for k in range(42)), day=n / 24)]
    choice = chosen(rounds)
    assert choice.serving.again > 0
    assert {each["setting"] for each in choice.evidence["again"]["tried"]} == set(map(str, choosing.AGAIN_FACTORS))


def test_visits_of_one_moment_are_asked_what_visitors_came_back_for() -> None:
    """Three orders a visitor, a week apart, their lines at one moment; no visit has a next step."""
    rows = [
        event(f"v{n}", item, minute=week * 10_080 + n)
        for n in range(1_100)
        for week in range(3)
        for item in (n % 40, 100 + (n + week) % 40, 200 + (n + week) % 40)
    ]
    choice = chosen(rows)
    assert choice.evidence["coview"]["units"] >= ENOUGH_UNITS
    assert choice.coview.sessions == BROWSING.sessions


def test_a_log_of_single_items_is_read_as_whole_histories() -> None:
    """An item a day, and of the moment no more than the day."""
    days = [(n, step, n % 60 + 5 * step) for n in range(1_500) for step in range(3)]
    rows = [event(f"v{n}", (n + step) % 40, minute=day * 1_440 - 720) for n, step, day in days]
    choice = chosen(rows)
    assert choice.evidence["coview"]["units"] >= ENOUGH_UNITS
    assert choice.coview.sessions == choosing.HISTORIES.sessions
