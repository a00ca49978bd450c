"""`manage.py create_key`: an API key for a shop."""

from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser

from recomengine.lib.commands import OperatorCommand, moment
from tenants import actors, directory, keys
from tenants.management.arguments import add_tenant
from tenants.types import KeyType


class Command(OperatorCommand):
    help = "Create an API key. The key is shown now and never again."
    examples = (
        'gift-shop rw --name "ERP import"',
        "gift-shop pub --origin https://gifts.example --origin https://www.gifts.example",
        "gift-shop ro --expires-at 2027-01-31 --requests-per-second 50 --json",
    )

    def add_own_arguments(self, parser: CommandParser) -> None:
        add_tenant(parser)
        parser.add_argument(
            "type", choices=[str(kind) for kind in KeyType], help="pub (browsers), ro (servers, reading), rw (servers)"
        )
        parser.add_argument("--name", default="", help="what the key is for")
        parser.add_argument(
            "--origin", action="append", default=[], metavar="URL",
            help="an origin whose pages may use a pub key; may be repeated; without any, those of the tenant",
        )  # fmt: skip
        parser.add_argument(
            "--expires-at", type=moment, metavar="MOMENT", help="ISO 8601, UTC unless it says otherwise"
        )
        parser.add_argument("--requests-per-second", type=int, metavar="N", help="a limit beside the tenant's")

    def run(
        self, *, tenant: str, type: str, name: str, origin: list[str], expires_at: datetime | None,
        requests_per_second: int | None, **_: Any,
    ) -> dict[str, Any]:  # fmt: skip
        chosen = keys.KeySettings(name, origin, expires_at, requests_per_second)
        token = keys.create_key(directory.get_model(tenant), KeyType(type), chosen, by=actors.of_command())
        return {"tenant": tenant, "key_id": token.key_id, "expires_at": expires_at, "key": str(token)}
