"""What no shopper does, added to a log: what the limits of the building jobs are for."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from bench.power_law import BEGIN, PERIOD, SCHEMA

Numbers = NDArray[Any]


def write(path: Path) -> None:
    """Write four million events as one Parquet file (`power_law.SCHEMA`)."""
    parquet.write_table(pa.concat_tables([_one_visitor(), _one_item(), _endless(), _one_moment()]), path)


def _one_visitor(events: int = 1_000_000) -> pa.Table:
    """A visitor with a million events in a single session, five seconds apart."""
    moments = _start() + np.arange(events) * 5_000_000
    return _table(np.zeros(events, int), np.zeros(events, int), _scattered(events), moments)


def _one_item(sessions: int = 1_000_000) -> pa.Table:
    """A million sessions that hold the same item, and one other each."""
    session = np.repeat(np.arange(sessions), 2)
    item = np.where(np.arange(2 * sessions) % 2 == 0, 1, np.repeat(_scattered(sessions), 2))
    moments = _start() + session * 1_000_000 + np.arange(2 * sessions) % 2 * 1_000_000
    return _table(1 + session, session, item, moments)


def _endless(visitors: int = 100, steps: int = 10_000) -> pa.Table:
    """Visitors without session ids who never pause for half an hour."""
    visitor = np.repeat(np.arange(visitors), steps)
    moments = _start() + np.tile(np.arange(steps), visitors) * int(timedelta(minutes=12) / timedelta(microseconds=1))
    table = _table(2_000_000 + visitor, visitor, _scattered(visitors * steps), moments)
    return table.set_column(1, "session", pa.nulls(table.num_rows, pa.string()))


def _one_moment(visitors: int = 100, steps: int = 5_000) -> pa.Table:
    """Visitors all of whose events have the same time."""
    visitor = np.repeat(np.arange(visitors), steps)
    moments = np.full(visitors * steps, _start())
    return _table(3_000_000 + visitor, visitor, _scattered(visitors * steps), moments)


def _start() -> int:
    return int((BEGIN + PERIOD - timedelta(days=85)).timestamp() * 1_000_000)


def _scattered(count: int) -> Numbers:
    return np.arange(count) * 7_919 % 100_000 + 1


def _table(visitor: Numbers, session: Numbers, item: Numbers, moments: Numbers) -> pa.Table:
    count = len(item)
    return pa.table(
        [
            pa.array(np.char.add("hostile", visitor.astype(str)).tolist()),
            pa.array(session).cast(pa.string()),
            pa.repeat("view", count),
            pa.array(item).cast(pa.string()),
            pa.array(item),
            pa.array(moments, pa.timestamp("us", tz="UTC")),
            pa.nulls(count, pa.string()),
            pa.nulls(count, pa.int32()),
        ],
        schema=SCHEMA,
    )
