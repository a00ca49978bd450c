"""Training a tenant: read events and catalogue → build every table → save → publish by one pointer.

The steps follow one another in `train`; the algorithms are pure and live in `recommendations.algorithms`. One training
of a tenant at a time, held by an advisory lock that ends with the process; what a killed one left is marked failed.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import structlog
from django.db import transaction

from catalog import popularity
from catalog import reading as catalog
from events import reading as events
from recomengine.lib import clock
from recomengine.lib.errors import DomainError
from recomengine.lib.postgres import held
from recommendations import building, modelstore, publishing, runs, versions
from recommendations.building import Progress
from recommendations.models import ModelRun
from tenants import tenancy
from tenants.types import TenantRef

WINDOW: Final = timedelta(days=396)
log = structlog.get_logger(__name__)


def train(tenant: TenantRef, progress: Progress = lambda _: None) -> ModelRun:
    """Train every strategy on what the tenant has sent so far and publish the result.

    `progress` is told what is being done. Raises `training_in_progress` if one is under way. On any other failure the
    run says why and the live version stays.
    """
    with _alone(tenant), tenancy.use(tenant):
        ModelRun.objects.filter(status=ModelRun.Status.RUNNING).update(
            status=ModelRun.Status.FAILED, error="The process that trained it ended.", finished_at=clock.now()
        )
        run = ModelRun.objects.create(version=f"{clock.now():%Y%m%dT%H%M%S%f}")
        try:
            _run(tenant, run, progress)
        except Exception as error:
            run.status, run.error, run.finished_at = (
                ModelRun.Status.FAILED,
                f"{type(error).__name__}: {error}",
                clock.now(),
            )
            run.save()
            log.exception("training failed", tenant=tenant.slug, version=run.version)
            raise
        return run


def _run(tenant: TenantRef, run: ModelRun, progress: Progress) -> None:
    seconds: dict[str, float] = {}
    progress("reading")
    with _stage(run, "reading", seconds):
        data = read(tenant)
        run.events, run.items = data.interactions.num_rows, len(data.items)
        run.data_from, run.data_to = data.span
    with _stage(run, "building", seconds):
        tables, report = building.build(data.items, data.interactions, progress)
    with _stage(run, "saving", seconds):
        modelstore.save(tenant, run.version, tables)
        live = runs.live(tenant)
        modelstore.prune(tenant, live.version if live else run.version)
    with _stage(run, "publishing", seconds):
        publishing.write(tenant, run.version, tables)
        popularity.replace(tenant, building.visitors_of_items(data.items, data.interactions))
    run.report = {**report, "seconds": seconds}
    _finish(tenant, run)


@dataclass(frozen=True)
class Data:
    """What a training reads: the catalogue and the item lines of events."""

    items: list[catalog.ItemContent]
    interactions: pa.Table

    @property
    def span(self) -> tuple[datetime | None, datetime | None]:
        if not self.interactions.num_rows:
            return None, None
        ends: dict[str, Any] = pc.min_max(self.interactions["occurred_at"]).as_py()
        return ends["min"], ends["max"]


def read(tenant: TenantRef) -> Data:
    """The tenant's catalogue and its events of the training window."""
    return Data(catalog.contents(tenant), events.interactions(tenant, clock.now() - WINDOW))


def is_stale(tenant: TenantRef) -> bool:
    """Whether events have come in since the last published training began."""
    run = runs.live(tenant)
    return events.any_since(tenant, run.started_at if run else None)


def _finish(tenant: TenantRef, run: ModelRun) -> None:
    """Record the run as the published one and flip the pointer; if that cannot be flipped, nothing is recorded."""
    with transaction.atomic():
        ModelRun.objects.filter(status=ModelRun.Status.PUBLISHED).update(status=ModelRun.Status.SUPERSEDED)
        run.status, run.stage, run.finished_at = ModelRun.Status.PUBLISHED, "", clock.now()
        run.save()
        versions.flip(tenant, run.version)
    log.info("model published", tenant=tenant.slug, version=run.version, events=run.events, **run.report["seconds"])


@contextmanager
def _stage(run: ModelRun, name: str, seconds: dict[str, float]) -> Iterator[None]:
    """Say which stage the run is in, and how long it took."""
    run.stage = name
    run.save()
    began = time.perf_counter()
    yield
    seconds[name] = round(time.perf_counter() - began, 2)


@contextmanager
def _alone(tenant: TenantRef) -> Iterator[None]:
    """Hold the tenant's training lock for the block; the lock dies with the process."""
    with held(f"train:{tenant.slug}") as is_alone:
        if not is_alone:
            raise DomainError("training_in_progress")
        yield
