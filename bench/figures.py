"""Figures beside their bars, as a table and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure and what it should come to.

    `value` is None if it could not be measured; `note` then says why. `bar`: the least it should be, None for what is
    only reported. `interval`: 95 %. `difference`: value - bar with its interval, where the bar was measured on the same
    cases; it is missed then only if all of the interval is below 0.
    """

    name: str
    value: float | None = None
    bar: float | None = None
    interval: tuple[float, float] | None = None
    difference: tuple[float, float] | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the bar is reached; None where there is nothing to compare."""
        if self.value is None or self.bar is None:
            return None
        return self.difference[1] >= 0 if self.difference else self.value >= self.bar


def table(figures: Sequence[Figure]) -> str:
    """A line for each figure."""
    width = max(len(figure.name) for figure in figures)
    lines = [f"{'':{width}}  value   95 %           bar          ", *(_line(figure, width) for figure in figures)]
    return "\n".join(line.rstrip() for line in lines)


def as_json(figures: Sequence[Figure]) -> str:
    """A list of objects."""
    return json.dumps([{**asdict(figure), "met": figure.met} for figure in figures], indent=2)


def _line(figure: Figure, width: int) -> str:
    if figure.value is None:
        return f"{figure.name:{width}}  skipped: {figure.note}"
    met = {None: "", True: "met", False: "MISSED"}[figure.met]
    bar = "" if figure.bar is None else f"{figure.bar:.4f}"
    interval = _range(figure.interval, ".3f")
    apart = f"difference {_range(figure.difference, '+.3f')}" if figure.difference else ""
    told = "; ".join(part for part in (apart, figure.note) if part)
    return f"{figure.name:{width}}  {figure.value:.4f}  {interval:13}  {bar:6}  {met:6}  {told}"


def _range(ends: tuple[float, float] | None, form: str) -> str:
    return f"{ends[0]:{form}} to {ends[1]:{form}}" if ends else ""
