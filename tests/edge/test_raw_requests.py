"""Requests that two servers in a row might read differently, over raw connections to granian as it runs."""

import gzip
import json
import random
import socket
from collections.abc import Iterator

import pytest

from tenants.models import AuditEntry, User
from tenants.types import TenantRef
from tests.accounts.conftest import EMAIL, PASSWORD
from tests.conftest import new_key
from tests.edge.test_processes import Http, environment, serving  # noqa: F401 - a fixture

pytestmark = pytest.mark.slow
LOGIN = json.dumps({"email": EMAIL, "password": PASSWORD})


@pytest.fixture
def port(environment: dict[str, str]) -> Iterator[int]:  # noqa: F811
    with serving(environment | {"RECOMENGINE_TRUSTED_PROXIES": "1"}) as (port, _):
        yield port


def statuses(port: int, request: str) -> list[int]:
    """The status of every answer until the server closes or has nothing more to say."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=15) as client:
        try:
            client.sendall(request.encode("latin-1"))
            while more := client.recv(65536):
                received += more
                client.settimeout(3)
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


EVENT_ADDRESSES = ("/api/v1/events", "/api/v1/events/batch", "/v1/track", "/v1/batch", "/mp/collect")


def answer_to(client: socket.socket) -> bytes:
    """All that the server says until it closes the connection."""
    client.settimeout(120)
    received = b""
    while more := client.recv(65536):
        received += more
    return received


def test_bodies_that_come_slowly_end_in_a_problem_and_keep_nobody_waiting(
    environment: dict[str, str],  # noqa: F811
    tenant_a: TenantRef,
) -> None:
    """More of them than there are workers and threads; every one sends some bytes and then nothing."""
    view = {"type": "view", "visitor_id": "v1", "item_id": "mug"}
    with serving(environment, "tests.edge.impatient:application") as (port, process):
        key = new_key(tenant_a)
        slow = [socket.create_connection(("127.0.0.1", port)) for _ in range(60)]
        for number, client in enumerate(slow):
            path = EVENT_ADDRESSES[number % len(EVENT_ADDRESSES)]
            client.sendall(post(path, '{"type": ', f"X-API-Key: {key}", "Content-Length: 5000").encode())
        meanwhile = [Http(port, key).post("events", view).status for _ in range(20)]
        assert meanwhile == [202] * 20
        for client in slow:
            answer = answer_to(client)
            assert answer.startswith(b"HTTP/1.1 408 "), answer
            assert b'"code":"request_timeout"' in answer
            client.close()
        assert Http(port, key).post("events", view | {"visitor_id": "v2"}).status == 202
        assert process.poll() is None


def test_hostile_bodies_leave_every_worker_at_work(port: int, tenant_a: TenantRef) -> None:
    key, chance = new_key(tenant_a), random.Random(5)
    view = {"type": "view", "visitor_id": "v1", "item_id": "mug"}
    bomb = gzip.compress(bytes(200 * 1024 * 1024))
    bodies = [
        b"",
        b"\x00" * 50,
        b"[" * 500_000,
        b'{"events":' * 200_000,
        b'{"price": 1e999}',
        b"NaN",
        b'"\\ud800"',
        bomb,
    ]
    bodies += [chance.randbytes(chance.randrange(1_000)) for _ in range(20)]
    for path in EVENT_ADDRESSES:
        for body in bodies:
            for headers in ({}, {"Content-Encoding": "gzip"}):
                answer = Http(port, key).call("POST", path, body, headers)
                assert answer.status in {200, 202, 400, 413}, (path, body[:40], answer.body)
                assert answer.status < 400 or answer.json["status"] == answer.status
        too_large = Http(port, key).call("POST", path, b"x" * 10 * 1024 * 1024)
        assert (too_large.status, too_large.json["code"]) == (413, "payload_too_large")
    assert {Http(port, key).post("events", view | {"visitor_id": f"v{n}"}).status for n in range(20)} == {202}
