"""`manage.py revoke_key`: the end of an API key."""

from typing import Any

from django.core.management.base import CommandParser

from recomengine.lib.commands import OperatorCommand
from tenants import actors, directory, keys
from tenants.management.arguments import add_key


class Command(OperatorCommand):
    help = "Revoke an API key within a second in every process, and with it the keys that it made itself."
    examples = ("gift-shop 3f9c1a0b7d24", "gift-shop 3f9c1a0b7d24 --json")

    def add_own_arguments(self, parser: CommandParser) -> None:
        add_key(parser)

    def run(self, *, tenant: str, key_id: str, **_: Any) -> list[dict[str, str]]:
        ended = keys.revoke_key(directory.get_model(tenant), key_id, by=actors.of_command())
        return [{"tenant": tenant, "key_id": each, "status": "revoked"} for each in ended]
