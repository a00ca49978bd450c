"""The little HTTP that the hot path needs: a request, a response, problems, CORS."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import unquote_plus

import msgspec

from recomengine.lib.errors import DomainError, problem
from recomengine.lib.requests import request_id

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]

MAX_BODY: Final = 2 * 1024 * 1024
DISCARDED: Final = 16 * 1024 * 1024
BODY_TIMEOUT: Final = 15.0
EXPOSED: Final = "X-Request-ID, Retry-After, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset"
_encode = msgspec.json.Encoder().encode


class ClientGone(Exception):
    """The client left before its request was complete; nobody waits for an answer."""


@dataclass(slots=True)
class Request:
    """One HTTP request; its body is read whole by `read_body`."""

    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes]
    body: bytes = b""

    @classmethod
    def of(cls, scope: Scope) -> "Request":
        headers = {name.lower(): value for name, value in scope["headers"]}
        return cls(scope["method"], scope["path"], scope["query_string"], headers)

    def header(self, name: bytes) -> str | None:
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")

    def values(self, name: str) -> list[str]:
        """The values of a parameter of the query string."""
        if name.encode() + b"=" not in self.query:
            return []
        return [value for found, value in parameters(self.query) if found == name]

    @property
    def length(self) -> int:
        """The bytes of the body as announced; 0 if they are not."""
        announced = self.header(b"content-length") or ""
        return int(announced) if announced.isascii() and announced.isdigit() and len(announced) < 20 else 0

    @property
    def origin(self) -> str | None:
        return self.header(b"origin")


@dataclass(slots=True)
class Response:
    """A status, a body of JSON and further headers; `shared` lets browsers hand it to the page that asked (CORS)."""

    status: int
    body: bytes
    content_type: bytes = b"application/json"
    headers: list[Header] = field(default_factory=list)
    shared: bool = True


def json_response(data: Any, status: int = 200) -> Response:
    return Response(status, _encode(data))


def problem_response(error: DomainError) -> Response:
    """The RFC 9457 answer to an error."""
    response = Response(error.status, _encode(problem(error)), b"application/problem+json")
    if error.status == 401:
        response.headers.append((b"www-authenticate", b'ApiKey realm="api"'))
    if error.retry_after:
        response.headers.append((b"retry-after", str(error.retry_after).encode()))
    response.headers += [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
    return response


async def read_body(receive: Receive, most: int = MAX_BODY) -> bytes:
    """The request's body; raises `payload_too_large`, `request_timeout` for one that never ends, or ClientGone."""
    try:
        return await asyncio.wait_for(_joined(limited(receive, most)), BODY_TIMEOUT)
    except TimeoutError:
        raise DomainError("request_timeout", f"The body did not arrive within {BODY_TIMEOUT:.0f} seconds.") from None


async def _joined(receive: Receive) -> bytes:
    chunks = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)


def limited(receive: Receive, most: int, announced: int = 0, refusal: DomainError | None = None) -> Receive:
    """The same messages, until the body exceeds `most` bytes or is announced to: then `payload_too_large`.

    `refusal` is raised in its place. Up to `DISCARDED` bytes more are read first, because a client that is still
    sending when the connection closes sees that it broke, and not the refusal.
    """
    size = 0

    async def counted() -> MutableMapping[str, Any]:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if max(size, announced) <= most:
            return message
        while message.get("more_body", False) and size <= most + DISCARDED:
            message = await receive()
            size += len(message.get("body", b""))
        raise refusal or DomainError("payload_too_large", f"A body holds at most {most // 1024 // 1024} MB.")

    return counted


async def respond(send: Send, request: Request, response: Response) -> None:
    """Send a response with the headers that every answer carries."""
    headers = _common_headers(request) + response.headers
    if response.status != 204:
        length = str(len(response.body)).encode()
        headers += [(b"content-type", response.content_type), (b"content-length", length)]
    body = b"" if request.method == "HEAD" else response.body
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def start_stream(send: Send, request: Request, shared: bool) -> None:
    """Begin an answer of server-sent events, whose parts the caller sends; `shared` as in `Response`."""
    response = Response(200, b"", b"text/event-stream", shared=shared)
    allow_origin(response, request.origin)
    unbuffered = [(b"content-type", response.content_type), (b"x-accel-buffering", b"no")]  # the second for nginx
    headers = _common_headers(request) + response.headers + unbuffered
    await send({"type": "http.response.start", "status": 200, "headers": headers})


def _common_headers(request: Request) -> list[Header]:
    return [
        (b"x-request-id", request_id(request.header(b"x-request-id")).encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"no-store"),
    ]


def allow_origin(response: Response, origin: str | None) -> None:
    """Let a browser page of this origin read the answer, if it is shared."""
    if origin is not None:
        response.headers.append((b"vary", b"Origin"))
    if origin is not None and response.shared:
        response.headers += [
            (b"access-control-allow-origin", origin.encode("latin-1", "replace")),
            (b"access-control-expose-headers", EXPOSED.encode()),
        ]


def preflight(origin: str | None, methods: str) -> Response:
    """The answer to a browser's OPTIONS; the key, and with it the origin, is checked on the request itself."""
    response = Response(204, b"")
    allow_origin(response, origin)
    response.headers += [
        (b"access-control-allow-methods", methods.encode()),
        (
            b"access-control-allow-headers",
            b"X-API-Key, Authorization, Content-Type, Content-Encoding, X-Request-ID, X-Tenant",
        ),
        (b"access-control-max-age", b"7200"),
    ]
    return response


def parameters(query: bytes) -> Iterable[tuple[str, str]]:
    """Name and value of each parameter of a query string, in order."""
    for pair in query.split(b"&"):
        if pair:
            name, _, value = pair.partition(b"=")
            yield _unquote(name), _unquote(value)


def _unquote(raw: bytes) -> str:
    try:
        return unquote_plus(raw.decode("ascii"), errors="strict")
    except UnicodeDecodeError:
        raise DomainError("invalid", "The query string is not percent-encoded UTF-8.") from None
