"""Neighbour lists as bytes: eight per entry, a hundredth of JSON's cost to read.

An entry is the item's internal id (uint32), its score (float16) and its evidence count (uint16, saturating),
little-endian. Half floats keep three digits, which is enough to rank 50 neighbours; the order of the list is exact.
"""

import struct
from collections.abc import Iterable
from typing import Final

from recommendations.types import Neighbour

SCALE: Final = 1024.0  # the best score of a table; gives weak neighbours room in a half float
MOST_EVIDENCE: Final = 0xFFFF
_ENTRY: Final = struct.Struct("<IeH")


def pack(entries: Iterable[tuple[int, float, int]]) -> bytes:
    """One list of (item, score, evidence), best first; scores from 0 to SCALE.

    Raises struct.error for an item id that does not fit 32 bits.
    """
    return b"".join(_ENTRY.pack(item, score, min(evidence, MOST_EVIDENCE)) for item, score, evidence in entries)


def unpack(packed: bytes | None) -> list[Neighbour]:
    """The entries of a list, best first; none for a missing list."""
    return [Neighbour(*entry) for entry in _ENTRY.iter_unpack(packed)] if packed else []
