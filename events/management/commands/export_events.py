"""`manage.py export_events`: a tenant's stored events as a file."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from events import exporting, listing
from events.exporting import Format
from recomengine.lib.commands import OperatorCommand
from recomengine.lib.errors import DomainError
from recomengine.lib.feeds.pieces import gzipped
from tenants import directory


class Command(OperatorCommand):
    help = "Write a tenant's stored events to a file; importing CSV or JSON Lines stores the same events, none twice."
    examples = (
        "gift-shop --to events.csv",
        "gift-shop --format parquet --to orders.parquet --where type=purchase from=2026-01-01T00:00:00Z",
    )

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="the tenant's slug")
        parser.add_argument("--format", type=Format, choices=list(Format), default=Format.CSV, help="(default: csv)")
        parser.add_argument("--to", required=True, metavar="FILE", help="the file to write")
        parser.add_argument("--gzip", action="store_true", help="packed")
        parser.add_argument(
            "--where", nargs="+", default=[], metavar="NAME=VALUE", help="only these: " + ", ".join(listing.PARAMETERS)
        )

    def run(
        self, *, tenant: str, format: Format, to: str, gzip: bool, where: list[str], **_: Any
    ) -> dict[str, Any]:  # fmt: skip
        ref = directory.get(tenant)
        wanted = listing.parse(dict(_pair(each) for each in where))
        parts = exporting.export(ref, wanted, format)
        parts = gzipped(parts) if gzip else parts
        try:
            with Path(to).open("wb") as file:
                return {"file": to, "format": format, "bytes": sum(file.write(part) for part in parts)}
        except OSError as error:
            raise DomainError("invalid", f"{to} cannot be written: {error.strerror}.") from error


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise DomainError("invalid", f"`--where` takes NAME=VALUE, not {text!r}.")
    return name, value
