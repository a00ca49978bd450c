"""The running experiments, in Redis, where every serving process follows them within a second."""

from collections.abc import Mapping

import msgspec
from django.db import transaction

from experiments.models import Experiment
from experiments.types import ExperimentConfig, experiments_key
from recomengine.lib import redis
from recomengine.lib.postgres import lock_until_commit
from tenants import live, tenancy
from tenants.types import TenantRef


def publish(tenant: TenantRef) -> None:
    """Show the experiments as they are now to every serving process; one at a time, so that the last shows the last."""
    with tenancy.use(tenant), transaction.atomic():
        lock_until_commit(experiments_key(tenant.slug))
        running = configs()
        if running:
            redis.client().set(experiments_key(tenant.slug), msgspec.msgpack.encode(running))
        else:
            redis.client().delete(experiments_key(tenant.slug))
        live.changed(tenant.slug, "config")


def configs() -> list[ExperimentConfig]:
    """The running experiments of the tenant in use."""
    return [row.config for row in Experiment.objects.filter(status=Experiment.Status.RUNNING)]


def decode(packed: bytes | None) -> Mapping[str, ExperimentConfig]:
    """The running experiments by placement; none where nothing is published."""
    configs = msgspec.msgpack.decode(packed, type=list[ExperimentConfig]) if packed else []
    return {config.placement: config for config in configs}
