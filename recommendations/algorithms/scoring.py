"""The serving-time merge of neighbour lists, on packed bytes: no object is made per neighbour.

That is two to three times faster than dictionaries. It is on every request's path, so nothing heavy is imported here.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

ENTRY: Final = np.dtype([("item", "<u4"), ("score", "<f2"), ("count", "<u2")])
"""One neighbour in eight bytes: items below 2^32, scores to three digits, counts that stop at 65,535."""


class Scored(NamedTuple):
    """An item that a history leads to.

    `because_of` is the index of the anchor that contributed most to `score`, `evidence` the `count` in its list.
    """

    item: int
    score: float
    because_of: int
    evidence: int


def merge(
    lists: Sequence[bytes | None], weights: Sequence[float], exclude: Collection[int] = (), limit: int = 100
) -> list[Scored]:
    """Merge the lists of a history's anchors: score(j) = Σ_p weight_p · score_pj, the best `limit` first.

    One list (ENTRY rows; None or b"" for an anchor without neighbours) and one weight (> 0) per anchor, newest first.
    `exclude`: items not to propose. Ties go to the smaller item, and in `because_of` to the newer anchor. Raises
    ValueError if the lengths differ or the rows are not whole.
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
    return [Scored._make(row) for row in rows if row[0] not in exclude][:limit]


def _largest(parts: NDArray[Any], starts: NDArray[Any]) -> NDArray[Any]:
    """Position of the first largest part of each group."""
    lengths = np.diff(starts, append=len(parts))
    is_largest = np.flatnonzero(parts == np.repeat(np.maximum.reduceat(parts, starts), lengths))
    positions: NDArray[Any] = is_largest[is_largest.searchsorted(starts)]
    return positions
