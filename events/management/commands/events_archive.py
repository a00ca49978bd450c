"""`manage.py events_archive`: closed months of events into the archive, and back."""

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser

from events import archive, archiving
from recomengine.lib.commands import OperatorCommand
from recomengine.lib.errors import DomainError
from tenants import directory, reports
from tenants.types import TenantRef


class Command(OperatorCommand):
    help = (
        "Write the closed months of a tenant's events, or of all tenants', to Parquet files in the archive "
        "(RECOMENGINE_EVENT_ARCHIVE). What the archive has already is left alone; months to which events came late are "
        "written anew. Trainings read both. Interrupted, it can be run again."
    )
    examples = ("", "gift-shop --drop", "gift-shop --list", "gift-shop --restore 2026-10 --json")

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", nargs="?", metavar="SLUG", help="the tenant's slug (default: all active ones)")
        parser.add_argument(
            "--closed-for", type=int, default=archiving.CLOSED_FOR.days, metavar="DAYS",
            help=f"days since the month's end (default: {archiving.CLOSED_FOR.days})",
        )  # fmt: skip
        parser.add_argument("--drop", action="store_true", help="have the database give up what is verified")
        parser.add_argument("--restore", metavar="MONTH", help="read a month back into the database, e.g. 2026-10")
        parser.add_argument("--list", action="store_true", dest="only_list", help="say what is archived")

    def run(
        self, *, tenant: str | None, closed_for: int, drop: bool, restore: str | None, only_list: bool, **_: Any
    ) -> list[dict[str, Any]]:
        refs = [directory.get(tenant)] if tenant else list(directory.active())
        if not 0 <= closed_for <= 3_660:
            raise DomainError("invalid", "--closed-for is a number of days from 0 to 3660.")
        if restore:
            return [_restored(ref, restore) for ref in refs]
        if only_list:
            return [row for ref in refs for row in _listed(ref)]
        return [row for ref in refs for row in _archived(ref, timedelta(days=closed_for), drop)]


def _archived(tenant: TenantRef, closed_for: timedelta, drop: bool) -> list[dict[str, Any]]:
    done = archiving.archive_closed(tenant, closed_for=closed_for, drop=drop)
    return [
        {
            "tenant": tenant.slug, "month": f"{each.month:%Y-%m}", "rows": each.rows, "outcome": each.outcome,
            "dropped": each.dropped,
        }
        for each in done
    ]  # fmt: skip


def _restored(tenant: TenantRef, month: str) -> dict[str, Any]:
    return {"tenant": tenant.slug, "month": month, "restored": archiving.restore(tenant, reports.month(month))}


def _listed(tenant: TenantRef) -> list[dict[str, Any]]:
    return [
        {
            "tenant": tenant.slug, "month": f"{row.month:%Y-%m}", "rows": row.rows, "archived_at": row.archived_at,
            "dropped_at": row.dropped_at, "file": archive.address(tenant, row),
        }
        for row in archive.months(tenant)
    ]  # fmt: skip
