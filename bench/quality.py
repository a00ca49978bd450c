"""The figures of the recommendations' quality, each beside its bar.

Run:  .venv/bin/python -m bench.quality [--data DIRECTORY] [--json] [--parts sessions orders cold]

`--data` holds recordings that are not part of the project: `retailrocket_sessions_train.parquet` and `_test.parquet`,
`retailrocket_8days_events.parquet`, `rees46_sample.parquet`, `online_retail.parquet`. What is not there is skipped, and
said. The exit code is 1 if a bar is missed. Nothing needs a server; everything follows from seeds.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recomengine.settings")
django.setup()

from bench import figures, quality_cold, quality_orders, quality_sessions  # noqa: E402
from bench.figures import Figure  # noqa: E402

PARTS: Final[dict[str, Callable[[Path], Iterator[Figure]]]] = {
    "sessions": quality_sessions.figures,
    "orders": lambda _: quality_orders.figures(),
    "cold": lambda _: quality_cold.figures(),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    options = parser.parse_args()
    found = [figure for part in options.parts for figure in _measured(part, options.data)]
    print(figures.as_json(found) if options.json else figures.table(found))
    return int(any(figure.met is False for figure in found))


def _measured(part: str, data: Path) -> Iterator[Figure]:
    """The part's figures, each told as it comes, since all of them take minutes."""
    began = time.perf_counter()
    for figure in PARTS[part](data):
        print(f"{time.perf_counter() - began:6.0f} s  {figure.name}", file=sys.stderr, flush=True)
        yield figure


if __name__ == "__main__":
    sys.exit(main())
