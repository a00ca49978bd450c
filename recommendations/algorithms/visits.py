"""A shop's visits as lists of moments, repeats included; apart from `returning`, which the hot path loads."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

import ibis
import pyarrow as pa

LOOKS: Final = ("view", "click")
NEWEST_LOOKS: Final = 150_000


def visits(interactions: ibis.Table, gap_minutes: int = 30) -> Iterator[list[tuple[int, ...]]]:
    """The shop's newest visits out of interactions (INTERACTIONS): the items looked at at each moment, oldest first.

    A session id holds within its visitor; elsewhere a pause splits. The expression is executed.
    """
    looks = interactions.filter(interactions.type.isin(LOOKS), interactions.visitor.notnull())
    newest = looks.order_by(ibis.desc("occurred_at")).limit(NEWEST_LOOKS)
    columns = newest.select("visitor", "session", "occurred_at", "item").distinct().to_pyarrow()
    moments = columns["occurred_at"].cast(pa.int64())  # microseconds
    named = (columns["visitor"], columns["session"], moments, columns["item"])
    rows = zip(*(column.to_pylist() for column in named), strict=True)
    ordered = sorted(rows, key=lambda row: (row[0], row[1] or "", *row[2:]))
    for (_, session), of_visitor in groupby(ordered, key=lambda row: row[:2]):
        steps = [(when, tuple(row[3] for row in some)) for when, some in groupby(of_visitor, key=lambda row: row[2])]
        yield from [[items for _, items in steps]] if session else _split(steps, gap_minutes * 60)


def _split(steps: Sequence[tuple[int, tuple[int, ...]]], gap: int) -> Iterator[list[tuple[int, ...]]]:
    """The moments of a visitor without session ids, cut at pauses of more than `gap` seconds."""
    visit: list[tuple[int, ...]] = []
    for place, (moment, items) in enumerate(steps):
        if visit and moment - steps[place - 1][0] > gap * 1_000_000:
            yield visit
            visit = []
        visit.append(items)
    yield visit
