"""Asking the workers for work, by name: a web process need not load what trains."""

from typing import Final

import structlog
from celery import current_app
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from recomengine.lib import naming, redis
from tenants.live import live_key
from tenants.types import TenantRef

TRAIN = "recommendations.train"
RELATE = "recommendations.relate_new_items"
ASKED_FOR: Final = 900  # seconds; a training that waited so long for a worker is asked for again
SOON: Final = 1  # second, within which an upload's batches are taken together
log = structlog.get_logger(__name__)


def train_later(tenant: TenantRef) -> None:
    """Have a worker train this tenant."""
    current_app.send_task(TRAIN, args=[tenant.slug])


def train_by_clock(tenant: TenantRef) -> None:
    """Have a worker train this tenant if it is still due then; asked again meanwhile, nothing is done."""
    if redis.client().set(_asked_key(tenant), 1, nx=True, ex=ASKED_FOR):
        current_app.send_task(TRAIN, args=[tenant.slug], kwargs={"by_clock": True})


def taken(tenant: TenantRef) -> None:
    """Note that a worker has come to it."""
    redis.client().delete(_asked_key(tenant))


def relate_later(tenant: TenantRef) -> None:
    """Have a worker find what new items resemble, if there is a model that lacks them; asked again meanwhile: nothing.

    While nobody can be asked they wait for the next ones, or the next training.
    """
    client = redis.client()
    try:
        if client.hexists(live_key(tenant.slug), "model") and client.set(_relating_key(tenant), 1, nx=True, ex=60):
            current_app.send_task(RELATE, args=[tenant.slug], countdown=SOON)
    except (RedisError, OperationalError) as error:
        log.warning("new items wait", tenant=tenant.slug, error=str(error))


def begun_to_relate(tenant: TenantRef) -> None:
    """Note that a worker looks at the new items: for those that come from now on it is asked again."""
    redis.client().delete(_relating_key(tenant))


def _relating_key(tenant: TenantRef) -> str:
    return naming.key(tenant.slug, "relating")


def _asked_key(tenant: TenantRef) -> str:
    return naming.key(tenant.slug, "training")
