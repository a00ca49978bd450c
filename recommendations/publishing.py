"""Publishing a model: its tables go into Redis beside the live ones, then one pointer is flipped."""

from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recommendations import modelstore, packing, runs, versions
from tenants.types import TenantRef


def write(tenant: TenantRef, version: str, tables: Mapping[str, pa.Table]) -> None:
    """Put a version's tables (in the model store's schema) beside the live ones; `versions.flip` makes them live."""
    for name in versions.TABLES:
        versions.write_table(tenant, version, name, packed_lists(tables[name]))


def is_lost(tenant: TenantRef) -> bool:
    """Whether Redis lacks the version that was published last, as after a flush or the loss of its disk."""
    run = runs.live(tenant)
    return run is not None and not versions.is_live(tenant, run.version)


def republish(tenant: TenantRef) -> None:
    """Put the version that was published last into Redis again, from the model store."""
    run = runs.live(tenant)
    if run is not None:
        write(tenant, run.version, modelstore.load(tenant, run.version))
        versions.flip(tenant, run.version)


def packed_lists(table: pa.Table) -> Iterator[tuple[str, bytes]]:
    """The lists of a table, packed for Redis; scores are scaled so that the table's best is `packing.SCALE`."""
    if not table.num_rows:
        return
    scores = table["score"].to_numpy() * (packing.SCALE / pc.max(table["score"]).as_py())
    # Packed at once and cut afterwards: a hundred thousand small arrays would take ten times as long.
    packed = packing.pack(table["item"].to_numpy(), scores, table["count"].to_numpy())
    starts = np.flatnonzero(table["rank"].to_numpy() == 1)
    edges = [*(starts * packing.ENTRY.itemsize).tolist(), len(packed)]
    keys = table["key"].take(pa.array(starts)).to_pylist()
    for key, (start, end) in zip(keys, pairwise(edges), strict=True):
        yield key, packed[start:end]
