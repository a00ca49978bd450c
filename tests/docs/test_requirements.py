"""requirements/README.md says of every direct dependency what it earns."""

import re

import pytest

from tests.docs.pages import rows, section, text


@pytest.mark.parametrize("name", ["base.in", "dev.in"])
def test_every_line_is_explained(name: str) -> None:
    lines = [line.removeprefix("-r ") for line in text(f"requirements/{name}").splitlines() if not line.startswith("#")]
    required = [re.split(r"[\[~=<>;\s]", line)[0] for line in lines if line]
    explained = rows(section(text("requirements/README.md"), name))
    assert list(explained) == required
    assert all(cells[0] for cells in explained.values())
