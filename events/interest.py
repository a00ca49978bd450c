"""What events say in their items' favour, and how that fades: forward decay, shared by whoever adds it up.

A sum of `forward_weight`s needs no update as time goes by: all of them fade alike, so the order stays exact. Only the
landmark they are measured from has to move before the numbers grow too large, once an era.

Source: Cormode, Shkapenyuk, Srivastava, Xu, "Forward Decay: A Practical Time Decay Model for Streaming Systems", ICDE
2009.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final

EVENT_WEIGHTS: Final[Mapping[str, float]] = MappingProxyType(
    {"purchase": 5.0, "add_to_cart": 3.0, "click": 1.0, "view": 1.0}
)
"""How much one event of a type says in an item's favour; a type not named here says nothing."""

HALF_LIFE: Final = timedelta(days=3)
ERA: Final = 100 * HALF_LIFE  # a score grows by 2^100 in an era; the largest float is 2^1024
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def landmark_of(moment: datetime) -> datetime:
    """The beginning of a moment's era, from which the weights of its events are measured."""
    return _EPOCH + (moment - _EPOCH) // ERA * ERA


def forward_weight(weight: float, at: datetime, landmark: datetime, half_life: timedelta = HALF_LIFE) -> float:
    """What one event adds to its item's running score: weight · 2^((at - landmark)/half-life).

    Move the landmark before `at` is 1,000 half-lives past it: OverflowError beyond 1,023.
    """
    return float(weight * 2.0 ** ((at - landmark) / half_life))
