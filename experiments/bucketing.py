"""Which variant a visitor sees: a pure function of the experiment's seed and the visitor's id.

The hash is version 2 of the field (GrowthBook's), so that anybody can check an assignment with other tools. The
browser computes the same numbers; `vectors.json` beside this module holds both to them.
"""

import struct
from collections.abc import Sequence
from typing import Final

FNV_OFFSET: Final = 0x811C9DC5
FNV_PRIME: Final = 0x01000193
BUCKETS: Final = 10_000


def fnv1a32(text: str) -> int:
    """FNV-1a, 32 bits, over the UTF-16 code units of `text`, lone surrogates included (as JavaScript counts them).

    Source: draft-eastlake-fnv; a unit above 255 is mixed in whole, as GrowthBook's SDKs do.
    """
    value = FNV_OFFSET
    for unit in _utf16(text):
        value = (value ^ unit) * FNV_PRIME & 0xFFFFFFFF
    return value


def _utf16(text: str) -> Sequence[int]:
    if text.isascii():
        return text.encode()
    data = text.encode("utf-16-le", "surrogatepass")
    return struct.unpack(f"<{len(data) // 2}H", data)


def bucket(seed: str, visitor_id: str) -> float:
    """Where the visitor falls in [0, 1), in steps of 0.0001. `seed` is "<tenant>:<experiment>:<phase>".

    The second hash, over the decimal digits of the first, unties experiments whose seeds differ by one character.
    """
    return fnv1a32(str(fnv1a32(seed + visitor_id))) % BUCKETS / BUCKETS


def choose(bucket: float, weights: Sequence[float], coverage: float) -> int | None:
    """The index of the variant that owns `bucket`, or None for a visitor outside the experiment.

    Variant i owns [cum_i, cum_i + coverage * weight_i), where cum_i is the sum of the weights before it, added left to
    right as the browser adds them. So a higher coverage takes in more visitors and moves nobody. `weights` are shares
    that sum to 1, `coverage` is in 0..1; a variant of weight 0 owns nothing.
    """
    start = 0.0
    for index, weight in enumerate(weights):
        if start <= bucket < start + coverage * weight:
            return index
        start += weight
    return None
