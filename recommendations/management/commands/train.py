"""`manage.py train`: train and publish now."""

from typing import Any

from django.core.management.base import CommandParser

from recomengine.lib.commands import OperatorCommand
from recommendations.models import ModelRun
from recommendations.training import running, scheduling
from tenants import actors, directory
from tenants.types import TenantRef


class Command(OperatorCommand):
    help = "Train tenants on what they have sent and publish the models, unless they are worse, in this process."
    examples = ("", "gift-shop", "gift-shop home-goods --json", "gift-shop --force")

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", nargs="*", help="slugs (default: every active tenant)")
        parser.add_argument("--force", action="store_true", help="publish what the gate would hold back, too")

    def run(self, *, tenant: list[str], force: bool, **_: Any) -> list[dict[str, Any]]:
        chosen = [directory.get(slug) for slug in tenant] or directory.active()
        runs = [(ref.slug, self._train(ref, force=force)) for ref in chosen]
        return [
            {
                "tenant": slug, "version": run.version, "status": run.status, "events": run.events, "items": run.items,
                **run.seconds, "decision": run.decision["text"],
            }
            for slug, run in runs
        ]  # fmt: skip

    def _train(self, tenant: TenantRef, *, force: bool) -> ModelRun:
        scheduling.requested(tenant, by=actors.of_command(), force=force)
        return running.train(tenant, force=force)
