"""`manage.py train`: train and publish now."""

from typing import Any

from django.core.management.base import CommandParser

from recomengine.lib.commands import OperatorCommand
from recommendations import training
from tenants import directory


class Command(OperatorCommand):
    help = "Train tenants on what they have sent and publish the models, in this process."
    examples = ("", "gift-shop", "gift-shop home-goods --json")

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", nargs="*", help="slugs (default: every active tenant)")

    def run(self, *, tenant: list[str], **_: Any) -> list[dict[str, Any]]:
        chosen = [directory.get(slug) for slug in tenant] or directory.active()
        runs = [(ref.slug, training.train(ref)) for ref in chosen]
        return [
            {"tenant": slug, "version": run.version, "events": run.events, "items": run.items, **run.report["seconds"]}
            for slug, run in runs
        ]
