"""`manage.py list_tenants`: every shop."""

from typing import Any

from django.core.management.base import CommandParser

from recomengine.lib.commands import OperatorCommand
from tenants import reports
from tenants.models import Tenant
from tenants.plans import PLANS


class Command(OperatorCommand):
    help = "List the tenants, deleted ones too until they are purged, with the events they used of their plan."
    examples = ("", "--status suspended", "--q gift --plan trial --json")

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--status", choices=Tenant.Status.values, help="only those")
        parser.add_argument("--q", default="", metavar="WORDS", help="only those with this in the name or the slug")
        parser.add_argument("--plan", choices=list(PLANS), help="only those on this plan")

    def run(self, *, status: str | None, q: str, plan: str | None, **_: Any) -> list[dict[str, Any]]:
        return reports.tenant_rows(reports.tenants(status, q, plan))
