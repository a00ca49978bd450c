"""What is predicted, and how well."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Self

MEASURES: Final = ("hit_rate", "mrr", "ndcg", "recall")
"""The means over cases, each with an interval."""
ENOUGH_UNITS: Final = 100
"""Visits or orders; fewer say nothing about settings."""


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to predict.

    `prefix`: item numbers that are known, oldest first, not empty. `targets`: item numbers that came next, not empty;
    several where they came at the same moment. `unit`: the visit, order or visitor it was taken from; cases of one unit
    resemble each other, so intervals resample units.
    """

    prefix: tuple[int, ...]
    targets: frozenset[int]
    unit: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean, and the ends of its 95 % interval."""

    value: float
    low: float
    high: float

    def overlaps(self, other: "Estimate") -> bool:
        """Whether the two intervals share a point."""
        return self.low <= other.high and other.low <= self.high


@dataclass(frozen=True, slots=True)
class Quality:
    """How well a strategy did on `n` cases of `units` visits, with `k` items shown.

    `hit_rate`, `mrr`, `ndcg`, `recall`: 0 to 1; None without cases. `share_answered`: cases for which it showed
    anything. `coverage`: share of the catalogue in any slate. `novelty`: bits; `popularity_bias`: 1 is as popular as
    what was chosen (`metrics`); both None if nothing was shown. `milliseconds_per_slate`: as measured, so it varies.
    """

    strategy: str
    k: int
    n: int
    units: int
    hit_rate: Estimate | None
    mrr: Estimate | None
    ndcg: Estimate | None
    recall: Estimate | None
    share_answered: float | None
    coverage: float
    novelty: float | None
    popularity_bias: float | None
    milliseconds_per_slate: float | None

    def to_json(self) -> dict[str, Any]:
        """Plain values; each measure's interval stands beside it as `<measure>_interval: [low, high]`."""
        plain: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        for name in MEASURES:
            estimate = plain[name]
            plain[name] = estimate and estimate.value
            plain[f"{name}_interval"] = estimate and [estimate.low, estimate.high]
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`; other keys are ignored. Raises KeyError if one is missing."""
        values = {field.name: plain[field.name] for field in fields(cls)}
        for name in MEASURES:
            value, interval = plain[name], plain[f"{name}_interval"]
            values[name] = None if value is None else Estimate(value, *interval)
        return cls(**values)
