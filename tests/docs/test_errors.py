"""docs/errors.md names every code that the API can answer with."""

import ast

import msgspec
import pytest

from recomengine.lib.decoding import field_error
from recomengine.lib.errors import CODES
from recommendations.serving.answers import EMPTY
from recommendations.strategies import STRATEGIES
from tests.docs.pages import first_arguments, modules, rows, section, text

PAGE = text("docs/errors.md")
VALUES = rows(section(PAGE, "Single values"))


class Example(msgspec.Struct, forbid_unknown_fields=True):
    name: str


def test_every_code_with_its_status() -> None:
    described = {code: int(cells[0]) for code, cells in rows(section(PAGE, "Codes")).items()}
    assert described == {code: status for code, (status, _) in CODES.items()}


def test_every_code_that_is_raised_exists() -> None:
    raised = set().union(*(first_arguments(tree, "DomainError") for tree in modules()))
    assert raised <= set(CODES)


@pytest.mark.parametrize("body", [b'{"name": "a", "other": 1}', b"{}", b'{"name": 1}'])
def test_what_is_wrong_with_a_value(body: bytes) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(body, type=Example)
    assert field_error(caught.value)["code"] in VALUES


def test_what_is_wrong_with_a_parameter() -> None:
    parsing = ast.parse(text("recommendations/parsing.py"))
    calls = [node for node in ast.walk(parsing) if isinstance(node, ast.Call) and ast.unparse(node.func) == "_error"]
    assert {ast.literal_eval(call.args[1]) for call in calls} <= set(VALUES)


def test_why_an_event_is_rejected() -> None:
    dropped = first_arguments(ast.parse(text("events/ingest.py")), "Drop")
    described = set(rows(section(PAGE, "Rejected events")))
    assert described == dropped - set(VALUES)


def test_why_an_item_is_rejected() -> None:
    source = text("catalog/items.py")
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    rejections = [call.args[1] for call in calls if ast.unparse(call.func) == "Rejection"]
    described = set(rows(section(PAGE, "Rejected items")))
    assert {code.value for code in rejections if isinstance(code, ast.Constant)} <= described | set(VALUES)
    assert all(f'"{code}"' in source for code in described)


def test_why_a_slate_is_empty() -> None:
    assert set(rows(section(PAGE, "Empty answers"))) == set(EMPTY)


def test_every_reason_with_its_strategies() -> None:
    described = {code: cells[0] for code, cells in rows(section(PAGE, "Reasons")).items()}
    for strategy in STRATEGIES.values():
        assert all(f"`{strategy.name}`" in described[reason] for reason in strategy.reasons)
    assert set(described) == {reason for strategy in STRATEGIES.values() for reason in strategy.reasons}
