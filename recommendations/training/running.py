"""Training a tenant: stage after stage, each with its result on disk, until a version is published or held back.

One training of a tenant at a time, held by an advisory lock that ends with the process. A run that was killed, or that
failed, is gone on with by the next training, at the first stage that is not complete, as long as it is young.
"""

import errno
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError

from recomengine.lib import clock
from recomengine.lib.errors import DomainError
from recomengine.lib.postgres import held
from recommendations import trainings
from recommendations.models import ModelRun
from recommendations.releases import releasing
from recommendations.releases.publishing import RedisFull
from recommendations.training import workdir
from recommendations.training.building import Progress
from recommendations.training.stages import STAGES, Training
from tenants import tenancy
from tenants.types import TenantRef

RESUMABLE: Final = timedelta(hours=1)
"""How old what was read may be for a run to be gone on with."""
Status = ModelRun.Status
log = structlog.get_logger(__name__)


class Overtaken(Exception):
    """Another process has taken the run over; this one's lock was lost, with the database's connection."""


def train(
    tenant: TenantRef, progress: Progress = lambda _: None, *, by_clock: bool = False, force: bool = False
) -> ModelRun:
    """Train every strategy on what the tenant has sent so far; publish it, or hold it back and say why.

    `progress` is told what is being done. `by_clock`: nobody asked, so that a version somebody went back to stays.
    `force`: publish even what the gate would hold back. Raises `training_in_progress` if one is under way. On any other
    failure the run says why and the live version stays.
    """
    with _alone(tenant), tenancy.use(tenant):
        workdir.sweep()
        run = _taken_over(tenant) or ModelRun.objects.create(version=f"{clock.now():%Y%m%dT%H%M%S%f}")
        training = Training(tenant, run, workdir.of(tenant, run.version, run.attempts), progress)
        try:
            _run(training, by_clock=by_clock, force=force)
        except Exception as error:
            _fail(training, error)
            raise
        training.work.remove()
        return run


def _taken_over(tenant: TenantRef) -> ModelRun | None:
    """The run that is not at its end, if it can be gone on with; what is too old for that is marked failed."""
    run = ModelRun.objects.order_by("-id").first()
    left = ModelRun.objects.filter(status=Status.RUNNING)
    if run is not None and run.status in (Status.RUNNING, Status.FAILED) and _is_resumable(tenant, run):
        left = left.exclude(pk=run.pk)
        run.status, run.error, run.finished_at = Status.RUNNING, "", None
        run.attempts, run.attempted_at = run.attempts + 1, clock.now()
        run.save()
        log.info("training gone on with", tenant=tenant.slug, version=run.version, attempt=run.attempts)
    else:
        run = None
    for each in left:
        workdir.of(tenant, each.version).remove()
    left.update(status=Status.FAILED, error="The process that trained it ended.", finished_at=clock.now())
    return run


def _is_resumable(tenant: TenantRef, run: ModelRun) -> bool:
    is_young = clock.now() - run.started_at < RESUMABLE
    return is_young and run.attempts < trainings.ATTEMPTS and workdir.of(tenant, run.version).has("reading")


def _run(training: Training, *, by_clock: bool, force: bool) -> None:
    for done, name in enumerate(STAGES):
        if name == "publishing":
            training.run.decision = _decided(training, by_clock=by_clock, force=force)
            if not training.run.decision["publish"]:
                return _hold_back(training)
        if name == "publishing" or not training.work.has(name):  # Redis may have lost what was written there
            _record(training, stage=name, doing="", progress=round(100 * done / len(STAGES)))
            _do(training, name)
    return _publish(training, by_clock=by_clock, force=force)


def _do(training: Training, name: str) -> None:
    """One stage: what it found goes into the run's row before its folder says that it is complete."""
    training.progress(name)
    began = time.perf_counter()
    with training.work.writing(name) as folder:
        STAGES[name](_told(training), folder)
        training.run.seconds[name] = round(time.perf_counter() - began, 2)
        _record(training)


