"""What the catalogue has beyond what strategies propose: the items that pass a filter, remembered for some seconds."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import structlog
from django.db import InterfaceError, OperationalError, connection

from catalog import finding
from recommendations.serving.slates import Matching
from tenants.types import TenantRef

log = structlog.get_logger(__name__)
KEPT: Final = 5.0  # seconds
MOST: Final = 500  # filters remembered
AT_ONCE: Final = 2  # questions to PostgreSQL; who comes meanwhile has what is remembered, or nothing


class CatalogueSearch:
    """This process's memory of which items pass which filters.

    PostgreSQL is asked at most once in `KEPT` seconds for each of them; a request that would have to wait behind
    others, or finds PostgreSQL away, goes by the last answer, and by none if there is no last one.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, Matching], tuple[float, Sequence[int]]] = OrderedDict()
        self._asking = 0

    async def get(self, tenant: TenantRef, asked: Matching) -> tuple[Sequence[int], bool]:
        """Internal ids, the most popular first, and whether that is the whole truth."""
        key, now = (tenant.slug, asked), time.monotonic()
        known = self._known.get(key)
        if known is not None and now - known[0] < KEPT:
            return known[1], True
        last = known[1] if known is not None else ()
        if self._asking >= AT_ONCE:
            return last, False
        self._asking += 1
        try:
            found = await asyncio.to_thread(_ask, tenant, asked)
        except (OperationalError, InterfaceError) as error:
            log.warning("catalogue not asked", tenant=tenant.slug, error=str(error))
            return last, False
        finally:
            self._asking -= 1
        self._known[key] = (now, found)
        self._known.move_to_end(key)
        if len(self._known) > MOST:
            self._known.popitem(last=False)
        return found, True


def _ask(tenant: TenantRef, asked: Matching) -> Sequence[int]:
    try:
        return finding.passing(tenant, *asked)
    finally:
        connection.close()
