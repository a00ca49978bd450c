"""`manage.py rebuild_search`: search documents and vocabulary anew."""

from typing import Any

from django.core.management.base import CommandParser

from catalog import rebuilding
from recomengine.lib.commands import OperatorCommand
from recomengine.lib.errors import DomainError
from tenants import directory
from tenants.types import TenantRef


class Command(OperatorCommand):
    help = "Make the search documents and the vocabulary of shops anew; searching and writing go on meanwhile."
    examples = ("gift-shop", "gift-shop home-goods --json", "--all")

    def add_own_arguments(self, parser: CommandParser) -> None:
        chosen = parser.add_mutually_exclusive_group(required=True)
        chosen.add_argument("tenant", nargs="*", default=[], help="slugs")
        chosen.add_argument("--all", action="store_true", dest="every", help="every active tenant")

    def run(self, *, tenant: list[str], every: bool, **_: Any) -> list[dict[str, Any]]:
        chosen = directory.active() if every else [directory.get(slug) for slug in tenant]
        return [_rebuilt(ref) for ref in chosen]


def _rebuilt(tenant: TenantRef) -> dict[str, Any]:
    count = rebuilding.rebuild(tenant)
    if count is None:
        raise DomainError("conflict", f"Another process is rebuilding the search of {tenant.slug}; wait for it.")
    return {"tenant": tenant.slug, "items": count}
