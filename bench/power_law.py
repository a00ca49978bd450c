"""A log of a shop by a seeded generator: popularity by a power law, sessions about one corner of the shop.

Run:  .venv/bin/python -m bench.power_law /tmp/log --events 10000000

Writes Parquet files with the columns of `events.reading.INTERACTIONS` and the items' numbers (`item`, which `item_id`
spells out), in order of time, chunk by chunk, so that memory does not grow with the log. The same arguments give the
same log. What it is made of:

- one item for every hundred events, at most 500,000; the r-th most popular is drawn in proportion to 1 / (r + 10);
- sessions of geometric lengths, 5 steps in the mean, spread over 90 days; 70 % of the steps stay within about 20 places
  of the one before, in an order of the shop's items that has nothing to do with popularity;
- one visitor for every ten events, a few of whom come back far more often than the rest;
- 3 % of steps put into the cart; one session in forty ends with an order of its last steps, 1 % of all events.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import gcd
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

Numbers = NDArray[Any]
SCHEMA: Final = pa.schema(
    [
        ("visitor", pa.string()),
        ("session", pa.string()),
        ("type", pa.string()),
        ("item_id", pa.string()),
        ("item", pa.int64()),
        ("occurred_at", pa.timestamp("us", tz="UTC")),
        ("order_id", pa.string()),
        ("quantity", pa.int32()),
    ]
)
BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)
PERIOD: Final = timedelta(days=90)
CHUNK: Final = 1_000_000
SESSION_LENGTH: Final = 5
TYPES: Final = pa.array(["view", "add_to_cart", "purchase"])
VIEW, CART, PURCHASE = range(3)
HEX: Final = np.frombuffer("".join(f"{n:02x}" for n in range(256)).encode(), np.uint16)


@dataclass(frozen=True)
class Log:
    """How large, from which seed, and whether the shop names its sessions (else they follow from pauses)."""

    events: int
    seed: int = 1
    named_sessions: bool = True

    @property
    def items(self) -> int:
        return min(max(self.events // 100, 100), 500_000)

    @property
    def visitors(self) -> int:
        return max(self.events // 10, 1)


def write(log: Log, directory: Path) -> None:
    """Write the log as Parquet files of a million rows into a new directory."""
    directory.mkdir(parents=True)
    for number, chunk in enumerate(chunks(log)):
        parquet.write_table(chunk, directory / f"{number:04}.parquet", compression="snappy")


def chunks(log: Log) -> Iterator[pa.Table]:
    """The log in order of time, at most a million rows at once (SCHEMA)."""
    for begin in range(0, log.events, CHUNK):
        rows = min(CHUNK, log.events - begin)
        yield _chunk(log, begin, rows, np.random.default_rng((log.seed, begin)))


def _chunk(log: Log, begin: int, rows: int, random: np.random.Generator) -> pa.Table:
    lengths = _lengths(rows, random)
    session = np.repeat(np.arange(len(lengths)), lengths)
    step = np.arange(rows) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    ordered = _ordered(lengths, session, step, random)
    moments = _moments(log, begin, lengths, step, ordered, random)
    types = np.where(ordered, PURCHASE, np.where(random.random(rows) < 0.03, CART, VIEW))
    items = _items(log, step, random)
    # A visitor's number by the square of a uniform number: the first ones come back much more often than the last.
    who = (log.visitors * random.random(len(lengths)) ** 2).astype(np.int64)
    keys = begin + np.arange(len(lengths))
    return pa.table(
        [
            _names(who, salt=1).take(pa.array(session)),
            _names(keys, salt=2).take(pa.array(session)) if log.named_sessions else pa.nulls(rows, pa.string()),
            TYPES.take(pa.array(types)),
            pa.array(items).cast(pa.string()),
            pa.array(items),
            pa.array(moments, pa.timestamp("us", tz="UTC")),
            _names(keys, salt=3).take(pa.array(session, mask=~ordered)),
            pa.array(np.where(random.random(rows) < 0.8, 1, 2), pa.int32(), mask=~ordered),
        ],
        schema=SCHEMA,
    )


def _lengths(rows: int, random: np.random.Generator) -> Numbers:
    """Lengths of sessions that come to exactly so many rows."""
    lengths = random.geometric(1 / SESSION_LENGTH, rows)
    ends = np.cumsum(lengths)
    last = int(np.searchsorted(ends, rows))
    kept = lengths[: last + 1]
    kept[-1] -= ends[last] - rows
    return kept


def _ordered(lengths: Numbers, session: Numbers, step: Numbers, random: np.random.Generator) -> NDArray[np.bool_]:
    """Which steps are the lines of the order that ends their session."""
    lines = np.where(random.random(len(lengths)) < 1 / 40, random.geometric(0.4, len(lengths)), 0)
    left: NDArray[np.bool_] = (lengths[session] - step) <= lines[session]
    return left


def _moments(  # noqa: PLR0917 - columns of one table
    log: Log, begin: int, lengths: Numbers, step: Numbers, ordered: NDArray[np.bool_], random: np.random.Generator
) -> Numbers:
    """Microseconds of the epoch: sessions one after the other, steps half a minute apart, an order's lines together."""
    slice_of = PERIOD / timedelta(microseconds=1) / log.events
    starts = BEGIN.timestamp() * 1e6 + (begin + np.sort(random.random(len(lengths))) * len(step)) * slice_of
    pauses = np.where((step == 0) | ordered, 0, random.exponential(30e6, len(step)))
    passed = np.cumsum(pauses)
    firsts = np.cumsum(lengths) - lengths
    moments: Numbers = (np.repeat(starts - passed[firsts], lengths) + passed).astype(np.int64)
    return moments


