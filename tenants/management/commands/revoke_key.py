"""`manage.py revoke_key`: the end of an API key."""

from typing import Any

from django.core.management.base import CommandParser

from recomengine.lib.commands import OperatorCommand
from tenants import actors, directory, keys


class Command(OperatorCommand):
    help = "Revoke an API key now, in every process."

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="the tenant's slug")
        parser.add_argument("key_id", help="the 12 characters after the type in the key")

    def run(self, *, tenant: str, key_id: str, **_: Any) -> list[dict[str, str]]:
        ended = keys.revoke_key(directory.get_model(tenant), key_id, by=actors.of_command())
        return [{"tenant": tenant, "key_id": each, "status": "revoked"} for each in ended]
