"""docs/configuration.md names every variable that the code reads, and no other."""

import ast

import pytest

from recomengine.local.lifecycle import needed
from recomengine.local.ports import DEFAULT_PORTS
from tests.docs.pages import first_arguments, modules, rows, section, text

PAGE = rows(section(text("docs/configuration.md"), "Settings"))
SETTINGS = ast.parse(text("recomengine/settings.py"))


def env_calls() -> list[ast.Call]:
    calls = [node for node in ast.walk(SETTINGS) if isinstance(node, ast.Call)]
    return [call for call in calls if ast.unparse(call.func).startswith("env.")]


def read_by_settings() -> set[str]:
    direct = {str(call.args[0].value) for call in env_calls() if isinstance(call.args[0], ast.Constant)}
    return direct | first_arguments(SETTINGS, "secret") | first_arguments(SETTINGS, "server_url")


def test_every_setting_is_described_and_nothing_else() -> None:
    assert set(PAGE) == read_by_settings()


def test_nothing_else_of_the_environment_is_read() -> None:
    """Beside the settings there is only what the local services look at, and that is among them."""
    elsewhere = {
        node.args[0].value
        for tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"os.environ.get", "os.getenv"}
        if isinstance(node.args[0], ast.Constant)
    }
    assert elsewhere - {"SUDO_USER"} | set(DEFAULT_PORTS) <= set(PAGE)
    assert "`SUDO_USER`" in text("docs/configuration.md")


def test_no_local_service_is_needed_where_the_environment_names_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql:///elsewhere")
    monkeypatch.setenv("REDIS_URL", "redis://elsewhere")
    assert needed() == []


def test_plain_defaults_are_as_described() -> None:
    for call in env_calls():
        default = next((word.value for word in call.keywords if word.arg == "default"), None)
        if isinstance(call.args[0], ast.Constant) and isinstance(default, ast.Constant):
            value = str(default.value).lower() if isinstance(default.value, bool) else str(default.value)
            assert PAGE[str(call.args[0].value)][0] == f"`{value}`"


def test_the_variables_of_make_are_in_the_makefile() -> None:
    for variable in rows(section(text("docs/configuration.md"), "Of make")):
        assert variable in text("Makefile")
