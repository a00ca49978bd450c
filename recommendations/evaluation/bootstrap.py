"""Intervals by resampling whole units, because the cases of one visit resemble each other.

Percentile intervals: Efron, Tibshirani: An Introduction to the Bootstrap, 1993, chapter 13; over clusters, Field,
Welsh: Bootstrapping clustered data, JRSS B 2007.
"""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recommendations.evaluation.types import Estimate

RESAMPLES: Final = 1000
CONFIDENCE: Final = 0.95
DRAWS_AT_ONCE: Final = 4_000_000  # 32 MB of random numbers

Floats = NDArray[np.float64]


def intervals(
    values: Floats, units: ArrayLike, *, limits: tuple[float, float] = (0.0, 1.0), seed: int = 0
) -> list[Estimate]:
    """The mean of each column of `values` (cases × measures) with its 95 % interval.

    `units` names the unit of each case. The same values give the same interval, whatever the order of the cases. From
    fewer than two units nothing follows, so the interval is all of `limits`, between which the values lie. Raises
    ValueError without cases.
    """
    if not len(values):
        raise ValueError("There is no mean of no cases.")
    sums, sizes = _per_unit(values, units)
    means = sums.sum(axis=0) / sizes.sum()
    if len(sizes) < 2:
        return [Estimate(float(mean), *limits) for mean in means]
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(_resampled_means(sums, sizes, seed), [tail, 1 - tail], axis=0)
    # A few very uneven units can leave the estimate itself outside of its percentiles.
    ends = zip(means, np.minimum(low, means), np.maximum(high, means), strict=True)
    return [Estimate(*map(float, end)) for end in ends]


def differences(candidate: Floats, other: Floats, units: ArrayLike, *, seed: int = 0) -> list[Estimate]:
    """The mean of candidate - other for each column, both measured on the same cases in the same order.

    Pairing removes what makes a case hard for both, so it sees differences that two separate intervals hide. Values
    between 0 and 1; shapes must agree, or it raises ValueError.
    """
    if candidate.shape != other.shape:
        raise ValueError(f"Measured on different cases: {candidate.shape} against {other.shape}.")
    return intervals(candidate - other, units, limits=(-1.0, 1.0), seed=seed)


def independent_difference(candidate: Estimate, other: Estimate) -> Estimate:
    """Candidate - other where each was measured on cases of its own, from their intervals.

    Zou, Donner: Construction of confidence limits about effect measures, Statistics in Medicine 2008 (MOVER).
    """
    value = candidate.value - other.value
    below = np.hypot(candidate.value - candidate.low, other.high - other.value)
    above = np.hypot(candidate.high - candidate.value, other.value - other.low)
    return Estimate(value, float(value - below), float(value + above))


def _per_unit(values: Floats, units: ArrayLike) -> tuple[Floats, Floats]:
    """Sum of the values (units × measures) and number of cases of each unit."""
    _, codes, sizes = np.unique(np.asarray(units), return_inverse=True, return_counts=True)
    sums: Floats = np.stack([np.bincount(codes, weights=column) for column in values.T], axis=1)
    return sums, sizes.astype(np.float64)


def _resampled_means(sums: Floats, sizes: Floats, seed: int) -> Floats:
    """Means (resamples × measures) of as many units as there are, drawn with replacement."""
    generator = np.random.default_rng(seed)
    units = len(sizes)
    rows = max(1, min(RESAMPLES, DRAWS_AT_ONCE // units))
    parts = []
    for start in range(0, RESAMPLES, rows):
        times = _times_drawn(generator, min(rows, RESAMPLES - start), units)
        parts.append((times @ sums) / (times @ sizes)[:, np.newaxis])
    return np.concatenate(parts)


def _times_drawn(generator: np.random.Generator, rows: int, units: int) -> Floats:
    drawn = generator.integers(units, size=(rows, units)) + np.arange(rows)[:, np.newaxis] * units
    return np.bincount(drawn.ravel(), minlength=rows * units).reshape(rows, units).astype(np.float64)
