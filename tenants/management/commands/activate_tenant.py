"""`manage.py activate_tenant`."""

from typing import Any

from django.core.management.base import CommandParser

from recomengine.lib.commands import OperatorCommand
from tenants import actors, directory
from tenants.changing import activate_tenant


class Command(OperatorCommand):
    help = "Let a suspended tenant go on."

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the tenant's slug")

    def run(self, *, slug: str, **_: Any) -> dict[str, str]:
        tenant = activate_tenant(directory.get_model(slug), by=actors.of_command())
        return {"slug": slug, "status": tenant.status}
