"""A store of files for each test, and a server of feeds that may be asked."""

from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from tests.catalog.imports.feeds import FeedServer, serving


@pytest.fixture(autouse=True)
def store(settings: Any, tmp_path: Path) -> Path:
    settings.IMPORT_STORE = tmp_path / "imports"
    return tmp_path / "imports"


@pytest.fixture
def feeds(settings: Any) -> Iterator[FeedServer]:
    settings.IMPORT_NETWORKS = [ip_network("127.0.0.0/8")]
    with serving() as server:
        yield server
