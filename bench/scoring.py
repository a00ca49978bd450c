"""How long one merge of a session's neighbour lists takes.

Run:  .venv/bin/python -m bench.scoring

Ten anchors, 50 neighbours each in which popular items recur, the ten best without the items seen, as `session` asks for
them. The median of many, and the processor's time for one.
"""

import time
from statistics import median

import numpy as np

from recommendations.algorithms.scoring import ENTRY, merge

ANCHORS, NEIGHBOURS, LIMIT = 10, 50, 10


def sessions(count: int = 200, items: int = 20_000) -> list[list[bytes]]:
    """Lists of distinct items, more of them popular than not, scores falling as in a trained table."""
    random = np.random.default_rng(1)

    def packed() -> bytes:
        entries = np.empty(NEIGHBOURS, ENTRY)
        drawn = np.unique((items ** random.random(4 * NEIGHBOURS)).astype(int))
        entries["item"] = random.permutation(drawn)[:NEIGHBOURS]
        entries["score"] = np.sort(np.minimum(random.pareto(2, NEIGHBOURS) * 10, 1024))[::-1]
        entries["count"] = random.integers(1, 100, NEIGHBOURS)
        return entries.tobytes()

    return [[packed() for _ in range(ANCHORS)] for _ in range(count)]


def main() -> None:
    cases = sessions()
    weights = np.exp(-np.arange(ANCHORS) / 1.5).tolist()
    times, cpu = [], time.process_time()
    rounds = 50
    for _ in range(rounds):
        for lists in cases:
            began = time.perf_counter_ns()
            merge(lists, weights, exclude=(1, 2, 3), limit=LIMIT)
            times.append(time.perf_counter_ns() - began)
    cpu = time.process_time() - cpu
    print(f"merge of {ANCHORS} lists of {NEIGHBOURS}: median {median(times) / 1000:.1f} µs, "
          f"processor {cpu / len(times) * 1e6:.1f} µs in the mean, {len(times):,} merges")  # fmt: skip


if __name__ == "__main__":
    main()
