"""`manage.py create_tenant`: a new shop."""

from typing import Any

from django.core.management.base import CommandParser

from recomengine.lib.commands import OperatorCommand
from tenants import actors
from tenants.provisioning import create_tenant


class Command(OperatorCommand):
    help = "Create a tenant with a schema of its own."

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="2 to 40 lower-case letters, digits and hyphens; names the tenant everywhere")
        parser.add_argument("name", help="the shop's name as people read it")
        parser.add_argument("--currency", default="EUR", help="ISO 4217 code of its prices (default: EUR)")

    def run(self, *, slug: str, name: str, currency: str, **_: Any) -> dict[str, str]:
        tenant = create_tenant(slug, name, currency=currency, by=actors.of_command())
        return {"slug": tenant.slug, "schema": tenant.schema_name, "currency": tenant.currency}
