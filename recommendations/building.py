"""From interactions and catalogue to the tables that are served: runs the pure algorithms and names their results."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from catalog.reading import ItemContent


def build(items: Sequence[ItemContent], interactions: pa.Table) -> tuple[dict[str, pa.Table], dict[str, Any]]:
    raise NotImplementedError


def packed_lists(table: pa.Table) -> Iterator[tuple[str, bytes]]:
    raise NotImplementedError
