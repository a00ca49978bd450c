"""`manage.py unlock_person`: a login that was locked."""

from typing import Any

from django.core.management.base import CommandParser

from recomengine.lib.commands import OperatorCommand
from tenants import actors, operating
from tenants.management.arguments import add_email


class Command(OperatorCommand):
    help = (
        "Take the lock off an address after too many wrong passwords or codes. It ends by itself after ten minutes; "
        "a lock of an IP address, after one."
    )
    examples = ("ann@shop.example", "ann@shop.example --json")

    def add_own_arguments(self, parser: CommandParser) -> None:
        add_email(parser)

    def run(self, *, email: str, **_: Any) -> dict[str, Any]:
        return {"email": email, "failed_logins_forgotten": operating.unlock_person(email, by=actors.of_command())}
