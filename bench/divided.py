"""Divide a log of visits into a training log and a test set that `manage.py evaluate` takes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import parquet

from bench.vstan import Session
from recommendations.algorithms.types import POSITIVE_TYPES

Numbers = NDArray[Any]
HELD_OUT: Final = 0.1
CASES: Final = 2_000
PER_VISIT: Final = 20
NEVER: Final = np.iinfo(np.int64).max
PAUSE: Final = 30 * 60 * 1_000_000  # microseconds; a longer one ends a visit


@dataclass(frozen=True, slots=True)
class Visits:
    """Events visit by visit, oldest first: rows of INTERACTIONS, and where each visit begins and ends among them."""

    events: pa.Table
    starts: Numbers
    ends: Numbers

    def ended(self) -> Numbers:
        """When each visit ended, in microseconds."""
        found: Numbers = _moments(self.events)[self.ends - 1]
        return found


def visits_of(interactions: pa.Table, pause: int = PAUSE) -> Visits:
    """The visits in interactions (INTERACTIONS): what a visitor did under a session id, or without a pause."""
    known = interactions.filter(pc.is_in(interactions["type"], pa.array(POSITIVE_TYPES)))
    events = known.sort_by([(name, "ascending") for name in ("visitor", "session", "occurred_at", "item")])
    moments = _moments(events)
    who, session = (_codes(events[name]) for name in ("visitor", "session"))
    unnamed = events["session"].is_null().to_numpy()
    same = (who[1:] == who[:-1]) & (session[1:] == session[:-1]) & ~(unnamed[1:] & (np.diff(moments) > pause))
    starts = np.flatnonzero(np.concatenate([[True], ~same]))
    return Visits(events, starts, np.append(starts[1:], len(moments)))


def sessions_of(interactions: pa.Table, *, histories: bool = False) -> list[Session]:
    """The visits of two steps or more, or the `histories` of visitors, as VSTAN takes them."""
    visits = visits_of(interactions, NEVER if histories else PAUSE)
    items = visits.events["item"].to_numpy()
    found = zip(visits.starts.tolist(), visits.ends.tolist(), visits.ended().tolist(), strict=True)
    return [Session(ended, tuple(items[start:end].tolist())) for start, end, ended in found if end - start > 1]


def split(interactions: pa.Table, cases: int = CASES, seed: int = 1) -> tuple[pa.Table, pa.Table]:
    """A training log and a test set (prefix, target, session) out of interactions (INTERACTIONS).

    At most so many cases, at most `PER_VISIT` of one visit, drawn by a seed.
    """
    visits = visits_of(interactions)
    ended = visits.ended()
    newest = ended > np.quantile(ended, 1 - HELD_OUT)
    held = np.flatnonzero(newest & (visits.ends - visits.starts > 1))
    sizes = visits.ends - visits.starts
    training = visits.events.filter(pa.array(np.repeat(~newest, sizes)))
    generator = np.random.default_rng(seed)
    rows = [row for visit in held.tolist() for row in _steps(visits, visit, generator)]
    drawn = (
        rows if len(rows) <= cases else [rows[n] for n in np.sort(generator.choice(len(rows), cases, replace=False))]
    )
    return training, pa.Table.from_pylist(drawn)


def split_histories(interactions: pa.Table, cases: int = CASES, seed: int = 1) -> tuple[pa.Table, pa.Table]:
    """A training log up to a moment, and for every visitor who came back what she did next, out of all before it.

    Things done at one moment are one target.
    """
    events = interactions.sort_by([(name, "ascending") for name in ("visitor", "occurred_at", "item")])
    moments = _moments(events)
    moment = np.quantile(moments, 1 - HELD_OUT)
    training = events.filter(pa.array(moments <= moment))
    rows = zip(events["visitor"].to_pylist(), moments.tolist(), events["item"].to_pylist(), strict=True)
    earlier: dict[str, list[int]] = {}
    later: dict[str, tuple[int, list[int]]] = {}
    for visitor, when, item in rows:
        if when <= moment:
            earlier.setdefault(visitor, []).append(item)
        elif later.setdefault(visitor, (when, []))[0] == when:
            later[visitor][1].append(item)
    found = [
        {"prefix": earlier[visitor], "target": sorted(set(items)), "session": visitor}
        for visitor, (_, items) in later.items()
        if visitor in earlier
    ]
    return training, _drawn(found, cases, np.random.default_rng(seed))


def write(directory: Path, training: pa.Table, test: pa.Table) -> tuple[Path, Path]:
    """Both as files that `manage.py evaluate` takes."""
    names = {"visitor": "visitor_id", "session": "session_id", "item": "item_id"}
    renamed = training.rename_columns([names.get(name, name) for name in training.column_names])
    paths = directory / "train.parquet", directory / "test.parquet"
    for path, each in zip(paths, (renamed, test), strict=True):
        parquet.write_table(each, path)
    return paths


def _drawn(rows: list[dict[str, Any]], cases: int, generator: np.random.Generator) -> pa.Table:
    drawn = np.sort(generator.choice(len(rows), min(cases, len(rows)), replace=False))
    return pa.Table.from_pylist([rows[place] for place in drawn.tolist()])


def _steps(visits: Visits, visit: int, generator: np.random.Generator) -> Iterator[dict[str, Any]]:
    start, end = int(visits.starts[visit]), int(visits.ends[visit])
    items = visits.events["item"][start:end].to_pylist()
    places = np.arange(1, len(items))
    if len(places) > PER_VISIT:
        places = np.sort(generator.choice(places, PER_VISIT, replace=False))
    for place in places.tolist():
        yield {"prefix": items[:place], "target": [items[place]], "session": str(visit)}


def _moments(events: pa.Table) -> Numbers:
    moments: Numbers = events["occurred_at"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
    return moments


def _codes(column: pa.ChunkedArray) -> Numbers:
    encoded = column.combine_chunks().dictionary_encode()
    codes: Numbers = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return codes
