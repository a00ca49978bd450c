"""`manage.py create_key`: an API key for a shop."""

from typing import Any

from django.core.management.base import CommandParser

from recomengine.lib.commands import OperatorCommand
from tenants import actors, directory, keys
from tenants.types import KeyType


class Command(OperatorCommand):
    help = "Create an API key. The key is shown now and never again."

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="the tenant's slug")
        parser.add_argument(
            "type", choices=[str(kind) for kind in KeyType], help="pub (browsers), ro (servers, reading), rw (servers)"
        )
        parser.add_argument("--name", default="", help="what the key is for")
        parser.add_argument(
            "--origin", action="append", default=[], help="an origin whose pages may use a pub key; may be repeated"
        )

    def run(self, *, tenant: str, type: str, name: str, origin: list[str], **_: Any) -> dict[str, str]:
        chosen = keys.KeySettings(name, origin)
        token = keys.create_key(directory.get_model(tenant), KeyType(type), chosen, by=actors.of_command())
        return {"tenant": tenant, "key": str(token)}
