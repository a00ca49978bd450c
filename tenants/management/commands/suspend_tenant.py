"""`manage.py suspend_tenant`."""

from typing import Any

from django.core.management.base import CommandParser

from recomengine.lib.commands import OperatorCommand
from tenants import actors, directory
from tenants.changing import suspend_tenant
from tenants.management.arguments import add_tenant


class Command(OperatorCommand):
    help = "Suspend a tenant: its keys and pages are refused within a second, nothing is deleted."
    examples = ("gift-shop", "gift-shop --json")

    def add_own_arguments(self, parser: CommandParser) -> None:
        add_tenant(parser)

    def run(self, *, tenant: str, **_: Any) -> dict[str, str]:
        row = suspend_tenant(directory.get_model(tenant), by=actors.of_command())
        return {"slug": row.slug, "status": row.status}
