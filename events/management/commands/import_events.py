"""`manage.py import_events`: events of the past into a tenant's store, now."""

from argparse import ArgumentTypeError
from typing import Any

import msgspec
from django.core.management.base import CommandParser

from events.importing import running
from events.importing.requests import get, request
from events.importing.types import Format, NewImport
from events.models import Import
from imports.commands import ImportCommand, requested
from tenants import actors, directory
from tenants.types import TenantRef

_COUNTS = ("rows", "events", "stored", "duplicates", "rejected", "error_code", "error")


def mapping(text: str) -> dict[str, str]:
    try:
        found: dict[str, str] = msgspec.json.decode(text, type=dict[str, str])
    except msgspec.MsgspecError as error:
        raise ArgumentTypeError(f'it is JSON like {{"who": "user_id"}}: {error}') from error
    return found


class Command(ImportCommand):
    help = (
        "Import events of the past from a file, in this process, and say how far it is. Imports of the tenant that "
        "wait or were interrupted come first. Interrupted, this one is gone on with by a worker."
    )
    examples = (
        "gift-shop orders.csv --type purchase --timezone Europe/London",
        "gift-shop events.jsonl.gz --json",
    )

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="the tenant's slug")
        parser.add_argument("file", metavar="FILE", help="CSV or JSON Lines, gzipped or not")
        parser.add_argument("--format", type=Format, choices=list(Format), help="(default: found out from the file)")
        parser.add_argument("--type", default="", help="the type of rows that have none, e.g. purchase")
        parser.add_argument("--timezone", default="UTC", help="that of instants without an offset (default: UTC)")
        parser.add_argument("--date-format", default="", help="as of strptime (default: ISO 8601 and Unix times)")
        parser.add_argument("--mapping", type=mapping, default={}, metavar="JSON", help="the fields of other columns")

    def run(self, *, tenant: str, file: str, verbosity: int, **options: Any) -> dict[str, Any]:
        ref = directory.get(tenant)
        chosen = {name: options[name] for name in ("format", "type", "timezone", "date_format", "mapping")}
        number = _requested(ref, file, chosen).pk
        row = self.follow(lambda told: running.run_pending(ref, told), lambda: get(ref, number), verbosity=verbosity)
        return {"id": row.pk, "status": row.status} | {name: getattr(row, name) for name in _COUNTS}


def _requested(tenant: TenantRef, file: str, chosen: dict[str, Any]) -> Import:
    by = actors.of_command()
    return requested(file, lambda name, parts: request(tenant, NewImport(filename=name, **chosen), parts, by=by))
