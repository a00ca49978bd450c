"""What the catalogue has beyond what strategies propose: the items that pass a filter, remembered for some seconds."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import structlog
from django.db import InterfaceError, OperationalError, connection

from catalog import finding
from recomengine.lib.seldom import Seldom
from recommendations.serving.slates import Matching
from tenants.types import TenantRef

KEPT: Final = 5.0  # seconds
MOST: Final = 500  # filters remembered
AT_ONCE: Final = 2  # questions to PostgreSQL
PATIENCE: Final = 0.3  # seconds that a request waits for the answer, and PostgreSQL works on it


class CatalogueSearch:
    """This process's memory of which items pass which filters.

    PostgreSQL is asked at most once in `KEPT` seconds for each of them. A request that finds it away, slow, or asked
    `AT_ONCE` other things already goes by the last answer, and by none if there is no last one.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, Matching], tuple[float, Sequence[int]]] = OrderedDict()
        self._asking = 0
        self._not_asked = Seldom(structlog.get_logger(__name__), "catalogue not asked")

    async def get(self, tenant: TenantRef, asked: Matching) -> tuple[Sequence[int], bool]:
        """Internal ids, the most popular first, and whether that is the whole truth."""
        key, now = (tenant.slug, asked), time.monotonic()
        known = self._known.get(key)
        if known is not None and now - known[0] < KEPT:
            return known[1], True
        last = known[1] if known is not None else ()
        if self._asking >= AT_ONCE:
            return last, False
        try:
            found = await asyncio.wait_for(asyncio.shield(self._ask(tenant, asked)), PATIENCE)
        except (OperationalError, InterfaceError, TimeoutError) as error:
            self._not_asked.warn(tenant=tenant.slug, error=str(error) or type(error).__name__)
            return last, False
        self._remember(key, found)
        return found, True

    def _ask(self, tenant: TenantRef, asked: Matching) -> "asyncio.Task[Sequence[int]]":
        """The question under way; it counts as such until PostgreSQL has answered, though nobody waits any more."""
        self._asking += 1
        task = asyncio.create_task(asyncio.to_thread(_passing, tenant, asked))
        task.add_done_callback(self._asked)
        return task

    def _asked(self, task: "asyncio.Task[Sequence[int]]") -> None:
        self._asking -= 1
        if not task.cancelled():
            task.exception()  # who waits is told; who does not wait any more need not be

    def _remember(self, key: tuple[str, Matching], found: Sequence[int]) -> None:
        self._known[key] = (time.monotonic(), found)
        self._known.move_to_end(key)
        if len(self._known) > MOST:
            self._known.popitem(last=False)


def _passing(tenant: TenantRef, asked: Matching) -> Sequence[int]:
    try:
        return finding.passing(tenant, *asked, within=PATIENCE)
    finally:
        connection.close()
