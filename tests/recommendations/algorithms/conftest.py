from collections.abc import Callable, Iterator

import ibis
import pyarrow as pa
import pytest

from recommendations.algorithms.engine import open_engine

Run = Callable[[ibis.Table], pa.Table]


@pytest.fixture(scope="session")
def run() -> Iterator[Run]:
    """Executes an expression on a bounded engine."""
    with open_engine(memory_limit="1GB", threads=2) as engine:
        yield engine.to_pyarrow
