"""`manage.py disable_person`."""

from typing import Any

from django.core.management.base import CommandParser

from recomengine.lib.commands import OperatorCommand
from tenants import actors, operating
from tenants.management.arguments import add_email


class Command(OperatorCommand):
    help = "Let a person sign in no more, anywhere; what is open answers as if she were signed out. Nothing is deleted."
    examples = ("ann@shop.example", "ann@shop.example --json")

    def add_own_arguments(self, parser: CommandParser) -> None:
        add_email(parser)

    def run(self, *, email: str, **_: Any) -> dict[str, Any]:
        user = operating.disable_person(operating.person(email), by=actors.of_command())
        return {"email": user.email, "active": user.is_active}
