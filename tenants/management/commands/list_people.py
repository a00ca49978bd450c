"""`manage.py list_people`: accounts."""

from typing import Any

from django.core.management.base import CommandParser

from recomengine.lib.commands import OperatorCommand
from tenants import directory, reports


class Command(OperatorCommand):
    help = "List people with their rights, roles and last login."
    examples = ("", "--tenant gift-shop", "--staff --json", "--q @shop.example --disabled")

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--q", default="", metavar="WORDS", help="only those with this in the address or the name")
        parser.add_argument("--tenant", metavar="SLUG", help="only its members")
        parser.add_argument("--staff", action="store_true", help="only the platform's staff")
        parser.add_argument("--disabled", action="store_true", help="only those who may not sign in")

    def run(self, *, q: str, tenant: str | None, staff: bool, disabled: bool, **_: Any) -> list[dict[str, Any]]:
        row = directory.get_model(tenant) if tenant else None
        return reports.person_rows(q, tenant=row, staff_only=staff, disabled_only=disabled)
