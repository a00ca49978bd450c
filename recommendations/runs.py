"""What is known of past trainings."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from recommendations import reports
from recommendations.models import ModelRun
from tenants import tenancy
from tenants.types import TenantRef

TITLES: Final[Mapping[str, str]] = {
    "coview": "Seen together in a visit",
    "baskets": "Bought together, product page",
    "carts": "Bought together, cart",
    "similar": "Similar in content",
    "lists": "Popular",
    "repurchases": "Bought again",
}


class Built(NamedTuple):
    """A table of a model: so many lists of recommendations, of so many entries together."""

    title: str
    lists: int
    entries: int


@dataclass(frozen=True, slots=True)
class Run:
    """One training: when it ran, what it read and built, and in a sentence how good that is, if it was measured."""

    version: str
    status: str
    stage: str
    started_at: datetime
    finished_at: datetime | None
    data_from: datetime | None
    data_to: datetime | None
    events: int
    items: int
    error: str
    progress: int  # percent
    doing: str
    reason: str  # of the gate's decision, in words
    built: list[Built]
    headline: str

    @property
    def seconds(self) -> float | None:
        return (self.finished_at - self.started_at).total_seconds() if self.finished_at else None


def last(tenant: TenantRef) -> Run | None:
    """The training that was started last, whatever became of it."""
    with tenancy.use(tenant):
        run = ModelRun.objects.order_by("-id").first()
    return _run(run) if run else None


def live(tenant: TenantRef) -> Run | None:
    """The training whose model is published."""
    with tenancy.use(tenant):
        run = ModelRun.objects.filter(status=ModelRun.Status.PUBLISHED).order_by("-id").first()
    return _run(run) if run else None


def built(report: dict[str, Any]) -> list[Built]:
    """The tables of a model, from the report of its building."""
    tables: dict[str, dict[str, int]] = report.get("tables", {})
    return [Built(TITLES.get(name, name), table["lists"], table["entries"]) for name, table in tables.items()]


def _run(run: ModelRun) -> Run:
    return Run(
        run.version, run.status, run.stage, run.started_at, run.finished_at, run.data_from, run.data_to, run.events,
        run.items, run.error, run.progress, run.doing, (run.decision or {}).get("text", ""), built(run.report),
        reports.headline(run.quality),
    )  # fmt: skip
