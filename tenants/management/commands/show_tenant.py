"""`manage.py show_tenant`: all about a shop."""

from typing import Any

from django.core.management.base import CommandParser

from recomengine.lib.commands import OperatorCommand
from tenants import directory, reports
from tenants.management.arguments import add_tenant


class Command(OperatorCommand):
    help = "Show a tenant: settings, status, what it used of its plan this month, its owners and how many members."
    examples = ("gift-shop", "gift-shop --json")

    def add_own_arguments(self, parser: CommandParser) -> None:
        add_tenant(parser)

    def run(self, *, tenant: str, **_: Any) -> dict[str, Any]:
        return reports.tenant_details(directory.get_model(tenant))
