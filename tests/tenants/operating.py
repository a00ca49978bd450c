"""Commands as an operator's programs call them."""

import io
import json
from typing import Any

import pytest
from django.core.management import call_command

from tenants.models import AuditEntry, User

PASSWORD = "correct horse battery"


def answer(command: str, *arguments: str, **options: Any) -> Any:
    """What a command answers programs."""
    return json.loads(text(command, *arguments, as_json=True, **options))


def text(command: str, *arguments: str, **options: Any) -> str:
    out = io.StringIO()
    call_command(command, *arguments, stdout=out, **options)
    return out.getvalue()


def refused(command: str, *arguments: str, **options: Any) -> str:
    """The code of a refusal, as programs get it."""
    out = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command(command, *arguments, as_json=True, stdout=out, **options)
    assert ended.value.code == 1
    error = json.loads(out.getvalue())["error"]
    assert error["detail"]
    return str(error["code"])


def person(email: str = "ann@example.com", **fields: Any) -> User:
    return User.objects.create_user(email, PASSWORD, **fields)


def last_entry(action: str) -> AuditEntry:
    return AuditEntry.objects.filter(action=action).latest("pk")
