"""A model's tables with their lists packed, as Redis serves them, and in memory as evaluations ask them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recommendations.algorithms.scoring import ENTRY
from recommendations.packing import SCALE, Repurchase, pack, pack_repurchase
from recommendations.types import LISTS, USUAL, ServingParameters

REPURCHASES: Final = "repurchases"  # the table that is no lists


def packed(name: str, table: pa.Table) -> Iterator[tuple[Any, bytes]]:
    """What Redis holds of a table of that name, by key."""
    return packed_repurchases(table) if name == REPURCHASES else packed_lists(table)


def packed_repurchases(table: pa.Table) -> Iterator[tuple[str, bytes]]:
    """How each item is bought again, by key."""
    columns = (table[name].to_pylist() for name in ("item", "count", "probability", "days", "spread"))
    for key, *known in zip(table["key"].to_pylist(), *columns, strict=True):
        yield key, pack_repurchase(Repurchase(*known))


def packed_lists(table: pa.Table) -> Iterator[tuple[Any, bytes]]:
    """The lists of a table (the model store's schema) by key; scores are scaled so that the table's best is `SCALE`."""
    if not table.num_rows:
        return
    scores = table["score"].to_numpy() * (SCALE / pc.max(table["score"]).as_py())
    # Packed at once and cut afterwards: a hundred thousand small arrays would take ten times as long.
    packed = pack(table["item"].to_numpy(), scores, table["count"].to_numpy())
    starts = np.flatnonzero(table["rank"].to_numpy() == 1)
    edges = [*(starts * ENTRY.itemsize).tolist(), len(packed)]
    keys = table["key"].take(pa.array(starts)).to_pylist()
    for key, (start, end) in zip(keys, pairwise(edges), strict=True):
        yield key, packed[start:end]


class MemoryTables:
    """A model's tables by item number (`strategies.base.Tables`)."""

    def __init__(self, packed: Mapping[str, Mapping[Any, bytes]], parameters: ServingParameters = USUAL) -> None:
        self._packed, self.parameters = packed, parameters

    def lists(self, table: str, items: Sequence[int]) -> list[bytes | None]:
        of_table = self._packed[table]
        return [of_table.get(item) for item in items]

    def shop_list(self, strategy: str) -> bytes | None:
        return self._packed[LISTS].get(strategy)


def in_memory(
    tables: Mapping[str, pa.Table],
    numbers: Mapping[str, int],
    parameters: ServingParameters = USUAL,
) -> MemoryTables:
    """Tables in the model store's schema, with the number of each item id; lists of other ids are left out."""
    packed = {
        name: dict(packed_lists(table)) if name == LISTS else dict(_numbered(packed_lists(table), numbers))
        for name, table in tables.items()
        if name != REPURCHASES
    }
    return MemoryTables(packed, parameters)


def _numbered(lists: Iterable[tuple[str, bytes]], numbers: Mapping[str, int]) -> Iterator[tuple[int, bytes]]:
    return ((numbers[key], packed) for key, packed in lists if key in numbers)
