"""Experiments as serving knows them, and what a visitor is assigned."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from recomengine.lib import naming


@dataclass(frozen=True, slots=True)
class VariantConfig:
    """One way to fill the placement. `configuration` means something to whoever serves it, and nothing here."""

    key: str
    weight: float
    configuration: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExperimentConfig:
    """A running experiment: the first variant is the control, weights sum to 1, `coverage` is in 0..1."""

    key: str
    placement: str
    phase: int
    coverage: float
    variants: tuple[VariantConfig, ...]


class Assignment(NamedTuple):
    """The variant that a visitor has in a phase of an experiment."""

    experiment: str
    phase: int
    variant: VariantConfig


def experiments_key(slug: str) -> str:
    """The string that holds the running experiments (`experiments.running`)."""
    return naming.key(slug, "experiments")
