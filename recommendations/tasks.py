"""Background work: training, and keeping Redis filled."""

import structlog
from celery import shared_task

from recomengine.lib.errors import DomainError
from recommendations import modelstore, queueing, restoring, training
from tenants import directory
from tenants.types import TenantRef

log = structlog.get_logger(__name__)


@shared_task(name=queueing.TRAIN)
def train(slug: str) -> None:
    """Train one tenant; a training that is under way already is left to finish."""
    try:
        training.train(directory.get(slug))
    except DomainError as error:
        if error.code != "training_in_progress":
            raise
        log.info("training already under way", tenant=slug)


@shared_task(name="recommendations.train_stale")
def train_stale() -> None:
    """Train every tenant that has new events."""
    directory.for_each(_train_if_stale)


def _train_if_stale(tenant: TenantRef) -> None:
    if training.is_stale(tenant):
        queueing.train_later(tenant)


@shared_task(name="recommendations.restore_missing")
def restore_missing() -> None:
    """Fill Redis again where it lost anything."""
    directory.for_each(_restore_if_needed)


def _restore_if_needed(tenant: TenantRef) -> None:
    if restoring.is_needed(tenant):
        try:
            restoring.restore(tenant)
        except modelstore.BrokenModel as error:
            log.error("model broken, training again", tenant=tenant.slug, error=str(error))
            queueing.train_later(tenant)
