"""Large tables are worked on in parts that fit into memory: sorting them there is far cheaper than sorting on disk."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, TypeAlias

import ibis
from pyarrow import parquet

Derive: TypeAlias = Callable[[ibis.Table], ibis.Table]
InParts: TypeAlias = Callable[[str, ibis.Table, str, Derive], ibis.Table]
"""Takes a name, rows, an integer column of theirs, and what is to be derived of all rows that share a value of it."""

PARTS: Final = 32  # a power of two
ROWS: Final = 8_000_000  # worked on at once: sorting sessions of so many takes less than 2 GB


def as_a_whole(_: str, rows: ibis.Table, __: str, derive: Derive) -> ibis.Table:
    """Leave it all to the engine, in one expression (an `InParts`)."""
    return derive(rows)


def in_parts_of(engine: Any, rows_at_once: int = ROWS) -> InParts:
    """An `InParts` that keeps what is derived as a table of the engine.

    The rows are evaluated once, into files where the engine spills, which are removed in the end. What shares a value
    stays together, however many rows that are.
    """

    def in_parts(name: str, rows: ibis.Table, by: str, derive: Derive) -> ibis.Table:
        with TemporaryDirectory(dir=_spills_into(engine)) as directory:
            divided = rows.mutate(part=rows[by] & PARTS - 1)
            engine.to_parquet(divided, directory, partition_by="part", compression="lz4")
            engine.create_table(name, schema=derive(rows).schema())
            for files in _together(Path(directory), rows_at_once):
                engine.insert(name, derive(engine.read_parquet(files).select(*rows.columns)))
        table: ibis.Table = engine.table(name)
        return table

    return in_parts


def _spills_into(engine: Any) -> str:
    # Not by `engine.settings`, which leaves its query unfinished: the connection would refuse the next table.
    [[directory]] = engine.raw_sql("SELECT current_setting('temp_directory')").fetchall()
    return str(directory)


def _together(directory: Path, rows_at_once: int) -> Iterator[Sequence[Path]]:
    """The files of as many parts as have no more rows together, or of a larger one alone."""
    together: list[Path] = []
    rows = 0
    for part in sorted(directory.iterdir()):
        files = sorted(part.iterdir())
        found = sum(parquet.read_metadata(file).num_rows for file in files)
        if together and rows + found > rows_at_once:
            yield together
            together, rows = [], 0
        together, rows = [*together, *files], rows + found
    if together:
        yield together
