"""`manage.py import_catalogue`: a feed into a tenant's catalogue, now."""

from argparse import ArgumentTypeError
from typing import Any

import msgspec
from django.core.management.base import CommandParser

from catalog.feeds.types import Format, Mapping
from catalog.importing import running
from catalog.importing.requests import get, request
from catalog.importing.types import MAX_SHARE, NewImport
from catalog.models import Import, Mode
from imports.commands import ImportCommand, requested
from tenants import actors, directory
from tenants.types import TenantRef


def mapping(text: str) -> Mapping:
    try:
        found: Mapping = msgspec.json.decode(text, type=Mapping)
    except msgspec.MsgspecError as error:
        raise ArgumentTypeError(f'it is JSON like {{"Name": {{"field": "title"}}}}: {error}') from error
    return found


class Command(ImportCommand):
    help = (
        "Import a feed into a tenant's catalogue, in this process, and say how far it is. Imports of the tenant that "
        "wait or were interrupted come first. Interrupted, this one is gone on with by a worker."
    )
    examples = (
        "gift-shop items.csv",
        "gift-shop https://shop.example/feed.xml --mode replace",
        "gift-shop f.gz --json",
    )

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="the tenant's slug")
        parser.add_argument("feed", metavar="FILE|URL", help="a file, gzipped or not, or where it is fetched")
        parser.add_argument("--format", type=Format, choices=list(Format), help="(default: found out from the file)")
        parser.add_argument("--mode", choices=Mode.values, help="replace deletes what the feed does not hold")
        parser.add_argument("--mapping", type=mapping, metavar="JSON", help="where columns go that go elsewhere")
        parser.add_argument("--source", metavar="KEY", help="the source whose format, mode and mapping are used")
        parser.add_argument(
            "--max-deleted-share", type=float, default=MAX_SHARE, metavar="SHARE",
            help=f"the part of the catalogue that may be deleted unasked, 0 to 1 (default: {MAX_SHARE})",
        )  # fmt: skip

    def run(self, *, tenant: str, feed: str, verbosity: int, **options: Any) -> dict[str, Any]:
        ref = directory.get(tenant)
        names = ("format", "mode", "mapping", "source", "max_deleted_share")
        chosen = {name: options[name] for name in names}
        row = _requested(ref, feed, chosen)
        number = row.pk
        row = self.follow(lambda told: running.run_pending(ref, told), lambda: get(ref, number), verbosity=verbosity)
        return {
            "id": row.pk, "status": row.status, "rows": row.rows, "created": row.created, "updated": row.updated,
            "unchanged": row.unchanged, "rejected": row.rejected, "deleted": row.deleted,
            "error_code": row.error_code, "error": row.error,
        }  # fmt: skip


def _requested(tenant: TenantRef, feed: str, chosen: dict[str, Any]) -> Import:
    by = actors.of_command()
    if feed.startswith(("http://", "https://")):
        return request(tenant, NewImport(url=feed, **chosen), by=by)
    return requested(feed, lambda name, parts: request(tenant, NewImport(filename=name, **chosen), parts, by=by))
