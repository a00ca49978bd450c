"""Neighbour lists as bytes, as they lie in Redis: eight per entry, a hundredth of JSON's cost to read.

An entry is the item's internal id (uint32), its score (float16) and its evidence count (uint16, saturating),
little-endian (`scoring.ENTRY`). Half floats keep three digits, enough to rank 50 neighbours; the list's order is exact.
"""

import struct
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recommendations.algorithms.scoring import ENTRY

SCALE: Final = 1024.0  # the best score of a table; gives weak neighbours room in a half float


def pack(items: NDArray[np.int64], scores: NDArray[np.floating[Any]], evidence: NDArray[np.int64]) -> bytes:
    """One list, best first; scores from 0 to SCALE. Raises OverflowError for an item id that does not fit 32 bits."""
    if len(items) and int(items.max()) > 0xFFFFFFFF:
        raise OverflowError("an item's internal id no longer fits 32 bits")
    entries = np.empty(len(items), ENTRY)
    entries["item"], entries["score"], entries["count"] = items, scores, np.minimum(evidence, 0xFFFF)
    return entries.tobytes()


def unpack(packed: bytes | None) -> Sequence[tuple[int, float, int]]:
    """The (item, score, evidence) entries of a list, best first; none for a missing list."""
    entries: list[tuple[int, float, int]] = np.frombuffer(packed or b"", ENTRY).tolist()
    return entries


class Repurchase(NamedTuple):
    """How an item is bought again: by which share of its buyers, after how long, and how many shoppers did.

    `days` is the median interval, `spread` the standard deviation of its logarithm.
    """

    item: int
    shoppers: int
    probability: float
    days: float
    spread: float


_REPURCHASE: Final = struct.Struct("<IIfff")


def pack_repurchase(known: Repurchase) -> bytes:
    """One record of twenty bytes. Raises struct.error for an item id that does not fit 32 bits."""
    return _REPURCHASE.pack(*known)


def unpack_repurchase(packed: bytes) -> Repurchase:
    """The inverse; numbers come back in single precision."""
    return Repurchase._make(_REPURCHASE.unpack(packed))
