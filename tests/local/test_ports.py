import socket
from collections.abc import Iterator

import pytest

from recomengine.local.errors import LocalServicesError
from recomengine.local.ports import configured_port, port_is_free, require_free_port


@pytest.fixture
def taken_port() -> Iterator[int]:
    server = socket.create_server(("127.0.0.1", 0))
    yield server.getsockname()[1]
    server.close()


def test_a_port_is_free_until_somebody_listens(taken_port: int) -> None:
    assert not port_is_free("127.0.0.1", taken_port)
    with socket.create_server(("127.0.0.1", 0)) as server:
        released = server.getsockname()[1]
    assert port_is_free("127.0.0.1", released)


def test_the_message_names_the_port_and_its_setting(taken_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOMENGINE_API_PORT", str(taken_port))
    with pytest.raises(LocalServicesError, match=rf"{taken_port} is in use .*RECOMENGINE_API_PORT"):
        require_free_port("127.0.0.1", "RECOMENGINE_API_PORT")


def test_an_address_of_another_machine_is_no_port_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOMENGINE_API_PORT", "5009")
    with pytest.raises(LocalServicesError, match=r"5009 on 192\.0\.2\.1 cannot be used"):
        require_free_port("192.0.2.1", "RECOMENGINE_API_PORT")


def test_ports_have_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RECOMENGINE_API_PORT", raising=False)
    monkeypatch.setenv("RECOMENGINE_DASHBOARD_PORT", "")
    assert configured_port("RECOMENGINE_API_PORT") == 5009
    assert configured_port("RECOMENGINE_DASHBOARD_PORT") == 3109


@pytest.mark.parametrize("value", ["http", "-1", "0", "65536", "80.5"])
def test_what_is_no_port_number_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECOMENGINE_API_PORT", value)
    with pytest.raises(LocalServicesError, match="RECOMENGINE_API_PORT"):
        configured_port("RECOMENGINE_API_PORT")
