"""Decisions stay short, and are all listed."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, name_of, text

DECISIONS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))


@pytest.mark.parametrize("decision", DECISIONS, ids=name_of)
def test_a_decision_is_short_and_says_why(decision: Path) -> None:
    written = decision.read_text()
    assert len(written.split()) < 200
    assert re.match(rf"# {int(decision.name[:4])}\. ", written)
    for part in ("**Context.**", "**Decision.**", "**Consequences.**"):
        assert part in written


def test_every_decision_is_listed_under_its_title() -> None:
    listed = dict(re.findall(r"\[(.+?)\]\((\d{4}.+?\.md)\)", text("docs/adr/README.md")))
    titles = {re.sub(r"^# \d+\. ", "", path.read_text().splitlines()[0]): path.name for path in DECISIONS}
    assert listed == titles
