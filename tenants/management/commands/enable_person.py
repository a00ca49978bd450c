"""`manage.py enable_person`."""

from typing import Any

from django.core.management.base import CommandParser

from recomengine.lib.commands import OperatorCommand
from tenants import actors, operating
from tenants.management.arguments import add_email


class Command(OperatorCommand):
    help = "Let a disabled person sign in again."
    examples = ("ann@shop.example", "ann@shop.example --json")

    def add_own_arguments(self, parser: CommandParser) -> None:
        add_email(parser)

    def run(self, *, email: str, **_: Any) -> dict[str, Any]:
        user = operating.enable_person(operating.person(email), by=actors.of_command())
        return {"email": user.email, "active": user.is_active}
