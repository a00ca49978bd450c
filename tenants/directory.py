"""Finding tenants."""

from collections.abc import Callable, Iterator

import structlog
from django.db.models import QuerySet

from recomengine.lib.errors import DomainError
from tenants.models import Tenant
from tenants.types import TenantRef

log = structlog.get_logger(__name__)


def get(slug: str) -> TenantRef:
    """The tenant of that slug; `not_found` if there is none."""
    return get_model(slug).ref


def get_model(slug: str, among: QuerySet[Tenant] | None = None) -> Tenant:
    """The tenant's row, for what changes it; `not_found` if there is none, or none among those given."""
    tenant = (Tenant.objects.all() if among is None else among).filter(slug=slug).first()
    if tenant is None:
        raise DomainError("not_found", f"There is no tenant {slug!r} here.")
    return tenant


def active() -> Iterator[TenantRef]:
    """Every tenant that is not suspended."""
    return (tenant.ref for tenant in Tenant.objects.filter(status=Tenant.Status.ACTIVE).order_by("slug"))


def for_each(job: Callable[[TenantRef], None]) -> None:
    """Do a job for every active tenant; where it fails, that is logged, and the next tenant has its turn."""
    for tenant in list(active()):
        try:
            job(tenant)
        except Exception:
            log.exception("failed for a tenant", job=job.__name__, tenant=tenant.slug)
