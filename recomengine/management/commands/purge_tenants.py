"""`manage.py purge_tenants`: what deleted shops left behind."""

from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser

from events import archive
from imports import storing
from recomengine.lib.commands import OperatorCommand
from recomengine.lib.errors import DomainError
from recommendations.releases import modelstore
from recommendations.training import workdir
from tenants import actors
from tenants.changing import GRACE, purge_tenant, purgeable
from tenants.types import TenantRef

MAX_DAYS = 36_500


class Command(OperatorCommand):
    help = (
        "Destroy the tenants that were deleted long enough ago: their schemas, keys and memberships, what Redis, "
        "the model store, the store of imports and the archive hold of them. There is no way back but a "
        "backup. Their audit logs stay. Interrupted, it can be run again and goes on."
    )
    examples = ("--dry-run", "", "--grace-days 0 --json")

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--grace-days", type=int, default=GRACE.days, metavar="N",
            help=f"days since the deletion (default: {GRACE.days})",
        )  # fmt: skip
        parser.add_argument("--dry-run", action="store_true", help="name them and destroy nothing")

    def run(self, *, grace_days: int, dry_run: bool, **_: Any) -> list[dict[str, Any]]:
        if not 0 <= grace_days <= MAX_DAYS:
            raise DomainError("invalid", f"--grace-days is a number from 0 to {MAX_DAYS}.")
        found = list(purgeable(timedelta(days=grace_days)).order_by("slug"))
        for tenant in found if not dry_run else []:
            purge_tenant(tenant, _remove_files, by=actors.of_command())
        return [{"slug": each.slug, "deleted_at": each.deleted_at, "purged": not dry_run} for each in found]


def _remove_files(tenant: TenantRef) -> None:
    modelstore.remove(tenant)
    workdir.remove(tenant)
    storing.remove(tenant)
    archive.remove(tenant)
