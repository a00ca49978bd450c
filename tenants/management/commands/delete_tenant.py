"""`manage.py delete_tenant`: the end of a shop, with a way back."""

from typing import Any

from django.core.management.base import CommandParser

from recomengine.lib.commands import OperatorCommand
from recomengine.lib.errors import DomainError
from tenants import actors, directory
from tenants.changing import GRACE, delete_tenant
from tenants.management.arguments import add_tenant


class Command(OperatorCommand):
    help = (
        "Delete a tenant: for its people and keys it is gone within a second. Its data stay for "
        f"{GRACE.days} days, in which activate_tenant brings it back; then purge_tenants destroys them."
    )
    examples = ("gift-shop", "gift-shop --yes --json")

    def add_own_arguments(self, parser: CommandParser) -> None:
        add_tenant(parser)
        parser.add_argument("--yes", action="store_true", help="do not ask for the slug")

    def run(self, *, tenant: str, yes: bool, **_: Any) -> dict[str, Any]:
        row = directory.get_model(tenant)
        if not yes and self._answer(f"To delete {row.name}, type its slug: ") != tenant:
            raise DomainError("invalid", "That is not its slug. Nothing was deleted.")
        row = delete_tenant(row, by=actors.of_command())
        return {"slug": row.slug, "status": row.status, "deleted_at": row.deleted_at}

    def _answer(self, question: str) -> str:
        self.stderr.write(question, ending="")  # standard output is for the answer alone
        self.stderr.flush()
        try:
            return input().strip()
        except EOFError as error:
            raise DomainError("invalid", "There is nobody to ask; say --yes. Nothing was deleted.") from error
