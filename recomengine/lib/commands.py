"""What management commands share: help that reads well, refusals said in a sentence, answers as text or JSON."""

import argparse
import json
from argparse import ArgumentTypeError
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, NoReturn

from django.core.management.base import BaseCommand, CommandError, CommandParser, DjangoHelpFormatter
from django.db import OperationalError
from redis.exceptions import RedisError

from recomengine.lib.errors import CODES, DomainError
from recomengine.lib.fields import check_instant

EXIT_CODES: Final = """
Exit codes:
  0  done
  1  refused, and why: a sentence on standard error; with --json
     {"error": {"code": "...", "detail": "..."}} on standard output
  2  wrong usage: of the arguments, said on standard error
"""


class Layout(argparse.RawDescriptionHelpFormatter, DjangoHelpFormatter):
    """Django's order of arguments; what has line breaks of its own, as the examples, keeps them."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        keeps = argparse.RawDescriptionHelpFormatter if "\n" in text else argparse.HelpFormatter
        return keeps._fill_text(self, text, width, indent)


class OperatorCommand(BaseCommand):
    """A command that makes one domain call. Exit codes: 0 done, 1 refused (the sentence says why), 2 wrong usage.

    `examples` are the arguments of calls that its help shows.
    """

    examples: ClassVar[Sequence[str]] = ()
    json_help: ClassVar[str] = "answer as JSON, refusals too"
    suppressed_base_arguments = {
        "--version", "--verbosity", "--settings", "--pythonpath", "--traceback", "--no-color", "--force-color"
    }  # fmt: skip

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        calls = [f"  manage.py {subcommand} {each}".rstrip() for each in self.examples]
        epilog = "\n".join(["Examples:", *calls, EXIT_CODES.rstrip()])
        return super().create_parser(prog_name, subcommand, formatter_class=Layout, epilog=epilog, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        for action in parser._actions:
            if "--skip-checks" in action.option_strings:
                action.help = argparse.SUPPRESS
        parser.add_argument("--json", action="store_true", dest="as_json", help=self.json_help)
        self.add_own_arguments(parser)

    def add_own_arguments(self, parser: CommandParser) -> None:
        """The arguments beside `--json`."""

    def handle(self, *_: Any, as_json: bool, verbosity: int, **options: Any) -> None:
        try:
            answer = self.run(verbosity=verbosity, **options)
        except (DomainError, OperationalError, RedisError) as error:
            self._refuse(error, as_json)
        if as_json or verbosity:
            self.stdout.write(self.json_text(answer) if as_json else self.text(answer))
        if complaint := self.complaint(answer):
            raise CommandError(complaint)

    def _refuse(self, error: Exception, as_json: bool) -> NoReturn:
        code, detail = refusal(error)
        if not as_json:
            raise CommandError(detail) from error
        self.stdout.write(json.dumps({"error": {"code": code, "detail": detail}}))
        raise SystemExit(1) from error

    def run(self, *args: Any, **options: Any) -> Any:
        """Do the work and return what to answer, as JSON-ready data."""
        raise NotImplementedError

    def json_text(self, answer: Any) -> str:
        """The answer for programs: one line."""
        return json.dumps(answer, default=plain)

    def text(self, answer: Any) -> str:
        """The answer for people: a table, or a line per field."""
        return table(answer) if isinstance(answer, list) else fields(answer)

    def complaint(self, answer: Any) -> str:
        """What is wrong although there is an answer: said after it, with exit code 1."""
        return ""


def refusal(error: Exception) -> tuple[str, str]:
    """The code of an error and the sentence for it; servers that are away are refusals too."""
    if isinstance(error, DomainError):
        wrong = " ".join(f"{each['pointer'].strip('/')}: {each['message']}" for each in error.errors)
        return error.code, error.detail or wrong or CODES[error.code][1]
    server = "PostgreSQL" if isinstance(error, OperationalError) else "Redis"
    return "store_unavailable", f"{server} does not answer: {' '.join(str(error).split())}"


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows in aligned columns under their names; a sentence if there are none."""
    if not rows:
        return "There are none."
    lines = [list(rows[0]), *([cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def fields(answer: Mapping[str, Any]) -> str:
    """A line for each field; those of a part are named `part.field`."""
    flat: dict[str, Any] = {}
    for name, value in answer.items():
        parts = value if isinstance(value, Mapping) else {"": value}
        flat |= {f"{name}.{part}".rstrip("."): each for part, each in parts.items()}
    width = max(map(len, flat), default=0) + 1
    return "\n".join(f"{name + ':':<{width}}  {cell(value)}".rstrip() for name, value in flat.items())


def cell(value: Any) -> str:
    """A value on one line: moments to the second, lists with commas, nothing as a hyphen."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(cell, value)) or "-"
    return "-" if value is None or value == "" else str(value)


def plain(value: Any) -> str:
    """What JSON has no type for: moments and days as in the API, anything else as it reads."""
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def moment(text: str) -> datetime:
    """An argument that is a moment in ISO 8601; UTC unless it says otherwise."""
    try:
        found = datetime.fromisoformat(text)
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
        check_instant("it", found)
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no moment; write 2026-11-30 or 2026-11-30T12:00:00+01:00") from error
    return found
