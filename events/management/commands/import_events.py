"""`manage.py import_events`: events of the past into a tenant's store, now."""

from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

import msgspec
from django.core.management.base import CommandParser

from events.importing import running
from events.importing.requests import get, request
from events.importing.types import Format, NewImport
from events.models import Import
from imports.following import followed
from recomengine.lib.commands import OperatorCommand
from recomengine.lib.errors import DomainError
from tenants import actors, directory
from tenants.types import TenantRef

_CHUNK = 1024 * 1024
_COUNTS = ("rows", "events", "stored", "duplicates", "rejected", "error_code", "error")


def mapping(text: str) -> dict[str, str]:
    try:
        found: dict[str, str] = msgspec.json.decode(text, type=dict[str, str])
    except msgspec.MsgspecError as error:
        raise ArgumentTypeError(f'it is JSON like {{"who": "user_id"}}: {error}') from error
    return found


class Command(OperatorCommand):
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
        row = followed(
            lambda progress: running.run_pending(ref, progress), lambda: get(ref, number),
            self._tell if verbosity else lambda _: None,
        )  # fmt: skip
        return {"id": row.pk, "status": row.status} | {name: getattr(row, name) for name in _COUNTS}

    def complaint(self, answer: Any) -> str:
        failed = answer["status"] != Import.Status.COMPLETED
        return f"The import is {answer['status']}. {answer['error']}".strip() if failed else ""

    def _tell(self, row: Import) -> None:
        share = f" ({row.share:.0%})" if row.share is not None else ""
        self.stderr.write(f"import {row.pk}: {row.rows:,} rows{share}, {row.rejected:,} rejected")


def _requested(tenant: TenantRef, file: str, chosen: dict[str, Any]) -> Import:
    path = Path(file)
    try:
        with path.open("rb") as opened:
            chunks = iter(lambda: opened.read(_CHUNK), b"")
            return request(tenant, NewImport(filename=path.name, **chosen), chunks, by=actors.of_command())
    except OSError as error:
        raise DomainError("invalid", f"{file} cannot be read: {error.strerror}.") from error
