"""What is known of a tenant's trainings without what trains, which a web process need not load."""

from collections.abc import Mapping
from typing import Final

from catalog import reading as catalog
from events import reading as events
from recomengine.lib.postgres import is_held
from recommendations.models import ModelRun
from tenants import tenancy
from tenants.types import TenantRef

STAGES: Final[Mapping[str, str]] = {
    "reading": "Reading catalogue and events",
    "choosing": "Choosing settings",
    "holding_out": "Building the model of the older events, to be tested",
    "judging": "Testing it on the newest visits, beside the live model",
    "building": "Building the model of all events",
    "saving": "Keeping it",
    "publishing": "Publishing",
}
"""What a training does, in its order, with what people read (`recommendations.training.stages` does it)."""
ATTEMPTS: Final = 3


def lock(tenant: TenantRef) -> str:
    """The name of the advisory lock that a training holds."""
    return f"train:{tenant.slug}"


def is_under_way(tenant: TenantRef) -> bool:
    """Whether a process is training the tenant now."""
    return is_held(lock(tenant))


def is_stale(tenant: TenantRef) -> bool:
    """Whether events or items have come in since the last training that reached its end began."""
    with tenancy.use(tenant):
        run = ModelRun.objects.filter(status__in=ModelRun.WITH_MODEL).order_by("-id").first()
    since = run.started_at if run else None
    return events.any_since(tenant, since) or catalog.any_since(tenant, since)
