"""Neighbour lists as bytes, and their merge without unpacking: the hot path's form of `scoring`."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recommendations.algorithms.types import Candidate

ENTRY: Final = np.dtype([("item", "<u4"), ("score", "<f2"), ("count", "<u2")])
"""One neighbour in eight bytes: items below 2^32, scores to three digits, counts that stop at 65,535."""

MOST: Final = np.iinfo(np.uint16).max


def pack(neighbours: pa.Table) -> Iterator[tuple[int, bytes]]:
    """Give each item of a NEIGHBOURS table with its list, best first, as ENTRY rows; items ascending.

    Raises OverflowError for an item number outside 0 to 2^32 - 1.
    """
    ordered = neighbours.sort_by([("item", "ascending"), ("rank", "ascending")])
    items, firsts = np.unique(ordered["item"].to_numpy(), return_index=True)
    entries = _entries(ordered)
    ends = [*firsts[1:].tolist(), len(entries)]
    for item, first, end in zip(items.tolist(), firsts.tolist(), ends, strict=True):
        yield item, entries[first:end].tobytes()


def merge(lists: Sequence[bytes], weights: Sequence[float], exclude: Collection[int], limit: int) -> list[Candidate]:
    """Merge packed lists as `scoring.score_history` does, several times faster and with the same answer.

    An anchor without neighbours gives b"". Raises ValueError if the lengths differ or a list is not whole ENTRY rows.
    """
    entries = np.frombuffer(b"".join(lists), ENTRY)
    if not len(entries):
        return []
    anchors = np.repeat(np.arange(len(weights)), [len(packed) // ENTRY.itemsize for packed in lists])
    by_item = entries["item"].argsort(kind="stable")
    items, parts = entries["item"][by_item], (np.asarray(weights)[anchors] * entries["score"])[by_item]
    starts = np.flatnonzero(np.concatenate(([True], items[1:] != items[:-1])))
    totals = np.add.reduceat(parts, starts)
    # Items ascend, so a stable sort gives ties to the smaller one.
    best = (-totals).argsort(kind="stable")[: limit + len(exclude)]
    largest = by_item[_largest(parts, starts)[best]]
    rows = zip(
        items[starts[best]].tolist(),
        totals[best].tolist(),
        anchors[largest].tolist(),
        entries["count"][largest].tolist(),
        strict=True,
    )
    return [Candidate._make(row) for row in rows if row[0] not in exclude][:limit]


def _largest(parts: NDArray[Any], starts: NDArray[Any]) -> NDArray[Any]:
    """Position of the first largest part of each group."""
    lengths = np.diff(starts, append=len(parts))
    is_largest = np.flatnonzero(parts == np.repeat(np.maximum.reduceat(parts, starts), lengths))
    positions: NDArray[Any] = is_largest[is_largest.searchsorted(starts)]
    return positions


def _entries(ordered: pa.Table) -> NDArray[Any]:
    neighbours = ordered["neighbour"].to_numpy()
    if len(neighbours) and not 0 <= neighbours.min() <= neighbours.max() <= np.iinfo(np.uint32).max:
        raise OverflowError("an item number does not fit 32 bits")
    entries = np.empty(len(ordered), ENTRY)
    entries["item"] = neighbours
    entries["score"] = ordered["score"].to_numpy()
    entries["count"] = np.minimum(ordered["count"].to_numpy(), MOST)
    return entries
