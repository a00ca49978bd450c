"""`manage.py export_catalogue`: a tenant's catalogue as a file."""

from pathlib import Path
from typing import Any, BinaryIO

from django.core.management.base import CommandParser

from catalog import exporting
from catalog.feeds.types import Format
from recomengine.lib.commands import OperatorCommand
from recomengine.lib.errors import DomainError
from recomengine.lib.feeds import pieces
from tenants import directory


class Command(OperatorCommand):
    help = "Write a tenant's catalogue to a file; importing that gives the same items."
    examples = ("gift-shop --to items.csv", "gift-shop --format merchant_xml --to feed.xml.gz --gzip")

    def add_own_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="the tenant's slug")
        parser.add_argument("--format", type=Format, choices=list(Format), default=Format.CSV, help="(default: csv)")
        parser.add_argument("--to", required=True, metavar="FILE", help="the file to write")
        parser.add_argument("--gzip", action="store_true", help="packed")

    def run(self, *, tenant: str, format: Format, to: str, gzip: bool, **_: Any) -> dict[str, Any]:
        ref = directory.get(tenant)
        parts = exporting.export(ref, format)
        parts = pieces.gzipped(parts) if gzip else parts
        try:
            with Path(to).open("wb") as file:
                return {"file": to, "format": format, "bytes": _written(parts, file)}
        except OSError as error:
            raise DomainError("invalid", f"{to} cannot be written: {error.strerror}.") from error


def _written(parts: Any, file: BinaryIO) -> int:
    return sum(file.write(part) for part in parts)
