"""What judging costs beside the asking: dividing sessions, drawing cases, measuring slates, intervals.

Run with `python -m bench.evaluation`. Everything is made from a seed; nothing is asked of a model.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import ibis
import numpy as np

from recommendations.algorithms.engine import open_engine
from recommendations.evaluation.cases import next_item_cases
from recommendations.evaluation.holdout import divide_sessions, split_moment
from recommendations.evaluation.metrics import catalogue
from recommendations.evaluation.runner import evaluate
from recommendations.evaluation.types import Case

ITEMS = 30_000
STEPS_EACH = 4


@contextmanager
def timed(what: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    print(f"{what}: {time.perf_counter() - began:.2f} s")


def made_sessions(engine: ibis.BaseBackend, steps: int) -> ibis.Table:
    engine.con.execute(
        f"""CREATE TABLE steps AS
        SELECT 'visitor-' || s AS session, p AS position, (hash(s * 7 + p) % {ITEMS})::bigint AS item,
        (timestamp '2026-01-01' + s * interval 3 second)::timestamptz AS ended_at
        FROM range({steps // STEPS_EACH}) sessions(s), range({STEPS_EACH}) positions(p)"""
    )
    return engine.table("steps")


def held_out(steps: int) -> list[Case]:
    with open_engine() as engine:
        sessions = made_sessions(engine, steps)
        with timed(f"moment that divides {steps:,} steps"):
            moment = split_moment(sessions)
        assert moment
        with timed("drawing 10,000 cases"):
            return next_item_cases(divide_sessions(sessions, moment).held_out)


def measure(cases: list[Case], k: int) -> None:
    generator = np.random.default_rng(1)
    known = catalogue(range(ITEMS), generator.integers(0, ITEMS, 1_000_000))
    slates = [generator.choice(ITEMS, k, replace=False) for _ in range(100)]

    def recommend(prefixes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
        return [slates[len(prefix) % 100] for prefix in prefixes]

    with timed(f"measuring {len(cases):,} slates of {k}"):
        results = evaluate("made", recommend, cases, k, known)
    with timed(f"summing them up with intervals, {len(set(results.units)):,} visits"):
        assert results.quality.n == len(cases)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10_000_000)
    parser.add_argument("--k", type=int, default=20)
    options = parser.parse_args()
    cases = held_out(options.steps)
    measure(cases, options.k)
    measure(cases * 5, options.k)


if __name__ == "__main__":
    main()
