"""The bounded table engine that executes the building jobs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import ibis


@contextmanager
def open_engine(
    *, memory_limit: str = "3GB", threads: int = 2, spill: Path | None = None
) -> Iterator[ibis.BaseBackend]:
    """Give an in-memory DuckDB connection that stays under a memory limit, closed on leaving.

    Beyond `memory_limit` (DuckDB's notation) intermediate results go to a temporary directory inside `spill` (by
    default the system's), removed on leaving; what cannot be spilled raises duckdb.OutOfMemoryException.
    """
    with TemporaryDirectory(prefix="recomengine-", dir=spill) as directory:
        engine = ibis.duckdb.connect(
            memory_limit=memory_limit, threads=threads, temp_directory=directory, preserve_insertion_order=False
        )
        try:
            yield engine
        finally:
            engine.disconnect()
