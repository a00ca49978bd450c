"""Neighbour lists as bytes: eight per entry, a hundredth of JSON's cost to read.

An entry is the item's internal id (uint32), its score (float16) and its evidence count (uint16, saturating),
little-endian. Half floats keep three digits, which is enough to rank 50 neighbours; the order of the list is exact.
"""

import struct
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from recommendations.types import Neighbour

SCALE: Final = 1024.0  # the best score of a table; gives weak neighbours room in a half float
ENTRY: Final = np.dtype([("item", "<u4"), ("score", "<f2"), ("count", "<u2")])
_unpack = struct.Struct("<IeH").iter_unpack


def pack(items: NDArray[np.int64], scores: NDArray[np.floating[Any]], counts: NDArray[np.int64]) -> bytes:
    """One list, best first; scores from 0 to SCALE."""
    entries = np.empty(len(items), ENTRY)
    if len(items) and int(items.max()) > 0xFFFFFFFF:
        raise OverflowError("an item's internal id no longer fits 32 bits")
    entries["item"], entries["score"], entries["count"] = items, scores, np.minimum(counts, 0xFFFF)
    return entries.tobytes()


def unpack(packed: bytes | None) -> Sequence[Neighbour]:
    """The entries of a list, best first; none for a missing list."""
    return [Neighbour(*entry) for entry in _unpack(packed)] if packed else []
