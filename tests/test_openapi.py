"""The OpenAPI schema is part of a change: the committed snapshot is what the code generates."""

from pathlib import Path

import yaml
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

SNAPSHOT = Path(__file__).parent.parent / "docs" / "openapi.yaml"


def test_the_snapshot_is_current() -> None:
    generated = SchemaGenerator().get_schema(request=None, public=True)
    validate_schema(generated)
    again = "python manage.py spectacular --file docs/openapi.yaml"
    assert yaml.safe_load(SNAPSHOT.read_text()) == yaml.safe_load(yaml.safe_dump(_plain(generated))), f"run: {again}"


OPEN = {"/api/v1/auth/register", "/api/v1/auth/login", "/api/v1/auth/refresh", "/api/v1/auth/logout"}


def test_every_operation_says_what_it_does_and_who_may_call_it() -> None:
    for path, methods in yaml.safe_load(SNAPSHOT.read_text())["paths"].items():
        for method, operation in methods.items():
            assert operation.get("description"), f"{method} {path} has no description"
            if path in OPEN:
                assert "security" not in operation, f"{method} {path}"
            elif path == "/api/v1/auth/me":
                assert operation["security"] == [{"AccessToken": []}]
            else:
                assert operation["security"] == [{"ApiKey": []}, {"AccessToken": []}], f"{method} {path}"


def _plain(value: object) -> object:
    """Lazy strings and ordered dictionaries as plain data."""
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value if isinstance(value, (int, float, bool, type(None))) else str(value)
