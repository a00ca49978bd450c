"""Feeds to import, a server that serves them, and the requests that do it."""

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from catalog.importing import running
from tenants.types import TenantRef
from tests.api import Answer, Api

BOUNDARY = "a-boundary"
HEADER = "id,title,price,color\n"


def csv_of(ids: Iterable[object], price: object = "9.95", title: str = "Item") -> bytes:
    return (HEADER + "".join(f"{each},{title} {each},{price},red\n" for each in ids)).encode()


def form(content: bytes | None, filename: str = "items.csv", **fields: Any) -> bytes:
    """A multipart body; what is no text is sent as JSON."""
    parts = []
    for name, value in fields.items():
        text = value if isinstance(value, str) else json.dumps(value)
        parts.append(f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode())
    if content is not None:
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n'
        parts.append(head.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + content + b"\r\n")
    return b"".join([*parts, f"--{BOUNDARY}--\r\n".encode()])


def send(api: Api, content: bytes | None, path: str = "catalog/imports", **fields: Any) -> Answer:
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    return api.post(path, form(content, **fields), content_type=kind)


def upload(api: Api, content: bytes, **fields: Any) -> int:
    """Ask for an import of a file; returns its id."""
    answer = send(api, content, **fields)
    assert answer.status == 202, answer.body
    return int(answer.json["id"])


def imported(api: Api, tenant: TenantRef, content: bytes, **fields: Any) -> dict[str, Any]:
    """Import a file as a worker would; returns the import when it is over."""
    number = upload(api, content, **fields)
    running.run_pending(tenant)
    return of(api, number)


def of(api: Api, number: int, path: str = "catalog/imports") -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"{path}/{number}").json
    return found


def counts(shown: dict[str, Any]) -> tuple[int, ...]:
    """Created, updated, unchanged, rejected, deleted; their sum but the last is the number of rows."""
    found = tuple(shown[name] for name in ("created", "updated", "unchanged", "rejected", "deleted"))
    assert sum(found[:4]) == shown["progress"]["rows"]
    return found


def stored(api: Api) -> dict[str, str]:
    """The catalogue: titles by id."""
    found, query = {}, "limit=500"
    while query:
        page = api.get("catalog/items", query).json
        found |= {item["item_id"]: item["title"] for item in page["results"]}
        query = page["next"].split("?", 1)[1] if page["next"] else ""
    return found


@dataclass
class FeedServer:
    """A server whose answers are set by path: a body, or a function of the request's handler."""

    port: int
    pages: dict[str, bytes | Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def url(self, path: str = "/feed.csv", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def redirect(self, path: str, to: str) -> None:
        self.pages[path] = lambda handler: answer(handler, b"", 302, Location=to)


def answer(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    """Answer a request; header names take `_` for `-`."""
    handler.send_response(status)
    for name, value in ({"Content_Length": str(len(body))} | headers).items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def serving() -> Iterator[FeedServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.seen.append((self.path, dict(self.headers)))
            page = served.pages.get(self.path.partition("?")[0])
            if page is None:
                answer(self, b"", 404)
            elif callable(page):
                page(self)
            else:
                answer(self, page)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """Clients may go away."""

    server = Server(("127.0.0.1", 0), Handler)
    served = FeedServer(server.server_address[1])
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield served
    server.shutdown()
    server.server_close()
