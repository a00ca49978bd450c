"""The bounded table engine that executes the building jobs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ibis


@contextmanager
def open_engine(
    *, memory_limit: str = "3GB", threads: int = 2, spill: Path | None = None
) -> Iterator[ibis.BaseBackend]:
    """Give an in-memory DuckDB connection that stays under a memory limit, closed on leaving.

    Beyond `memory_limit` (DuckDB's notation) intermediate results are written to `spill`, by default `.tmp` in the
    working directory; a job that cannot be spilled raises duckdb.OutOfMemoryException.
    """
    settings = {"memory_limit": memory_limit, "threads": threads, "preserve_insertion_order": False}
    if spill is not None:
        settings["temp_directory"] = str(spill)
    engine = ibis.duckdb.connect(**settings)
    try:
        yield engine
    finally:
        engine.disconnect()
