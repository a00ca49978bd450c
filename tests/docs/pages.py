"""Reading the project's pages."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APPS = (
    "recomengine",
    "tenants",
    "imports",
    "catalog",
    "events",
    "experiments",
    "recommendations",
    "widgets",
    "analytics",
)
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "requirements/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def text(name: str) -> str:
    return (ROOT / name).read_text()


def section(page: str, title: str) -> str:
    """What stands under a heading, down to the next one of its rank."""
    parts = re.split(r"(?m)^##? (.*)\n", page)
    return parts[parts.index(title) + 1]


def rows(page: str) -> dict[str, list[str]]:
    """The rows of the tables whose first cell is a name in code style: name → the other cells."""
    found = re.findall(r"(?m)^\| `([^`]+)` \|(.*)\|$", page)
    return {name: [cell.strip() for cell in re.split(r"(?<!\\)\|", cells)] for name, cells in found}


def modules() -> Iterator[ast.Module]:
    """The syntax trees of the product's own modules."""
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            if "node_modules" not in path.parts:
                yield ast.parse(path.read_text())


def first_arguments(tree: ast.AST, function: str) -> set[str]:
    """The literal first arguments of all calls of a function of that name, whatever object it is called on."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
    named = [call for call in calls if getattr(call.func, "id", getattr(call.func, "attr", "")) == function]
    return {str(call.args[0].value) for call in named if isinstance(call.args[0], ast.Constant)}
