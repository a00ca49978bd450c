"""`manage.py erase_visitor`: everything stored about a visitor or user."""

from typing import Any

from django.core.management.base import CommandParser

from events import erasing
from recomengine.lib.commands import OperatorCommand
from tenants import actors, directory
from tenants.management.arguments import add_tenant


class Command(OperatorCommand):
    help = (
        "Erase everything stored about a visitor or user: events in the database and in the archive, recent history, "
        "and the same of browsers that are that user's alone. There is no way back."
    )
    examples = ("gift-shop v-77", "gift-shop customer-9 --json")

    def add_own_arguments(self, parser: CommandParser) -> None:
        add_tenant(parser)
        parser.add_argument("id", metavar="ID", help="a visitor_id or user_id, as events had it")

    def run(self, *, tenant: str, id: str, **_: Any) -> dict[str, Any]:
        ref = directory.get(tenant)
        row = erasing.erase(ref, id, by=actors.of_command())
        erasing.go_on(ref)
        row = erasing.get(ref, row.pk)
        return {
            "id": row.pk, "events": row.events, "archived_events": row.archived_events,
            "completed_at": row.completed_at,
        }  # fmt: skip
