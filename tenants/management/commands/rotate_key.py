"""`manage.py rotate_key`: a key's successor."""

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser

from recomengine.lib.commands import OperatorCommand
from tenants import actors, directory, keys
from tenants.management.arguments import add_key

HOURS = int(keys.OVERLAP.total_seconds()) // 3600
MAX_HOURS = int(keys.MAX_OVERLAP.total_seconds()) // 3600


class Command(OperatorCommand):
    help = (
        "Make a key's successor, with the same settings, and show it, now and never again. The old key goes on for the "
        "overlap and then expires."
    )
    examples = ("gift-shop 3f9c1a0b7d24", "gift-shop 3f9c1a0b7d24 --overlap-hours 0 --json")

    def add_own_arguments(self, parser: CommandParser) -> None:
        add_key(parser)
        parser.add_argument(
            "--overlap-hours", type=int, default=HOURS, metavar="N", help=f"0 to {MAX_HOURS} (default: {HOURS})"
        )

    def run(self, *, tenant: str, key_id: str, overlap_hours: int, **_: Any) -> dict[str, Any]:
        row, overlap = directory.get_model(tenant), timedelta(hours=min(max(overlap_hours, -1), MAX_HOURS + 1))
        token = keys.rotate_key(row, key_id, overlap, by=actors.of_command())
        ends = keys.get(row, key_id).expires_at
        return {"tenant": tenant, "key_id": token.key_id, "former": key_id, "former_ends": ends, "key": str(token)}
