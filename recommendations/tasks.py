"""Background work: training, and keeping Redis filled."""

import structlog
from celery import shared_task

from recomengine.lib.errors import DomainError
from recommendations import modelstore, publishing, queueing, restoring, training
from tenants import directory

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
    for tenant in directory.active():
        if training.is_stale(tenant):
            queueing.train_later(tenant)


@shared_task(name="recommendations.restore_missing")
def restore_missing() -> None:
    """Fill Redis again where it lost what was published."""
    for tenant in directory.active():
        if publishing.is_lost(tenant):
            try:
                restoring.restore(tenant)
            except modelstore.BrokenModel as error:
                log.error("model broken, training again", tenant=tenant.slug, error=str(error))
                queueing.train_later(tenant)
