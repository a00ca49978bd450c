"""Rules and placements of a shop, set as if a merchant had saved them."""

from typing import Any

from recommendations import placements
from recommendations.models import Placement, Rule
from tenants import tenancy
from tenants.types import TenantRef
from tests.api import Api
from tests.recommendations.conftest import notice


def rules(api: Api, tenant: TenantRef, **actions: Any) -> None:
    """Have the shop exactly these rules, which hold everywhere: actions as JSON by the rules' keys."""
    with tenancy.use(tenant):
        Rule.objects.all().delete()
        Rule.objects.bulk_create([Rule(key=key, name=key, action=action) for key, action in actions.items()])
    placements.publish(tenant)
    notice(api)


def placement(api: Api, tenant: TenantRef, key: str, *cascade: str, **fields: Any) -> None:
    """Have the shop a placement like this."""
    with tenancy.use(tenant):
        changed = {"name": key, "cascade": list(cascade), **fields}
        Placement.objects.update_or_create(key=key, defaults=changed)
    placements.publish(tenant)
    notice(api)
