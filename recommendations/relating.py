"""What new items resemble, before a training has seen them: the strategy `similar` knows them within seconds.

The live model's table `similar` has no list for an item that came after the training read the catalogue. It gets one by
the same measure (`algorithms.content`), taken among the items of its categories and brand and those that share a word
of its title, instead of among all. The next training replaces it, and adds what goes with the items it resembles.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import groupby
from operator import itemgetter
from typing import Final

import numpy as np
import structlog
from django.conf import settings

from catalog import reading
from catalog.reading import ItemContent
from recommendations.algorithms import content
from recommendations.algorithms.engine import open_engine
from recommendations.algorithms.types import CatalogItem
from recommendations.models import ModelRun
from recommendations.packing import SCALE, pack
from recommendations.releases import versions
from tenants import tenancy
from tenants.types import TenantRef

TABLE: Final = "similar"
MOST: Final = 2_000  # items, the newest; with more of them a catalogue is another, and waits for its training
AT_ONCE: Final = 50
AROUND: Final = 200  # items of its categories, of its brand, and with a word of its title
OVERLAP: Final = timedelta(minutes=1)  # between clocks
log = structlog.get_logger(__name__)


def relate(tenant: TenantRef) -> int:
    """Give each new item that the live model has no list for one; returns how many have one now."""
    version = versions.live(tenant)
    with tenancy.use(tenant):
        run = ModelRun.objects.filter(version=version).first()
    if run is None or version is None:
        return 0
    added = reading.added_since(tenant, run.started_at - OVERLAP, MOST)
    missing = set(versions.keys_without(tenant, version, TABLE, [item.item_id for item in added]))
    new, related = [item for item in added if item.item_id in missing], 0
    for start in range(0, len(new), AT_ONCE):
        some = new[start : start + AT_ONCE]
        lists = dict(alike(some, reading.around(tenant, some, AROUND)))
        if lists and not versions.add_lists(tenant, version, TABLE, lists):
            break  # another version is live, and its release asked for this again
        related += len(lists)
    if related:
        log.info("new items related", tenant=tenant.slug, version=version, items=related)
    return related


def alike(new: Sequence[ItemContent], among: Sequence[ItemContent]) -> Iterator[tuple[str, bytes]]:
    """The packed lists of new items by their ids; none of an item that shares no word with another."""
    names: Mapping[int, str] = {item.id: item.item_id for item in new}
    texts = [CatalogItem(item.id, item.title, item.brand, item.categories, item.attributes) for item in among]
    with open_engine(memory_limit=settings.TRAINING_MEMORY, threads=settings.TRAINING_THREADS) as engine:
        found = content.similar(texts)
        rows = engine.to_pyarrow(found.filter(found.item.isin(list(names))).order_by("item", "rank")).to_pylist()
    for item, entries in groupby(rows, itemgetter("item")):
        items, scores, counts = zip(
            *((each["neighbour"], each["score"], each["count"]) for each in entries), strict=True
        )
        yield names[item], pack(np.array(items), np.array(scores) * SCALE, np.array(counts))
