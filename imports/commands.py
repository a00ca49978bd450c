"""What the commands that import have in common: reading a file, waiting for its import, saying how far it is."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

from imports.following import followed
from imports.models import Import, R
from recomengine.lib.commands import OperatorCommand
from recomengine.lib.errors import DomainError

T = TypeVar("T")
_CHUNK: Final = 1024 * 1024


class ImportCommand(OperatorCommand):
    """A command that asks for an import and runs it in its own process."""

    def follow(self, run: Callable[[Callable[[R], None]], None], get: Callable[[], R], *, verbosity: int) -> R:
        """Run what waits until the import is over, and say how far it is."""
        return followed(run, get, self._tell if verbosity else lambda _: None)

    def complaint(self, answer: Any) -> str:
        failed = answer["status"] != Import.Status.COMPLETED
        return f"The import is {answer['status']}. {answer['error']}".strip() if failed else ""

    def _tell(self, row: Import) -> None:
        share = f" ({row.share:.0%})" if row.share is not None else ""
        self.stderr.write(f"import {row.pk}: {row.rows:,} rows{share}, {row.rejected:,} rejected")


def requested(file: str, ask: Callable[[str, Iterator[bytes]], T]) -> T:
    """What is asked with a file's name and contents, piece by piece; `invalid` if it cannot be read."""
    path = Path(file)
    try:
        with path.open("rb") as opened:
            return ask(path.name, iter(lambda: opened.read(_CHUNK), b""))
    except OSError as error:
        raise DomainError("invalid", f"{file} cannot be read: {error.strerror}.") from error
