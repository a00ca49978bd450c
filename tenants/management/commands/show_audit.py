"""`manage.py show_audit`: the audit log."""

from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser

from recomengine.lib.commands import OperatorCommand, moment
from tenants import audit, directory, reports

LIMIT = 100


class Command(OperatorCommand):
    help = "Show the audit log, newest first: who did what to which object, from where, before and after."
    examples = (
        "--tenant gift-shop",
        "--actor ann@shop.example --since 2026-11-01",
        "--action api_key. --limit 1000 --json",
    )

    json_help = "answer as JSON, an entry a line, refusals too"

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", metavar="SLUG", help="only its entries")
        parser.add_argument("--actor", default="", metavar="TEXT", help="part of an address, a key's id, an account")
        parser.add_argument("--action", default="", metavar="TEXT", help="how the action begins, e.g. tenant.")
        parser.add_argument("--object", default="", metavar="TEXT", help="part of the object's id")
        parser.add_argument("--since", type=moment, metavar="MOMENT", help="ISO 8601, UTC unless it says otherwise")
        parser.add_argument("--until", type=moment, metavar="MOMENT", help="the first moment that is not shown")
        parser.add_argument("--limit", type=int, default=LIMIT, metavar="N", help=f"at most so many (default: {LIMIT})")

    def run(
        self, *, tenant: str | None, actor: str, action: str, object: str, since: datetime | None,
        until: datetime | None, limit: int, **_: Any,
    ) -> list[dict[str, Any]]:  # fmt: skip
        row = directory.get_model(tenant) if tenant else None
        found = audit.entries(row, actor=actor, action=action, subject=object, since=since, until=until)
        return [reports.audit_row(entry) for entry in found[: max(limit, 0)]]

    def json_text(self, answer: Any) -> str:
        return "\n".join(super(Command, self).json_text(entry) for entry in answer)
