"""What the SDK needs to know of a shop before it shows anything."""

from typing import Any

from recommendations import placements
from tenants.types import TenantRef


def config(tenant: TenantRef) -> dict[str, Any]:
    """The shop's currency (ISO 4217), locale (BCP 47), placements and how its pages handle consent."""
    return {
        "tenant": tenant.slug,
        "currency": tenant.currency,
        "locale": tenant.locale,
        "placements": [{"key": key, "name": name, "limit": limit} for key, name, limit in placements.listed(tenant)],
        "consent": "auto",
    }
