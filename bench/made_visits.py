"""Two made logs of visits, as unlike each other and `bench.power_law` as shops are; the same seed gives the same log.

`topics`: a visit is about one or two of many topics and turns to their items in no order, mostly popular ones; topics
have their season. `successors`: most items lead to a few certain others, a visit often goes back to what it has seen,
and every fortnight a part of the items leads elsewhere.
"""

from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from recommendations.algorithms.types import INTERACTIONS

Numbers = NDArray[Any]
BEGIN: Final = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
DAY: Final = 86_400
DAYS: Final = 60


def topics(visits: int = 20_000, items: int = 1_500, number: int = 60, seed: int = 1) -> pa.Table:
    """Visits (INTERACTIONS) of topics: five steps in the mean, one in ten about anything."""
    random = np.random.default_rng(seed)
    of_topic = np.array_split(random.permutation(items), number)
    season = random.random(number)
    found = []
    for begun in np.sort(random.random(visits)):
        weights = 1.1 + np.cos(2 * np.pi * (season - begun))
        chosen = random.choice(number, 1 + (random.random() < 0.2), p=weights / weights.sum())
        steps = 2 + random.geometric(1 / 4)
        shelf = [of_topic[topic] for topic in random.choice(chosen, steps)]
        liked = [some[int(len(some) * random.random() ** 2)] for some in shelf]
        found.append((begun, np.where(random.random(steps) < 0.1, random.integers(items, size=steps), liked)))
    return _interactions(found, random)


def successors(visits: int = 20_000, items: int = 3_000, seed: int = 1) -> pa.Table:
    """Visits (INTERACTIONS) along successors: five steps in the mean, three in twenty go back."""
    random = np.random.default_rng(seed)
    following = random.integers(items, size=(items, 3))
    found, period = [], 0
    for begun in np.sort(random.random(visits)):
        if int(begun * DAYS / 14) > period:
            period += 1
            moved = random.random(items) < 0.15
            following[moved] = random.integers(items, size=(moved.sum(), 3))
        found.append((begun, _walk(following, 1 + random.geometric(1 / 4), random)))
    return _interactions(found, random)


def _walk(following: Numbers, steps: int, random: np.random.Generator) -> Numbers:
    items = len(following)
    walked = [int(items * random.random() ** 3)]
    for drawn in random.random(steps - 1):
        if drawn < 0.15:
            walked.append(walked[random.integers(len(walked))])
        elif drawn < 0.85:
            walked.append(int(following[walked[-1], np.searchsorted([0.6, 0.85], (drawn - 0.15) / 0.7)]))
        else:
            walked.append(int(items * random.random() ** 3))
    return np.array(walked)


def _interactions(visits: list[tuple[float, Numbers]], random: np.random.Generator) -> pa.Table:
    """Visits (when each began, as a share of the period, and its items) a minute a step, by a visitor each."""
    sizes = [len(items) for _, items in visits]
    visit = np.repeat(np.arange(len(visits)), sizes)
    steps = np.arange(sum(sizes)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    begun = np.repeat([BEGIN + begun * DAYS * DAY for begun, _ in visits], sizes)
    pauses = random.exponential(20, len(steps))
    moments = ((begun + 60 * steps + np.minimum(pauses, 59)) * 1e6).astype(np.int64)
    nothing = pa.nulls(len(steps))
    names = pa.array(visit).cast(pa.string())
    columns = {
        "visitor": names,
        "session": names,
        "type": pa.repeat("view", len(steps)),
        "item": pa.array(np.concatenate([items for _, items in visits])),
        "occurred_at": pa.array(moments, pa.timestamp("us", "UTC")),
        "order_id": nothing,
        "quantity": nothing,
    }
    schema = INTERACTIONS.to_pyarrow()
    return pa.table([columns[name].cast(schema.field(name).type) for name in schema.names], schema=schema)
