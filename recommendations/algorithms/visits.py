"""A shop's visits as lists of items, repeats included; apart from `returning`, which the hot path loads."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final

import ibis
import pyarrow as pa

LOOKS: Final = ("view", "click")
NEWEST_LOOKS: Final = 150_000


def visits(interactions: ibis.Table, gap_minutes: int = 30) -> Iterator[list[int]]:
    """The shop's newest visits out of interactions (INTERACTIONS): items looked at, oldest first, repeats included.

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
        steps = list(of_visitor)
        yield from [[row[3] for row in steps]] if session else _split(steps, gap_minutes * 60)


def _split(steps: Sequence[Any], gap: int) -> Iterator[list[int]]:
    """The steps of a visitor without session ids, cut at pauses of more than `gap` seconds."""
    visit: list[int] = []
    for place, (_, _, moment, item) in enumerate(steps):
        if visit and moment - steps[place - 1][2] > gap * 1_000_000:
            yield visit
            visit = []
        visit.append(item)
    yield visit
