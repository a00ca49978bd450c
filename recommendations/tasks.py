"""Background work: training, and keeping Redis filled."""

from datetime import timedelta
from typing import Final

import structlog
from celery import shared_task

from recomengine.lib import clock, partitions
from recomengine.lib.errors import DomainError
from recomengine.lib.postgres import connect
from recommendations import queueing, relating, restoring
from recommendations.releases import modelstore
from recommendations.serving_log import SLATES
from recommendations.training import running, scheduling
from tenants import directory
from tenants.types import TenantRef

SECONDS: Final = 55 * 60  # less than the hour after which the queue would hand the task to another worker
log = structlog.get_logger(__name__)


@shared_task(name=queueing.TRAIN, soft_time_limit=SECONDS, time_limit=SECONDS + 60)
def train(slug: str, *, by_clock: bool = False) -> None:
    """Train one tenant; a training that is under way already is left to finish."""
    tenant = directory.get(slug)
    queueing.taken(tenant)
    if scheduling.is_given_up(tenant) or (by_clock and not scheduling.is_due(tenant)):
        log.info("training not due", tenant=slug)
        return
    try:
        running.train(tenant, by_clock=by_clock)
    except DomainError as error:
        if error.code != "training_in_progress":
            raise
        log.info("training already under way", tenant=slug)


@shared_task(name=queueing.RELATE)
def relate_new_items(slug: str) -> None:
    """Give the items that the live model does not know the ones that they resemble."""
    tenant = directory.get(slug)
    queueing.begun_to_relate(tenant)
    relating.relate(tenant)


@shared_task(name="recommendations.train_due")
def train_due() -> None:
    """Train every tenant whose turn it is."""
    directory.for_each(_train_if_due)


def _train_if_due(tenant: TenantRef) -> None:
    if scheduling.is_due(tenant):
        queueing.train_by_clock(tenant)


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


@shared_task(name="recommendations.make_partitions")
def make_partitions() -> None:
    """Have this month's and the coming months' partitions of the serving log ready in every tenant."""
    directory.for_each(_make_partitions)


def _make_partitions(tenant: TenantRef) -> None:
    with connect() as connection:
        SLATES.ensure(connection, tenant.schema, partitions.upcoming(clock.now()))


@shared_task(name="recommendations.enforce_retention")
def enforce_retention() -> None:
    """Let go of slates of months that are wholly older than their tenants keep events."""
    directory.for_each(_enforce_retention)


def _enforce_retention(tenant: TenantRef) -> None:
    with connect() as connection:
        oldest = partitions.month_of(clock.now() - timedelta(days=tenant.retention_days))
        SLATES.drop_before(connection, tenant.schema, oldest)
