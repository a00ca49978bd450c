"""`manage.py suspend_tenant`."""

from typing import Any

from django.core.management.base import CommandParser

from recomengine.lib.commands import OperatorCommand
from tenants import actors, directory
from tenants.changing import suspend_tenant


class Command(OperatorCommand):
    help = "Suspend a tenant: its keys are refused within a second, nothing is deleted."

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the tenant's slug")

    def run(self, *, slug: str, **_: Any) -> dict[str, str]:
        tenant = suspend_tenant(directory.get_model(slug), by=actors.of_command())
        return {"slug": slug, "status": tenant.status}
