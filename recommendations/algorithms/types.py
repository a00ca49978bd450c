"""Column schemas, event weights and small value types that the algorithms share."""

from dataclasses import dataclass
from typing import Final

import ibis

from events.interest import EVENT_WEIGHTS

INTERACTIONS: Final = ibis.schema(
    {
        "visitor": "string",
        "session": "string",  # null: derived from gaps
        "type": "string",
        "item": "int64",
        "occurred_at": "timestamp('UTC')",
        "order_id": "string",  # null: not a purchase
        "quantity": "int64",  # null: one
    }
)
"""One row per (event, item line); `item` is the tenant's internal number of the item."""

SESSION_EVENTS: Final = ibis.schema(
    {
        "session": "string",
        "position": "int64",
        "item": "int64",
        "ended_at": "timestamp('UTC')",
        "returns": "boolean",
    }
)
"""One row per step of a session.

`position` rises by one from moment to moment, steps of one moment share it; `ended_at` is the moment of the last;
`returns`: whether some item comes back in the session.
"""

NEIGHBOURS: Final = ibis.schema(
    {"item": "int64", "neighbour": "int64", "score": "float32", "count": "int64", "rank": "int64"}
)
"""One row per neighbour: `score` > 0, `count` the evidence behind it, `rank` 1 (best) to k within the item."""

RANKING: Final = ibis.schema({"item": "int64", "score": "float64", "count": "int64", "rank": "int64"})
"""One row per item of a single list: `score` > 0, `count` distinct visitors, `rank` from 1 (best)."""

REPURCHASES: Final = ibis.schema(
    {"item": "int64", "count": "int64", "probability": "float32", "days": "float32", "spread": "float32"}
)
"""One row per item that is bought again: `count` shoppers did, a buyer does with a `probability`, `days` is the median
interval and `spread` the standard deviation of its natural logarithm."""

POSITIVE_TYPES: Final[tuple[str, ...]] = tuple(EVENT_WEIGHTS)


@dataclass(frozen=True, slots=True)
class CatalogItem:
    """What the content algorithm reads of an item; `categories` are paths such as "Home > Kitchen > Mugs"."""

    item: int
    title: str
    brand: str = ""
    categories: tuple[str, ...] = ()
    attributes: str = ""
