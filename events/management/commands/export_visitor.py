"""`manage.py export_visitor`: everything stored about a visitor or user, as a file."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from events import personal_data
from recomengine.lib.commands import OperatorCommand
from recomengine.lib.errors import DomainError
from tenants import actors, directory
from tenants.management.arguments import add_tenant


class Command(OperatorCommand):
    help = "Write everything stored about a visitor or user to a file, as one JSON object."
    examples = ("gift-shop v-77 --to v-77.json",)

    def add_own_arguments(self, parser: CommandParser) -> None:
        add_tenant(parser)
        parser.add_argument("id", metavar="ID", help="a visitor_id or user_id, as events had it")
        parser.add_argument("--to", required=True, metavar="FILE", help="the file to write")

    def run(self, *, tenant: str, id: str, to: str, **_: Any) -> dict[str, Any]:
        parts = personal_data.export(directory.get(tenant), id, by=actors.of_command())
        try:
            with Path(to).open("wb") as file:
                return {"file": to, "bytes": sum(file.write(part) for part in parts)}
        except OSError as error:
            raise DomainError("invalid", f"{to} cannot be written: {error.strerror}.") from error
