"""What is asked of the recommender, what a strategy proposes, and what is shown."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

import msgspec

from catalog.filters import Filter
from recomengine.lib import naming

MAX_LIMIT = 50
DEFAULT_LIMIT = 10
MAX_ANCHORS = 50


@dataclass(frozen=True, slots=True)
class Query:
    """One request for a slate. `items` are the product or basket at hand, newest context first.

    `after`: the recommendation whose next page this is. `fields`: what of the products is told, everything if empty.
    `why_not`: the item whose absence is to be explained.
    """

    placement: str = "home"
    strategy: str | None = None
    items: tuple[str, ...] = ()
    session_items: tuple[str, ...] = ()
    visitor_id: str | None = None
    user_id: str | None = None
    exclude: frozenset[str] = frozenset()
    limit: int | None = None
    fill: bool = True
    filter: Filter | None = None
    diversity: float | None = None
    currency: str | None = None
    locale: str | None = None
    fields: tuple[str, ...] = ()
    explain: bool = False
    why_not: str | None = None
    after: str | None = None

    @property
    def product(self) -> str | None:
        """The product at hand, if there is one."""
        return self.items[0] if self.items else None

    @property
    def is_known(self) -> bool:
        """Whether it names a visitor or a user."""
        return bool(self.visitor_id or self.user_id)


@dataclass(frozen=True)
class ServingParameters:
    """What a model was found to be served best with.

    `recency`: τ of e^(-p/τ), the weight of the p-th newest item of a visit. `returns`: how often a visit comes back to
    what it has seen (`algorithms.returning`). `found`: how often the next new item is among those proposed, 0 to 1.
    `again`: how much the score of a seen item counts among those, where it may be shown; 1 is as much as a new one's.
    """

    recency: float = 1.5
    returns: tuple[tuple[tuple[float, ...], ...], ...] = ()
    found: float = 1.0
    again: float = 0.0

    @cached_property
    def recency_weights(self) -> list[float]:
        """The weights of a visit's items, newest first."""
        return [math.exp(-place / self.recency) for place in range(MAX_ANCHORS)]


USUAL: Final = ServingParameters()


@dataclass(frozen=True, slots=True)
class LiveModel:
    """A published model: its version, and how to serve it."""

    version: str
    parameters: ServingParameters = USUAL


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """An item a strategy proposes, best first, with the evidence for it.

    `sentence` says the evidence to a person, with `{count}` and `{because_of}`. `repeats`: it may be shown to somebody
    who knows or bought it. `anchored`: it was found from something that the request or its visitor has to do with.
    """

    item: int
    score: float
    source: str
    reason: str
    because_of: str | None
    evidence: int
    sentence: str = ""
    repeats: bool = False
    anchored: bool = True


@dataclass(frozen=True, slots=True)
class PlacementConfig:
    """What a placement shows: strategies in the order they are asked, how many items, and in what order.

    `one_per_group`: only one variant of each group. `filter`: which items it shows at all, in the filters' language.
    `diversity`: how much brands and categories are mixed, 0 to 1. `rotation`: what a visitor was shown often and never
    clicked sinks. `margin`, `newness`: how much those count, 0 to 1. `exploration`: how often the last slot shows an
    item by chance, 0 to 0.5.
    """

    key: str
    cascade: tuple[str, ...]
    limit: int = DEFAULT_LIMIT
    one_per_group: bool = True
    filter: dict[str, Any] | None = None
    diversity: float = 0.0
    rotation: bool = True
    margin: float = 0.0
    newness: float = 0.0
    exploration: float = 0.0


@dataclass(frozen=True, slots=True)
class PartConfig:
    """A built-in strategy's say in a blend: its weight, and what is set of it."""

    strategy: str
    weight: float
    parameters: dict[str, bool | int | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BlendConfig:
    """A strategy of the merchant's own."""

    key: str
    name: str
    parts: tuple[PartConfig, ...]


LISTS: Final = "lists"  # the table whose keys are strategies instead of items


def table_key(slug: str, version: str, table: str) -> str:
    """The hash of one table of a model version (see `recommendations.releases.versions`)."""
    return naming.key(slug, "m", version, table)
