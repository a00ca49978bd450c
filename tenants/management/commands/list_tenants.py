"""`manage.py list_tenants`: every shop."""

from typing import Any

from recomengine.lib.commands import OperatorCommand
from tenants.models import Tenant


class Command(OperatorCommand):
    help = "List the tenants with status and schema."

    def run(self, *_: Any, **__: Any) -> list[dict[str, Any]]:
        columns = ("slug", "name", "status", "schema_name", "created_at")
        return [dict(row) for row in Tenant.objects.order_by("slug").values(*columns)]
