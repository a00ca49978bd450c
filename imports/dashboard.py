"""What the dashboard's pages of all kinds of imports show alike."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages

from imports.models import Import
from recomengine.lib import clock
from recomengine.lib.errors import DomainError
from tenants.dashboard import PageRequest


@dataclass(frozen=True, slots=True)
class Run:
    """An import as the pages show it."""

    row: Any
    title: str
    about: str
    counts: list[tuple[str, int]]

    @property
    def is_active(self) -> bool:
        return not self.row.is_over

    @property
    def may_resume(self) -> bool:
        return self.row.status in {Import.Status.CANCELLED, Import.Status.FAILED}

    @property
    def seconds(self) -> float | None:
        """How long it has been at work."""
        row = self.row
        return ((row.finished_at or clock.now()) - row.started_at).total_seconds() if row.started_at else None

    @property
    def percent(self) -> float:
        return round(100 * (self.row.share or 0.0), 1)

    @property
    def rate(self) -> int:
        """Rows a second, so far."""
        return round(self.row.rows / self.seconds) if self.seconds and self.row.rows else 0


def counts_of(row: Import, *names: str) -> list[tuple[str, int]]:
    """What became of an import's rows, to show."""
    return [(name.capitalize(), getattr(row, name)) for name in names]


def tried(request: PageRequest, change: Callable[[], object]) -> None:
    """Change an import, or say on the next page why it cannot be; raises `not_found`."""
    try:
        change()
    except DomainError as error:
        if error.code == "not_found":
            raise
        messages.error(request, str(error))


def before(text: str) -> int | None:
    """The id after which an older page begins, if the address names one."""
    return min(int(text[:19]), 2**63 - 1) if text.isascii() and text.isdigit() else None
