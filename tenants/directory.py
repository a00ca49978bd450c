"""Finding tenants."""

from collections.abc import Iterator

from recomengine.lib.errors import DomainError
from tenants.models import Tenant
from tenants.types import TenantRef


def get(slug: str) -> TenantRef:
    """The tenant of that slug; `not_found` if there is none."""
    return get_model(slug).ref


def get_model(slug: str) -> Tenant:
    """The tenant's row, for what changes it; `not_found` if there is none."""
    tenant = Tenant.objects.filter(slug=slug).first()
    if tenant is None:
        raise DomainError("not_found", f"There is no tenant {slug!r}.")
    return tenant


def active() -> Iterator[TenantRef]:
    """Every tenant that is not suspended."""
    return (tenant.ref for tenant in Tenant.objects.filter(status=Tenant.Status.ACTIVE).order_by("slug"))
