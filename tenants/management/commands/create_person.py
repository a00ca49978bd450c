"""`manage.py create_person`: an account."""

import sys
from getpass import getpass
from typing import Any

from django.core.management.base import CommandParser

from recomengine.lib.commands import OperatorCommand
from recomengine.lib.errors import DomainError
from tenants import actors, operating
from tenants.management.arguments import add_email


class Command(OperatorCommand):
    help = (
        "Make an account for a person whose address you have checked: it counts as verified. The password is asked "
        "for, or read from standard input if that is no terminal, so that no list of processes shows it."
    )
    examples = (
        "ann@shop.example --name Ann",
        "olga@recomengine.example --staff --generate-password",
        "root@recomengine.example --superuser < password.txt",
    )

    def add_own_arguments(self, parser: CommandParser) -> None:
        add_email(parser)
        parser.add_argument("--name", default="", help="the person's name")
        parser.add_argument("--staff", action="store_true", help="may use the admin and open every shop")
        parser.add_argument("--superuser", action="store_true", help="staff who may change everything in the admin")
        parser.add_argument(
            "--generate-password", action="store_true", help="make a password and show it, now and never again"
        )

    def run(
        self, *, email: str, name: str, staff: bool, superuser: bool, generate_password: bool, **_: Any
    ) -> dict[str, Any]:
        password = operating.new_password() if generate_password else _asked()
        user = operating.create_person(email, password, name, staff=staff, superuser=superuser, by=actors.of_command())
        answer = {"email": user.email, "name": user.name, "staff": user.is_staff, "superuser": user.is_superuser}
        return answer | ({"password": password} if generate_password else {})


def _asked() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass("Password: ")
    if password != getpass("The same once more: "):
        raise DomainError("invalid", "The two passwords differ. Nothing was done.")
    return password
