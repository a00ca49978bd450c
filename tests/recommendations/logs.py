"""Logs and test sets as files."""

from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from recommendations.logs import reading
from recommendations.logs.reading import Log


def written(path: Path, columns: dict[str, Any]) -> Path:
    """A Parquet file of these columns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.table(columns), path)
    return path


def of_sessions(*sessions: str) -> dict[str, list[Any]]:
    """A log of sessions, each the letters of a word."""
    rows = [(number, pos, item) for number, word in enumerate(sessions) for pos, item in enumerate(word)]
    session, pos, item = (list(column) for column in zip(*rows, strict=True))
    return {"session": session, "pos": pos, "item": item}


def asked(*cases: tuple[str, str]) -> dict[str, list[Any]]:
    """A test set: pairs of a prefix and the targets, each the letters of a word."""
    return {"prefix": [list(prefix) for prefix, _ in cases], "target": [list(targets) for _, targets in cases]}


def log_of(path: Path) -> Log:
    """The log in a file, with what is written of it beside the file."""
    folder = path.with_name(f"{path.name}.kept")
    folder.mkdir(parents=True, exist_ok=True)
    return reading.read(path, folder)
