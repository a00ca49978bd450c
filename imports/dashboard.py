"""What the dashboard's pages of all kinds of imports show alike."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

from imports import requesting
from imports.kinds import Kind
from imports.models import Import, R
from recomengine.lib import clock
from recomengine.lib.errors import DomainError
from tenants import tenancy
from tenants.dashboard import PageRequest, Shop

ROWS: Final = 30
ERRORS: Final = 50


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


def history_page(
    request: PageRequest, shop: Shop, template: str, rows: "QuerySet[R]", shown: Callable[[R], Run]
) -> HttpResponse:
    """The newest of the imports; `?before=` an id for those before it."""
    last = before(request.GET.get("before", ""))
    with tenancy.use(shop.tenant):
        found = list(map(shown, (rows if last is None else rows.filter(pk__lt=last))[: ROWS + 1]))
    older = found[ROWS - 1].row.pk if len(found) > ROWS else None
    return render(request, template, {"shop": shop, "runs": found[:ROWS], "older": older})


def run_page(
    request: PageRequest, shop: Shop, templates: str, *, kind: Kind[R], import_id: int, shown: Callable[[R], Run]
) -> HttpResponse:
    """How far an import is and, when it is over, its report; htmx asks again every second until then.

    `templates` is the directory of `import_run.html` and, for htmx, `import_progress.html`.
    """
    with tenancy.use(shop.tenant):
        run = shown(requesting.get(kind, shop.tenant, import_id))
        errors = list(requesting.rejected(kind, shop.tenant, import_id)[:ERRORS]) if run.row.rejected else []
    part = bool(request.htmx) and not request.htmx.history_restore_request
    template = f"{templates}/import_{'progress' if part else 'run'}.html"
    response = render(request, template, {"shop": shop, "run": run, "title": run.title, "errors": errors, "part": part})
    patch_vary_headers(response, ["HX-Request"])
    return response


def counts_of(row: Import, *names: str) -> list[tuple[str, int]]:
    """What became of an import's rows, to show."""
    return [(name.capitalize(), getattr(row, name)) for name in names]


def tried(request: PageRequest, change: Callable[[], object]) -> bool:
    """Make a change, or say on the next page why it cannot be; returns whether it was made. Raises `not_found`."""
    try:
        change()
    except DomainError as error:
        if error.code == "not_found":
            raise
        messages.error(request, str(error))
        return False
    return True


def before(text: str) -> int | None:
    """The id after which an older page begins, if the address names one."""
    return min(int(text[:19]), 2**63 - 1) if text.isascii() and text.isdigit() else None
