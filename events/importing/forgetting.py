"""What imports leave behind of somebody who is erased: rejected rows, and files that are kept to go on with."""

from collections.abc import Collection
from functools import reduce
from operator import or_

from django.db.models import Q

from events.importing.kind import EVENTS
from imports.models import over
from tenants import tenancy
from tenants.types import TenantRef


def forget(tenant: TenantRef, ids: Collection[str]) -> None:
    """Remove the rejected rows that name one of the ids, and the files of imports that failed or were cancelled.

    Whoever wants to go on with such an import uploads the file again, without the erased.
    """
    columns = [f"{name}__contains" for name in ("item_id", "value", "message")]
    named = reduce(or_, (Q((column, each)) for column in columns for each in ids), Q(pk__in=[]))
    with tenancy.use(tenant):
        EVENTS.rejected._default_manager.filter(named).delete()
        ended = list(over(EVENTS.rows()).values_list("pk", flat=True))
    for import_id in ended:
        EVENTS.files.discard(tenant, import_id)
