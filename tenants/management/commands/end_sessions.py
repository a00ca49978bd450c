"""`manage.py end_sessions`."""

from typing import Any

from django.core.management.base import CommandParser

from recomengine.lib.commands import OperatorCommand
from tenants import actors, operating
from tenants.models import User
from tenants.sessions import end_sessions


class Command(OperatorCommand):
    help = "End every session of a person on the dashboard, and every login to the API, at once."
    examples = ("ann@shop.example", "--all --json")

    def add_own_arguments(self, parser: CommandParser) -> None:
        who = parser.add_mutually_exclusive_group(required=True)
        who.add_argument("email", nargs="?", help="the person's email address")
        who.add_argument("--all", action="store_true", dest="everybody", help="of every person there is")

    def run(self, *, email: str | None, everybody: bool, **_: Any) -> dict[str, int]:
        found = User.objects.all() if everybody else [operating.person(email or "")]
        for person in found:
            end_sessions(person, by=actors.of_command())
        return {"people": len(found)}
