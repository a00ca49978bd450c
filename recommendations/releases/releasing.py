"""Which of the versions that were built is the live one: the gate's word, and what people decide over its head.

A release is one transaction and one flip of the pointer in Redis. Those of a tenant come one after the other.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Final

import structlog
from django.db import transaction
from redis.exceptions import RedisError

from recomengine.lib import clock
from recomengine.lib.errors import DomainError
from recomengine.lib.postgres import lock_until_commit, one
from recommendations import queueing
from recommendations.models import ModelRun
from recommendations.releases import modelstore, publishing, versions
from recommendations.releases.modelstore import Model
from tenants import audit, directory, tenancy
from tenants.types import Actor, TenantRef

Status = ModelRun.Status
RELEASABLE: Final = (Status.HELD_BACK, Status.SUPERSEDED, Status.ROLLED_BACK)
LOOKED_BACK: Final = 10  # versions that may still lie in Redis
log = structlog.get_logger(__name__)


@contextmanager
def one_at_a_time(tenant: TenantRef) -> Iterator[None]:
    """A transaction in which nobody else changes which of the tenant's versions is live."""
    with transaction.atomic():
        lock_until_commit(f"release:{tenant.slug}")
        yield


def live_run() -> ModelRun | None:
    """The published run of the tenant in use."""
    return ModelRun.objects.filter(status=Status.PUBLISHED).order_by("-id").first()


def previous_run() -> ModelRun | None:
    """The run of the tenant in use that was live before the present one and was not itself taken back."""
    return ModelRun.objects.filter(status=Status.SUPERSEDED).order_by("-published_at", "-id").first()


def release(tenant: TenantRef, run: ModelRun, *, former: Status = Status.SUPERSEDED, pin: bool = False) -> None:
    """Make a run of the tenant in use the live one, inside `one_at_a_time`; its tables are in Redis already.

    If the pointer cannot be flipped, nothing is recorded. `former` is what the live one becomes.
    """
    ModelRun.objects.filter(status=Status.PUBLISHED).exclude(pk=run.pk).update(status=former, is_pinned=False)
    run.status, run.published_at, run.is_pinned = Status.PUBLISHED, clock.now(), pin
    run.stage, run.doing, run.progress = "", "", 100
    run.finished_at = run.finished_at or run.published_at
    run.save()
    versions.flip(tenant, run.version)
    _free_superseded(tenant, run)
    transaction.on_commit(lambda: queueing.relate_later(tenant))  # what came in since the training read the catalogue
    log.info("model published", tenant=tenant.slug, version=run.version, events=run.events)


def _free_superseded(tenant: TenantRef, run: ModelRun) -> None:
    """Take from Redis the versions that were superseded a while ago.

    They have an end, but among millions of visitors' keys that have one Redis may not come to it for hours.
    """
    rows = ModelRun.objects.filter(published_at__isnull=False).exclude(pk=run.pk).order_by("-published_at")
    before = list(rows.values_list("version", "published_at")[:LOOKED_BACK])
    try:
        for (_, superseded_at), (version, _) in pairwise(before):
            if superseded_at is not None and superseded_at < clock.now() - versions.SUPERSEDED_KEPT:
                versions.discard(tenant, version)
    except RedisError as error:  # the pointer is flipped, so what is published has to be recorded
        log.warning("superseded versions stay until they end", tenant=tenant.slug, error=str(error))


def found(tenant: TenantRef, version: str) -> ModelRun:
    """The run of that version; raises `not_found`."""
    with tenancy.use(tenant):
        return _found(version)


def publish(tenant: TenantRef, version: str, *, by: Actor) -> ModelRun:
    """Make a version live that was built before: one held back, taken back or superseded.

    Trainings publish again by themselves afterwards. Raises `not_found`; `conflict` if it is live or was never built,
    or its tables are not kept any more; `model_store_unavailable`.
    """
    run = found(tenant, version)
    if run.status not in RELEASABLE:
        raise DomainError("conflict", f"Version {version} is {run.status}, so it cannot be published.")
    return _release_by_hand(tenant, run, by, "model.published")


def roll_back(tenant: TenantRef, version: str | None = None, *, by: Actor) -> ModelRun:
    """Go back from the live version to the one that was live before it, and stay there; returns that.

    Trainings by the clock publish nothing until a person publishes a version or asks for a training. `version`: only if
    it is the live one. Raises `not_found`, and `conflict` if it is not live, or there is nothing to go back to.
    """
    with tenancy.use(tenant):
        live, before = live_run(), previous_run()
        if version is not None and _found(version) != live:
            raise DomainError("conflict", f"Version {version} is not the live one, so there is nothing to take back.")
    if live is None or before is None:
        raise DomainError("conflict", "No version was live before this one.")
    return _release_by_hand(tenant, before, by, "model.rolled_back", Status.ROLLED_BACK, pin=True)


def _release_by_hand(
    tenant: TenantRef, run: ModelRun, by: Actor, action: str, former: Status = Status.SUPERSEDED, *, pin: bool = False
) -> ModelRun:
    model = _kept(tenant, run.version)
    with one_at_a_time(tenant):
        publishing.write(tenant, run.version, model)
        with tenancy.use(tenant):
            replaced = live_run()
            release(tenant, run, former=former, pin=pin)
        owner, before = directory.get_model(tenant.slug), {"version": replaced.version if replaced else None}
        audit.record(by, action, ("model", run.version), owner, before=before, after={"version": run.version})
    return run


def _kept(tenant: TenantRef, version: str) -> Model:
    try:
        return modelstore.load(tenant, version)
    except modelstore.BrokenModel as error:
        detail = f"The tables of version {version} are not kept any more, or are damaged. Train again."
        raise DomainError("conflict", detail) from error


def _found(version: str) -> ModelRun:
    return one(ModelRun.objects.all(), "model version", version=version)
