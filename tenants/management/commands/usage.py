"""`manage.py usage`: events by tenant and month."""

from typing import Any

from django.core.management.base import CommandParser

from recomengine.lib.commands import OperatorCommand
from tenants import directory, reports


class Command(OperatorCommand):
    help = "Show the events that tenants were credited with, by month, against what their plan now holds."
    examples = ("", "gift-shop", "--month 2026-11 --json")

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", nargs="*", metavar="SLUG", help="slugs (default: every tenant)")
        parser.add_argument("--month", metavar="YYYY-MM", help="only this month")

    def run(self, *, tenant: list[str], month: str | None, **_: Any) -> list[dict[str, Any]]:
        found = [directory.get_model(slug) for slug in tenant] or list(reports.tenants())
        return reports.usage_rows(found, reports.month(month) if month else None)
