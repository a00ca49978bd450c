"""`manage.py activate_tenant`."""

from typing import Any

from django.core.management.base import CommandParser

from recomengine.lib.commands import OperatorCommand
from tenants import directory
from tenants.provisioning import activate_tenant


class Command(OperatorCommand):
    help = "Let a suspended tenant go on."

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the tenant's slug")

    def run(self, *, slug: str, **_: Any) -> dict[str, str]:
        tenant = directory.get_model(slug)
        activate_tenant(tenant)
        return {"slug": slug, "status": tenant.status}
