"""What the management commands share: refusals said in a sentence, and answers as text or JSON."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from recomengine.lib.errors import DomainError


class OperatorCommand(BaseCommand):
    """A command that makes one domain call. Exit codes: 0 done, 1 refused (the sentence says why), 2 wrong usage."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", dest="as_json", help="answer as JSON on one line")
        self.add_own_arguments(parser)

    def add_own_arguments(self, parser: CommandParser) -> None:
        """The arguments beside `--json`."""

    def handle(self, *_: Any, as_json: bool, **options: Any) -> None:
        try:
            answer = self.run(**options)
        except DomainError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(json.dumps(answer, default=str) if as_json else self.text(answer))

    def run(self, *args: Any, **options: Any) -> Any:
        """Do the work and return what to answer, as JSON-ready data."""
        raise NotImplementedError

    def text(self, answer: Any) -> str:
        """The answer for people: a line per row, or per field."""
        rows = answer if isinstance(answer, list) else [answer]
        return "\n".join("  ".join(f"{name}={value}" for name, value in row.items()) for row in rows)
