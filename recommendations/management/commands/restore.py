"""`manage.py restore`: fill Redis again."""

from typing import Any

from django.core.management.base import CommandParser

from recomengine.lib.commands import OperatorCommand
from recommendations import restoring
from tenants import directory


class Command(OperatorCommand):
    help = "Rebuild everything Redis holds (models, items, histories, placements) from PostgreSQL and the model store."
    examples = ("--missing", "gift-shop", "gift-shop home-goods --json")

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", nargs="*", help="slugs (default: every active tenant)")
        parser.add_argument("--missing", action="store_true", help="only where Redis lost something")

    def run(self, *, tenant: list[str], missing: bool, **_: Any) -> list[dict[str, Any]]:
        chosen = [directory.get(slug) for slug in tenant] or list(directory.active())
        done = [ref for ref in chosen if not missing or restoring.is_needed(ref)]
        for ref in done:
            restoring.restore(ref)
        return [{"tenant": ref.slug, "restored": ref in done} for ref in chosen]
