"""What the building jobs cost: seconds, memory and spilled bytes, on the log of `bench.power_law`.

Run:  .venv/bin/python -m bench.training --events 1000000 10000000 --jobs coview baskets content build

Every job runs in a process of its own, from Parquet files to finished tables, with the engine's limits. "CPU" is what
the job computed on all cores together: it says what a quieter machine would take. The logs are made once, under
`--directory`, and kept there.

The jobs: `coview` and `baskets` over the log; `popular` as well; `content`, similar items of a catalogue of `--items`;
`build`, the whole model (`training.building.build`) of the log and a catalogue of all its items. `worst` is the
co-view job over a log to which one visitor adds a million events, every session the same item, and a thousand visitors
one session each of ten thousand steps, half of them at one moment.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

import ibis

from bench import hostile, power_law
from recommendations.algorithms import baskets, content, coview, popularity, sessions
from recommendations.algorithms.engine import open_engine
from recommendations.algorithms.parts import in_parts_of
from recommendations.algorithms.types import INTERACTIONS, CatalogItem

Job = Callable[[Path, int, Path], int]


def _coview(engine: Any, interactions: ibis.Table) -> ibis.Table:
    steps = sessions.numbered_sessions(interactions, in_parts=in_parts_of(engine))
    return coview.coview_of_sessions(steps, keep=engine.create_table)


def _over_the_log(job: Callable[[Any, ibis.Table], ibis.Table]) -> Job:
    def run(log: Path, _: int, spill: Path) -> int:
        with open_engine(spill=spill) as engine:
            interactions = engine.read_parquet(log / "*.parquet").select(*INTERACTIONS.names).cast(INTERACTIONS)
            return int(engine.create_table("made", job(engine, interactions)).count().execute())

    return run


def _content(_: Path, items: int, spill: Path) -> int:
    with open_engine(spill=spill) as engine:
        return int(engine.create_table("made", content.similar(_catalogue(items))).count().execute())


def _build(log: Path, items: int, spill: Path) -> int:
    os.environ["TMPDIR"] = str(spill)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recomengine.settings")
    import django

    django.setup()
    from catalog.reading import ItemContent
    from recommendations.training import building

    texts = [
        ItemContent(id=item.item, item_id=str(item.item), title=item.title, brand=item.brand,
                    categories=item.categories, attributes=item.attributes)
        for item in _catalogue(items)
    ]  # fmt: skip
    began = time.perf_counter()

    def progress(name: str) -> None:
        print(f"    {time.perf_counter() - began:7.1f} s: {name}", file=sys.stderr)

    tables, _ = building.build(texts, log, progress=progress)
    return sum(table.num_rows for table in tables.values())


JOBS: Final[dict[str, Job]] = {
    "coview": _over_the_log(_coview),
    "worst": _over_the_log(_coview),
    "baskets": _over_the_log(lambda _, interactions: baskets.bought_together(interactions)),
    "popular": _over_the_log(lambda _, interactions: popularity.popular(interactions)),
    "content": _content,
    "build": _build,
}


def _catalogue(items: int) -> list[CatalogItem]:
    """Titles of five words by a power law, one of 200 brands and of 300 categories."""
    import numpy as np

    random = np.random.default_rng(1)
    words = (20_000 ** random.random((items, 5))).astype(int)
    brands, categories = random.integers(200, size=items), random.integers(300, size=items)
    return [
        CatalogItem(
            n + 1, " ".join(f"word{word}" for word in words[n]), f"Brand {brands[n]}", (f"Shelf > Kind{categories[n]}",)
        )
        for n in range(items)
    ]


def measured(name: str, log: Path, items: int, spill: Path) -> dict[str, Any]:
    """Run a job in this process."""
    spill.mkdir(exist_ok=True)
    with _largest(spill) as spilled:
        began = time.perf_counter()
        rows = JOBS[name](log, items, spill)
        seconds = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "rows": rows,
        "seconds": seconds,
        "cpu": used.ru_utime + used.ru_stime,
        "peak": used.ru_maxrss / 2**20,
        "spilled": spilled[0] / 2**30,
    }


@contextmanager
def _largest(directory: Path) -> Iterator[list[int]]:
    """The most bytes that lie below a directory during the block."""
    most, done = [0], Event()

    def watch() -> None:
        while not done.wait(0.25):
            most[0] = max(most[0], sum(_size(path) for path in directory.rglob("*")))

    watcher = Thread(target=watch)
    watcher.start()
    try:
        yield most
    finally:
        done.set()
        watcher.join()


def _size(path: Path) -> int:
    try:
        return path.stat().st_blocks * 512
    except FileNotFoundError:
        return 0


def _child(name: str, log: Path, items: int, spill: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.training", "--child", name, "--log", str(log), "--items", str(items)]
    answer = subprocess.run([*command, "--directory", str(spill)], check=True, stdout=subprocess.PIPE)
    figures: dict[str, Any] = json.loads(answer.stdout)
    return figures


def _log(directory: Path, events: int, by_pauses: bool, worst: bool) -> Path:
    name = f"{events}{'-by-pauses' if by_pauses else ''}{'-worst' if worst else ''}"
    if not (directory / name).exists():
        made = directory / f"{name}.partial"
        power_law.write(power_law.Log(events, named_sessions=not by_pauses), made)
        if worst:
            hostile.write(made / "hostile.parquet")
        made.rename(directory / name)
    return directory / name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=["coview"])
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--by-pauses", action="store_true", help="events without session ids")
    parser.add_argument("--directory", type=Path, default=Path("/tmp/power-law"))
    parser.add_argument("--child", choices=JOBS, help=argparse.SUPPRESS)
    parser.add_argument("--log", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measured(options.child, options.log, options.items, options.directory)))
        return
    options.directory.mkdir(parents=True, exist_ok=True)
    for events in options.events:
        for name in options.jobs:
            log = _log(options.directory, events, options.by_pauses, name == "worst")
            run = _child(name, log, options.items, options.directory / "spill")
            print(
                f"{name:8} {events:>11,} events: {run['seconds']:6.1f} s, {events / run['seconds']:>11,.0f} a second, "
                f"CPU {run['cpu']:6.1f} s, peak {run['peak']:.2f} GB, spilled {run['spilled']:.2f} GB, "
                f"{run['rows']:,} rows",
                flush=True,
            )


if __name__ == "__main__":
    main()
