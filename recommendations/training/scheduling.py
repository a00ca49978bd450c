"""When a tenant is trained by itself: as often as its settings say, if there is something new, and not all at once."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Final

from django.db import transaction

from recomengine.lib import clock
from recomengine.lib.errors import DomainError
from recommendations import queueing, trainings
from recommendations.models import ModelRun
from tenants import audit, directory, tenancy
from tenants.types import Actor, TenantRef

FEW_EVENTS: Final = 1_000
"""A shop that trained on fewer learns from every further one, so it is trained more often."""
OFTEN: Final = timedelta(minutes=5)
FIRST_RETRY: Final = timedelta(minutes=5)
LAST_RETRY: Final = timedelta(days=1)
_LOOKED_AT: Final = 20
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
Status = ModelRun.Status


@dataclass(frozen=True, slots=True)
class Schedule:
    """When the next training by the clock begins, if there is new data then; `next_at` None: only when asked for.

    `failures`: attempts since the last training that reached its end; each doubles the time to the next.
    """

    every: int
    next_at: datetime | None
    has_new_data: bool
    is_under_way: bool
    failures: int


def schedule(tenant: TenantRef) -> Schedule:
    """What is planned for a tenant."""
    runs, is_under_way = _newest(tenant), trainings.is_under_way(tenant)
    failures = max(0, _failures(runs) - is_under_way)
    return Schedule(tenant.training_every, _next_at(tenant, runs), trainings.is_stale(tenant), is_under_way, failures)


def train_now(tenant: TenantRef, *, by: Actor) -> None:
    """Have a worker train as somebody asked; raises `training_in_progress`. If it cannot be queued nothing is noted."""
    with transaction.atomic():
        requested(tenant, by=by)
        queueing.train_later(tenant)


def requested(tenant: TenantRef, *, by: Actor, force: bool = False) -> None:
    """Note in the audit log who asks for a training, before it begins; raises `training_in_progress`."""
    if trainings.is_under_way(tenant):
        raise DomainError("training_in_progress")
    owner = directory.get_model(tenant.slug)
    audit.record(by, "training.requested", ("tenant", tenant.slug), owner, after={"force": True} if force else None)


def is_due(tenant: TenantRef) -> bool:
    """Whether a training by the clock is to begin now."""
    runs = _newest(tenant)
    planned = _next_at(tenant, runs)
    if planned is None or planned > clock.now():
        return False
    is_begun = bool(runs) and runs[0].status == Status.RUNNING
    return not trainings.is_under_way(tenant) if is_begun else trainings.is_stale(tenant)


def is_given_up(tenant: TenantRef) -> bool:
    """Whether a training ended its process again and again, and is not to be tried yet."""
    runs = _newest(tenant)
    return bool(runs) and runs[0].status == Status.RUNNING and _retry_at(runs) > clock.now()


def _newest(tenant: TenantRef) -> list[ModelRun]:
    with tenancy.use(tenant):
        return list(ModelRun.objects.order_by("-id")[:_LOOKED_AT])


def _next_at(tenant: TenantRef, runs: list[ModelRun]) -> datetime | None:
    if not tenant.training_every:
        return None
    if not runs:
        return clock.now()
    if _failures(runs):
        return _retry_at(runs)
    every = timedelta(minutes=tenant.training_every)
    return _slot(tenant, runs[0].started_at, min(every, OFTEN) if runs[0].events < FEW_EVENTS else every)


def _slot(tenant: TenantRef, after: datetime, every: timedelta) -> datetime:
    """The tenant's first turn after a moment; turns of different tenants are spread over the time between two."""
    share = int.from_bytes(blake2b(tenant.slug.encode(), digest_size=4).digest(), "big") / 2**32
    first = _EPOCH + share * every
    turn: datetime = first + ((after - first) // every + 1) * every
    return turn


def _failures(runs: list[ModelRun]) -> int:
    """Attempts since the last run that reached its end; the present one, if a training is under way, among them."""
    failed = 0
    for run in runs:
        if run.status not in (Status.FAILED, Status.RUNNING):
            break
        failed += run.attempts
    return failed


def _retry_at(runs: list[ModelRun]) -> datetime:
    """When a run that did not reach its end is tried again; a killed one at once, the first times."""
    newest, failures = runs[0], _failures(runs)
    if newest.status == Status.RUNNING and failures < trainings.ATTEMPTS:
        return newest.attempted_at
    doubled = FIRST_RETRY * (1 << min(failures - 1, 10))
    return (newest.finished_at or newest.attempted_at) + min(doubled, LAST_RETRY)
