"""`manage.py suspend_tenant`."""

from typing import Any

from django.core.management.base import CommandParser

from recomengine.lib.commands import OperatorCommand
from tenants import directory
from tenants.provisioning import suspend_tenant


class Command(OperatorCommand):
    help = "Suspend a tenant: its keys are refused within a second, nothing is deleted."

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the tenant's slug")

    def run(self, *, slug: str, **_: Any) -> dict[str, str]:
        tenant = directory.get_model(slug)
        suspend_tenant(tenant)
        return {"slug": slug, "status": tenant.status}
