"""A real API process on the test's database, a shop on another origin with a strict policy, and a real browser."""

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection
from playwright.sync_api import BrowserContext, Page, sync_playwright
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from recomengine.lib import postgres
from recommendations.training.running import train
from tenants.models import Tenant
from tenants.types import KeyType, TenantRef
from tests.api import Api
from tests.conftest import new_key

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE = 30.0
T = TypeVar("T")

STUB = """
window.recom = window.recom || function () { (recom.q = recom.q || []).push(arguments) }
window.violations = []
addEventListener('securitypolicyviolation', (event) => violations.push(event.violatedDirective, event.blockedURI))
recom('track', 'view', { item_id: location.pathname.slice(1) })
"""
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Shop</title><link rel="stylesheet" href="/shop.css">
<script src="/stub.js"></script>
<script async src="{api}/sdk/v1/recom.js" data-key="{key}" {attributes}></script></head>
<body class="{layout}"><h1>Shop</h1><p>What everybody buys is further down.</p>
<recom-widget placement="home" heading="You may also like" limit="4"></recom-widget></body></html>
"""
POLICY = (
    "default-src 'none'; script-src 'self' {api}; connect-src {api}; img-src 'self'; style-src 'self'; base-uri 'none';"
    " form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
STYLE = "recom-widget { display: block; min-height: 20rem } .below p { height: 3000px }"


def eventually(look: Callable[[], T]) -> T:
    """The first truthy thing that `look` finds."""
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        if time.monotonic() > deadline:
            pytest.fail(f"nothing after {PATIENCE:.0f} seconds; last: {found!r}")
        time.sleep(0.05)
    return found


@pytest.fixture(scope="session")
def api_url(tenants: tuple[Tenant, Tenant], own_servers: None) -> Iterator[str]:
    """The address of an API process that works on this worker's database and Redis."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "DATABASE_URL": make_conninfo(settings.DATABASE_URL, dbname=connection.settings_dict["NAME"]),
        "REDIS_URL": settings.REDIS_URL,
        "RECOMENGINE_MODEL_STORE": str(settings.MODEL_STORE),
    }
    command = ["granian", "--interface", "asgi", "--port", str(port), "--no-ws", "recomengine.edge:application"]
    process = subprocess.Popen([sys.executable, "-m", *command], env=environment, cwd=settings.BASE_DIR)
    url = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: process.poll() is not None or _answers(url))
        yield url
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@dataclass
class Shop:
    """A shop's own web server; each address shows the same page, for the product that the path names."""

    url: str
    api: str
    key: str = ""
    attributes: str = ""

    def answer(self, path: str) -> tuple[str, str]:
        target = urlsplit(path)
        files = {
            "/stub.js": ("text/javascript", STUB),
            "/shop.css": ("text/css", STYLE),
            "/favicon.ico": ("image/png", ""),
        }
        page = PAGE.format(api=self.api, key=self.key, attributes=self.attributes, layout=target.query)
        return files.get(target.path, ("text/html; charset=utf-8", page))


@pytest.fixture(scope="session")
def shop_server(api_url: str) -> Iterator[Shop]:
    shop = Shop("", api_url)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, text = shop.answer(self.path)
            self.send_response(200)
            for name, value in (("Content-Type", kind), ("Content-Security-Policy", POLICY.format(api=api_url))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *args: Any) -> None:
            """Nothing: the test's output is its own."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        shop.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield shop
        server.shutdown()


@pytest.fixture
def shop(shop_server: Shop, api_a: Api, tenant_a: TenantRef) -> Shop:
    """The shop with a catalogue, shoppers and a trained model."""
    names = ["mug", "cup", "plate", "bowl"]
    items = [
        {"item_id": name, "title": name.title(), "url": f"{shop_server.url}/{name}", "price": 9.95} for name in names
    ]
    assert api_a.post("catalog/items/batch", {"items": items}).json["created"] == 4
    events = [{"type": "view", "item_id": name, "visitor_id": f"v{number}"} for name in names for number in range(5)]
    assert api_a.post("events/batch", {"events": events}).json["accepted"] == 20
    train(tenant_a)
    # What the process of the API logs would arrive after the test, among what the next one logged.
    Tenant.objects.filter(slug=tenant_a.slug).update(serving_log_share=0.0)
    shop_server.key = new_key(tenant_a, KeyType.PUBLISHABLE, origins=[shop_server.url])
    shop_server.attributes = ""
    return shop_server


@pytest.fixture
def context(shop: Shop) -> Iterator[BrowserContext]:
    """A new visitor's browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        context = browser.new_context(locale="en-GB")
        context.set_default_timeout(PATIENCE * 1000)
        yield context
        browser.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A tab in which no script fails and no policy is violated."""
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: print("console:", message.text))
    yield page
    assert errors == []
    page.wait_for_load_state()
    assert page.evaluate("window.violations || []") == []  # a page that was never reached has none


@pytest.fixture
def stored(tenant_a: TenantRef) -> Iterator[Callable[[str], list[dict[str, Any]]]]:
    """The stored events of a type that came from a browser, oldest first.

    Read over a connection of its own: Django's refuses to work beside Playwright's event loop.
    """
    table = f"{tenant_a.schema}.events_event"
    query = f"SELECT * FROM {table} WHERE type = %s AND session_id IS NOT NULL ORDER BY occurred_at"
    with postgres.connect(autocommit=True) as reader:
        yield lambda kind: reader.cursor(row_factory=dict_row).execute(query, [kind]).fetchall()