def _told(training: Training) -> Training:
    """The same, with the table that is being built noted in the run's row as well."""

    def progress(doing: str) -> None:
        training.progress(doing)
        _record(training, doing=doing)

    return Training(training.tenant, training.run, training.work, progress)


_STAGES_WRITE: Final = (
    "stage", "doing", "progress", "events", "items", "data_from", "data_to", "split_at", "quality", "parameters",
    "decision", "seconds", "report",
)  # fmt: skip


def _record(training: Training, **changes: Any) -> None:
    """Write what is known of the run; raises Overtaken if it is no longer this process's."""
    run = training.run
    for name, value in changes.items():
        setattr(run, name, value)
    values = {name: getattr(run, name) for name in _STAGES_WRITE}
    if not _mine(run).update(**values):
        raise Overtaken(f"Version {run.version} is trained by another process by now.")


def _mine(run: ModelRun) -> Any:
    return ModelRun.objects.filter(pk=run.pk, status=Status.RUNNING, attempts=run.attempts)


def _decided(training: Training, *, by_clock: bool, force: bool) -> dict[str, Any]:
    """The gate's decision, unless people decided something else about what is live."""
    decision: dict[str, Any] = training.run.decision
    live = releasing.live_run()
    if force:
        return {**decision, "publish": True}
    if by_clock and live is not None and live.is_pinned:
        text = (
            f"Not published: somebody went back to version {live.version}, so trainings by the clock publish nothing "
            "until a person publishes a version or asks for a training."
        )
        return {**decision, "publish": False, "code": "pinned", "text": text}
    if decision["live"] != (live and live.version):
        text = "Not published: the live version was changed by hand meanwhile, so the two were not compared."
        return {**decision, "publish": False, "code": "live_changed", "text": text}
    return decision


def _hold_back(training: Training) -> None:
    run = training.run
    run.status, run.finished_at = Status.HELD_BACK, clock.now()
    _record(training, stage="", doing="", progress=100)
    _mine(run).update(status=run.status, finished_at=run.finished_at)
    log.warning("model held back", tenant=training.tenant.slug, version=run.version, reason=run.decision["text"])


def _publish(training: Training, *, by_clock: bool, force: bool) -> None:
    """Record the run as the published one and flip the pointer, if nobody changed what is live since the decision."""
    run = training.run
    with releasing.one_at_a_time(training.tenant):
        run.decision = _decided(training, by_clock=by_clock, force=force)
        if not run.decision["publish"]:
            return _hold_back(training)
        _record(training)
        releasing.release(training.tenant, run)
    return None


def _fail(training: Training, error: Exception) -> None:
    """Say in the run's row why it failed; while the database is away the next training finds it as if it was killed."""
    run = training.run
    log.exception("training failed", tenant=training.tenant.slug, version=run.version, stage=run.stage)
    if _is_full(error):
        training.work.remove()  # it would keep every other training from working
    try:
        _mine(run).update(status=Status.FAILED, error=_sentence(error), finished_at=clock.now(), seconds=run.seconds)
    except (OperationalError, InterfaceError):
        log.warning("failure not recorded", tenant=training.tenant.slug, version=run.version)
    run.status = Status.FAILED


def _is_full(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def _sentence(error: Exception) -> str:
    if isinstance(error, RedisFull | DomainError):
        return str(error)
    if _is_full(error):
        return f"The disk is full on which trainings work ({Path(settings.TRAINING_DIR)}); make room there. {error}"
    return f"{type(error).__name__}: {error}"


@contextmanager
def _alone(tenant: TenantRef) -> Iterator[None]:
    """Hold the tenant's training lock for the block; the lock dies with the process."""
    with held(trainings.lock(tenant)) as is_alone:
        if not is_alone:
            raise DomainError("training_in_progress")
        yield
