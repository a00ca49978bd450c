"""`manage.py rollback`: back to the model that was live before."""

from typing import Any

from django.core.management.base import CommandParser

from recomengine.lib.commands import OperatorCommand
from recommendations.releases import releasing
from tenants import actors, directory


class Command(OperatorCommand):
    help = (
        "Go back to the model version that was live before the present one, or to any that is kept. Trainings by the "
        "clock publish nothing from then on, until somebody trains by hand or publishes a version."
    )
    examples = ("gift-shop", "gift-shop --json", "gift-shop --to 20261124T101500000000")

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="slug")
        parser.add_argument("--to", metavar="VERSION", help="publish that version instead, also one that was held back")

    def run(self, *, tenant: str, to: str | None, **_: Any) -> dict[str, Any]:
        ref, by = directory.get(tenant), actors.of_command()
        run = releasing.publish(ref, to, by=by) if to else releasing.roll_back(ref, by=by)
        return {"tenant": ref.slug, "version": run.version, "trained_at": run.started_at, "is_pinned": run.is_pinned}
