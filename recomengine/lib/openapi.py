"""What every operation of the OpenAPI schema has in common: a refusal is a problem."""

from typing import Any, Final

from recomengine.lib.errors import CODES

_TEXT: Final = {"type": "string"}
PROBLEM: Final = {
    "type": "object",
    "description": "Why a request is refused (RFC 9457).",
    "properties": {
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "code": {"type": "string", "enum": sorted(CODES)},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"pointer": _TEXT, "code": _TEXT, "message": _TEXT},
                "required": ["pointer", "code", "message"],
            },
        },
    },
    "required": ["type", "title", "status", "detail", "code"],
}
REFUSED: Final = {
    "description": "Refused; `code` says why.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


def with_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """drf-spectacular's hook: give every operation the problem as its answer to what is not taken."""
    result["components"]["schemas"]["Problem"] = PROBLEM
    for methods in result["paths"].values():
        for operation in methods.values():
            operation["responses"]["default"] = REFUSED
    return result
