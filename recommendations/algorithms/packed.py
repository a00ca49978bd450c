"""The merge of `scoring` on packed neighbour lists: the hot path's form, which makes no object per neighbour."""

from collections.abc import Collection, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recommendations.algorithms.types import Candidate

ENTRY: Final = np.dtype([("item", "<u4"), ("score", "<f2"), ("count", "<u2")])
"""One neighbour in eight bytes: items below 2^32, scores to three digits, counts that stop at 65,535."""


def merge(
    lists: Sequence[bytes | None], weights: Sequence[float], exclude: Collection[int] = (), limit: int = 100
) -> list[Candidate]:
    """Merge packed lists as `scoring.score_history` does, with the same answer.

    A list is ENTRY rows, best first, None or b"" for an anchor without neighbours. Raises ValueError if the lengths
    differ or the rows are not whole.
    """
    lengths = [len(packed or b"") // ENTRY.itemsize for packed, _ in zip(lists, weights, strict=True)]
    entries = np.frombuffer(b"".join(packed for packed in lists if packed), ENTRY)
    if not len(entries):
        return []
    anchors = np.repeat(np.arange(len(weights)), lengths)
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
