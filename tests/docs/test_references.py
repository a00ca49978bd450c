"""What the pages say of the code by name exists: functions, files, commands and make's targets."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from django.core.management import get_commands

from tests.docs.pages import PAGES, ROOT, name_of, text

CODE = re.compile(r"(?ms)^```.*?^```|`[^`\n]+`")
NAME = re.compile(r"`([\w/]+\.py):([\w.]+)`")
FILE = re.compile(r"`([a-z_]+/[\w./-]+?)(?::[\w.]+)?`")


@cache
def names(path: str) -> set[str]:
    """What a module defines: functions, classes with their members, and variables."""
    return set(_defined(ast.parse(text(path)).body, ""))


def _defined(body: list[ast.stmt], prefix: str) -> list[str]:
    found = []
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.append(prefix + node.name)
        if isinstance(node, ast.ClassDef):
            found += _defined(node.body, f"{prefix}{node.name}.")
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found += [prefix + target.id for target in targets if isinstance(target, ast.Name)]
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_functions_exist(page: Path) -> None:
    for path, name in NAME.findall(page.read_text()):
        assert name in names(path), f"{path} has no {name}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_exist(page: Path) -> None:
    for path in FILE.findall(page.read_text()):
        if (ROOT / path.partition("/")[0]).is_dir():
            assert (ROOT / path).exists(), f"there is no {path}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_and_targets_exist(page: Path) -> None:
    code = "\n".join(CODE.findall(page.read_text()))
    assert set(re.findall(r"manage\.py ([a-z_]+)", code)) <= set(get_commands())
    targets = re.findall(r"(?m)^([a-z-]+):", text("Makefile"))
    assert set(re.findall(r"\bmake ([a-z][a-z-]*)", code)) <= set(targets)
