"""Events as a test sends and finds them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from tenants.types import TenantRef

Stored = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def stored(tenant_a: TenantRef) -> Stored:
    """What shop A's store holds: the named columns of every row, in the order of storing."""

    def rows(*columns: str) -> list[tuple[Any, ...]]:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {', '.join(columns)} FROM {tenant_a.schema}.events_event ORDER BY received_at, id")
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found

    return rows


@pytest.fixture
def files(settings: Any, tmp_path: Path) -> Path:
    """An empty archive in a directory."""
    settings.EVENT_ARCHIVE = str(tmp_path / "archive")
    return tmp_path / "archive"
