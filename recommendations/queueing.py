"""Asking the workers for work, by name: a web process need not load what trains."""

from typing import Final

from celery import current_app

from recomengine.lib import naming, redis
from tenants.types import TenantRef

TRAIN = "recommendations.train"
ASKED_FOR: Final = 900  # seconds; a training that waited so long for a worker is asked for again


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


def _asked_key(tenant: TenantRef) -> str:
    return naming.key(tenant.slug, "training")
