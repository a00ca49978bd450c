"""`manage.py reset_second_factor`."""

from typing import Any

from django.core.management.base import CommandParser

from recomengine.lib.commands import OperatorCommand
from tenants import actors, operating
from tenants.management.arguments import add_email
from tenants.sessions import reset_second_factor


class Command(OperatorCommand):
    help = (
        "Take a lost second factor off a person, end all of her sessions, and tell her by email. "
        "Make sure first that it is she who asks: docs/security.md says how."
    )
    examples = ("ann@shop.example --reason 'phone lost; called back by her owner'",)

    def add_own_arguments(self, parser: CommandParser) -> None:
        add_email(parser)
        parser.add_argument("--reason", required=True, help="why, and how you know who asked; goes into the audit log")

    def run(self, *, email: str, reason: str, **_: Any) -> dict[str, str]:
        reset_second_factor(operating.person(email), reason, by=actors.of_command())
        return {"email": email, "second_factor": "none"}
