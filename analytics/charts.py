"""Geometry of the server-rendered charts: numbers in, SVG coordinates out.

A chart is drawn in a square of 100 by 100, stretched to its place on the page; y grows downwards.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from analytics.overview import Measure, Number, Point

_STEPS: Final = (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10)
_HEADROOM: Final = 4.0  # room above the highest line for its stroke


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled height of the value axis."""

    y: float
    value: float


@dataclass(frozen=True, slots=True)
class Column:
    """A day's strip of the chart: where its point lies, and on which side its label fits."""

    centre: float
    y: float
    label_left: bool
    point: Point


@dataclass(frozen=True, slots=True)
class Chart:
    """A time series as SVG paths, with one column a day for pointing at."""

    line: str
    area: str
    before: str
    width: float
    columns: list[Column]
    ticks: list[Tick]

    @property
    def half(self) -> float:
        """Half the width of a column."""
        return round(self.width / 2, 2)


def time_series(measure: Measure) -> Chart:
    """The area chart of a measure with the period before as a second line."""
    top = axis_top(max(float(max(point.value, point.before)) for point in measure.points))
    width = 100 / len(measure.points)
    columns = [
        Column(_centre(n, width), _height(point.value, top), n * width > 60, point)
        for n, point in enumerate(measure.points)
    ]
    line = path([(column.centre, column.y) for column in columns])
    area = f"{line} L{columns[-1].centre} 100 L{columns[0].centre} 100 Z"
    before = path([(column.centre, _height(column.point.before, top)) for column in columns])
    ticks = [Tick(_height(top * part, top), top * part) for part in (1, 0.5, 0)]
    return Chart(line, area, before, round(width, 2), columns, ticks)


def sparkline(values: Sequence[Number]) -> str:
    """The shape of a series, from the smallest value at the bottom to the largest at the top."""
    low, high = float(min(values)), float(max(values))
    span = (high - low) or 1.0
    width = 100 / max(1, len(values) - 1)
    return path([(round(n * width, 1), round(92 - 84 * (float(value) - low) / span)) for n, value in enumerate(values)])


@dataclass(frozen=True, slots=True)
class Bar:
    """A day's bar, of parts that stand on each other from the bottom up: y and height of each."""

    x: float
    width: float
    parts: list[tuple[float, float]]


def bars(days: Sequence[Sequence[int]]) -> tuple[list[Bar], float]:
    """A bar a day, and the value that the top of the chart stands for."""
    top = axis_top(max((float(sum(parts)) for parts in days), default=0.0))
    step = 100 / max(1, len(days))
    return [
        Bar(round((n + 0.15) * step, 2), round(0.7 * step, 2), _stacked(day, top)) for n, day in enumerate(days)
    ], top


def _stacked(parts: Sequence[int], top: float) -> list[tuple[float, float]]:
    placed, below = [], 0.0
    for value in parts:
        height = 100 * value / top
        below += height
        placed.append((round(100 - below, 2), round(height, 2)))
    return placed


def path(points: Sequence[tuple[float, float]]) -> str:
    """Straight lines through the points."""
    return "M" + " L".join(f"{x} {y}" for x, y in points)


def axis_top(highest: float) -> float:
    """A round number not below the highest value, whose half is easy to read as well."""
    if highest <= 10:
        return 2.0 * max(1, math.ceil(highest / 2))
    power = 10.0 ** math.floor(math.log10(highest))
    return next(step * power for step in _STEPS if step * power >= highest)


def _centre(position: int, width: float) -> float:
    return round((position + 0.5) * width, 2)


def _height(value: float | Number, top: float) -> float:
    return round(100 - (100 - _HEADROOM) * float(value) / top, 1)
