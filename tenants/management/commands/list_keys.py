"""`manage.py list_keys`: a shop's API keys."""

from typing import Any

from django.core.management.base import CommandParser

from recomengine.lib.commands import OperatorCommand
from tenants import directory, reports
from tenants.management.arguments import add_tenant


class Command(OperatorCommand):
    help = (
        "List a tenant's API keys, newest first, without their secrets. The column pepper says what the stored digest "
        "was made with: the current pepper, an old one that still has to be in RECOMENGINE_API_KEY_OLD_PEPPERS, or one "
        "that is lost, so that the key is refused."
    )
    examples = ("gift-shop", "gift-shop --usable", "gift-shop --json")

    def add_own_arguments(self, parser: CommandParser) -> None:
        add_tenant(parser)
        parser.add_argument("--usable", action="store_true", help="leave out those that are revoked or expired")

    def run(self, *, tenant: str, usable: bool, **_: Any) -> list[dict[str, Any]]:
        return reports.key_rows(directory.get_model(tenant), usable_only=usable)
