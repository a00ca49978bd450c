"""Requests that two servers in a row might read differently, over raw connections to granian as it runs."""

import json
import socket
from collections.abc import Iterator

import pytest

from tenants.models import AuditEntry, User
from tenants.types import TenantRef
from tests.accounts.conftest import EMAIL, PASSWORD
from tests.conftest import new_key
from tests.edge.test_processes import environment, serving  # noqa: F401 - a fixture

pytestmark = pytest.mark.slow
LOGIN = json.dumps({"email": EMAIL, "password": PASSWORD})


@pytest.fixture
def port(environment: dict[str, str]) -> Iterator[int]:  # noqa: F811
    with serving(environment | {"RECOMENGINE_TRUSTED_PROXIES": "1"}) as (port, _):
        yield port


def statuses(port: int, request: str) -> list[int]:
    """The status of every answer until the server closes or has nothing more to say."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=3) as client:
        try:
            client.sendall(request.encode("latin-1"))
            while more := client.recv(65536):
                received += more
        except (TimeoutError, ConnectionError):
            pass
    return [int(line.split()[1]) for line in received.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


def post(path: str, body: str, *headers: str) -> str:
    head = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *headers]
    return "\r\n".join(head) + "\r\n\r\n" + body


def test_what_is_read_differently_elsewhere_is_refused_or_read_as_the_standard_says(
    port: int, tenant_a: TenantRef
) -> None:
    key = f"X-API-Key: {new_key(tenant_a)}"
    hidden = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    chunked = "Transfer-Encoding: chunked"
    # Chunks win over a length, by which the body would be no JSON; what follows is no part of it.
    whole = post("/api/v1/events", f"2\r\n{{}}\r\n0\r\n\r\n{hidden}", key, chunked, "Content-Length: 5")
    assert statuses(port, whole) in ([202], [202, 200])
    refused = [
        post("/api/v1/events", hidden, key, "Content-Length: 0", f"Content-Length: {len(hidden)}"),
        post("/api/v1/events", hidden, key, "Transfer-Encoding: xchunked"),
        post("/api/v1/events", hidden, key, "Transfer-Encoding : chunked"),
        post("/api/v1/events", hidden, key, "Content-Length: -1"),
        post("/api/v1/events", f"zz\r\n{hidden}", key, chunked),
    ]
    for request in refused:
        assert 200 not in statuses(port, request), request
        assert 202 not in statuses(port, request), request


def test_huge_heads_are_refused(port: int) -> None:
    for header in (f"X-Long: {'a' * 2_000_000}", "\r\n".join(f"X-{n}: a" for n in range(5_000))):
        assert not {200, 202} & set(statuses(port, post("/api/v1/events", "{}", header, "Content-Length: 2")))
    assert statuses(port, f"GET /healthz?{'a' * 100_000} HTTP/1.1\r\nHost: localhost\r\n\r\n") in ([414], [400], [])
    assert statuses(port, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n") == [200]


def test_only_the_word_of_the_proxy_says_where_a_request_came_from(port: int, tenant_a: TenantRef) -> None:
    """Of what is in X-Forwarded-For, the client wrote all but the last; a name with underscores is not its name."""
    User.objects.create_user(EMAIL, PASSWORD)
    headers = ["X_Forwarded_For: 6.6.6.6", "X-Forwarded-For: 7.7.7.7, 192.0.2.1", f"Content-Length: {len(LOGIN)}"]
    assert statuses(port, post("/api/v1/auth/login", LOGIN, *headers, "Connection: close")) == [200]
    assert AuditEntry.objects.order_by("-id")[0].address == "192.0.2.1"