def _items(log: Log, step: Numbers, random: np.random.Generator) -> Numbers:
    """Item numbers from 1: a popular one, then mostly near the one before, now and then another popular one."""
    rows = len(step)
    jumps = (step == 0) | (random.random(rows) < 0.3)
    drawn = _place(_popular(log.items, rows, random), log.items)
    moves = np.where(jumps, 0, np.rint(random.laplace(0, 8, rows)).astype(np.int64))
    walked = np.cumsum(moves)
    last_jump = np.maximum.accumulate(np.where(jumps, np.arange(rows), 0))
    items: Numbers = (drawn[last_jump] + walked - walked[last_jump]) % log.items + 1
    return items


def _popular(items: int, rows: int, random: np.random.Generator) -> Numbers:
    """Ranks from 0, drawn in proportion to 1 / (rank + 10)."""
    ranks: Numbers = (10 * ((items + 10) / 10) ** random.random(rows) - 10).astype(np.int64)
    return ranks


def _place(ranks: Numbers, items: int) -> Numbers:
    """Where in the shop's order an item of a rank is: as far from the ranks before it as the golden ratio goes."""
    factor = int(items * 0.618)
    while gcd(factor, items) > 1:
        factor += 1
    places: Numbers = ranks * factor % items
    return places


def _names(numbers: Numbers, salt: int) -> pa.StringArray:
    """Ids of 32 hexadecimal digits, as browsers make them."""
    halves = np.stack([_mixed(numbers, 2 * salt), _mixed(numbers, 2 * salt + 1)], axis=1)
    digits = HEX[halves.view(np.uint8).reshape(len(numbers), 16)]
    offsets = np.arange(len(numbers) + 1, dtype=np.int32) * 32
    return pa.StringArray.from_buffers(len(numbers), pa.py_buffer(offsets), pa.py_buffer(digits))


def _mixed(numbers: Numbers, salt: int) -> Numbers:
    """The finisher of SplitMix64: a bijection of 64 bits that leaves no pattern."""
    mixed = numbers.astype(np.uint64) + np.uint64(salt * 0x9E3779B97F4A7C15 % 2**64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    finished: Numbers = mixed ^ (mixed >> np.uint64(31))
    return finished


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("directory", type=Path)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--by-pauses", action="store_true", help="leave session ids out")
    options = parser.parse_args()
    write(Log(options.events, options.seed, not options.by_pauses), options.directory)


if __name__ == "__main__":
    main()
