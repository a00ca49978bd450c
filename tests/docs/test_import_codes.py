"""docs/catalogue.md names every code that the rows and the ends of imports can have."""

import ast
import re
from collections.abc import Iterator

from recomengine.lib.errors import CODES
from tests.docs.pages import ROOT, rows, section, text

SECTION = section(text("docs/catalogue.md"), "Codes of imports")
ROWS, BROKEN, NOTES = (rows(part) for part in re.split(r"(?m)^A feed that|^An import also", SECTION))
PARTS = ("recomengine/lib/feeds", "catalog/feeds", "catalog/importing")
# The calls that a code comes out of, and the place of the code among their arguments.
OF_ROWS = {"RowError": 1, "_refusal": 2, "Refused": 0}
OF_FEEDS = {"FeedBroken": 0}
OF_NOTES = {"_complete": 1}


def codes(places: dict[str, int]) -> Iterator[str]:
    """The literal codes that the reading and importing of feeds hand to these functions."""
    for path in sorted(path for part in PARTS for path in (ROOT / part).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            place = places.get(ast.unparse(node.func).rpartition(".")[2]) if isinstance(node, ast.Call) else None
            if place is not None and isinstance(node, ast.Call) and len(node.args) > place:
                code = node.args[place]
                yield from [str(code.value)] if isinstance(code, ast.Constant) else []


def test_why_a_row_is_not_taken() -> None:
    assert set(ROWS) == set(codes(OF_ROWS))


def test_why_a_feed_is_not_read_on() -> None:
    assert set(BROKEN) == set(codes(OF_FEEDS))


def test_what_an_import_that_completed_notes() -> None:
    assert set(codes(OF_NOTES)) <= set(NOTES)
    source = text("catalog/importing/running.py")
    assert [code for code in NOTES if f'"{code}"' not in source] == []


def test_the_other_ends_are_codes_of_the_api() -> None:
    said = SECTION.rpartition("An import also")[2].partition("One that completed")[0]
    assert set(re.findall(r"`(\w+)`", said)) <= set(CODES)
