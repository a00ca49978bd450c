"""Fetching feeds: from public servers only, whatever hides them, and not too much of anything."""

import gzip
import io
import socket
import time
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_network
from typing import Any

import pytest

from catalog import addresses, fetching
from catalog.fetching import Fetched, Known, fetch
from recomengine.lib.errors import DomainError
from tests.catalog.imports.feeds import FeedServer, answer

pytestmark = pytest.mark.smoke


def got(url: str, **options: Any) -> tuple[bytes, Fetched]:
    file = io.BytesIO()
    found = fetch(url, file, **options)
    return file.getvalue(), found


def refused(url: str, **options: Any) -> str:
    with pytest.raises(DomainError) as error:
        got(url, **options)
    return error.value.code


def resolve_to(monkeypatch: pytest.MonkeyPatch, *found: str) -> list[str]:
    """Have every name resolve to these addresses, the next at each time; returns the names that were asked for."""
    asked: list[str] = []
    answers = iter(found)

    def getaddrinfo(host: str, port: int, **options: Any) -> list[Any]:
        if options.get("flags"):  # an address, and no name to look up
            return socket.getaddrinfo(host, port, **options)
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in next(answers).split()]

    monkeypatch.setattr(addresses, "getaddrinfo", getaddrinfo)
    return asked


# --- Addresses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "", "feed.csv", "ftp://shop.example/feed", "file:///etc/passwd", "gopher://shop.example/", "//shop.example/",
        "http://", "http:///feed", "http://user@shop.example/", "http://user:secret@shop.example/feed", "http://@h/",
        "http://shop.example:22/", "http://shop.example:25/", "http://shop.example:0/", "http://shop.example:99999/",
        "http://shop.example:http/", "http://[::1", "http://shop.example/a b", "http://shop.example/\r\nX: y",
        "http://shop.example/\x00", "data:text/csv,id", "javascript:alert(1)", "https://shop.example/" + "x" * 2000,
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_feed_is_refused(url: str) -> None:
    assert refused(url) == "address_not_allowed"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "0.0.0.0", "0", "localhost",
        "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "192.0.0.8", "192.0.2.1",
        "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "240.0.0.1", "255.255.255.255",
        "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:169.254.169.254]", "[::127.0.0.1]", "[fe80::1]", "[fc00::1]",
        "[fd00:ec2::254]", "[fec0::1]", "[ff02::1]", "[2002:7f00:1::]", "[2002:a9fe:a9fe::1]", "[64:ff9b::7f00:1]",
        "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::1]", "[100::1]", "[2001:db8::1]", "[2001::1]",
    ],
)  # fmt: skip
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_server_of_ours_is_asked(host: str, scheme: str) -> None:
    assert refused(f"{scheme}://{host}:6379/") == "address_not_allowed"


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "8.8.8.8", "2606:2800:21f:cb07::1", "64:ff9b::808:808", "2002:808:808::1"]
)
def test_public_addresses_are_allowed(address: str) -> None:
    assert addresses.is_allowed(address)


@pytest.mark.parametrize("address", ["10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::a01:203"])
def test_networks_can_be_allowed(settings: Any, address: str) -> None:
    settings.IMPORT_NETWORKS = [ip_network("10.1.0.0/16")]
    assert addresses.is_allowed(address)
    assert not addresses.is_allowed("10.2.0.1")


def test_a_name_with_one_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, "93.184.215.14 10.0.0.1")
    assert refused("http://shop.example/") == "address_not_allowed"


def test_the_connection_goes_to_the_address_that_was_checked(
    feeds: FeedServer, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """A name that is asked for twice could be another server's the second time."""
    feeds.pages["/feed.csv"] = b"id,title\n1,x\n"
    asked = resolve_to(monkeypatch, "127.0.0.1")
    assert got(feeds.url(host="shop.example"))[0] == b"id,title\n1,x\n"
    assert asked == ["shop.example"]
    assert feeds.seen[0][1]["Host"] == f"shop.example:{feeds.port}"
    settings.IMPORT_NETWORKS = []
    resolve_to(monkeypatch, "127.0.0.1")
    assert refused(feeds.url(host="shop.example")) == "address_not_allowed"
    assert len(feeds.seen) == 1


def test_every_redirect_is_checked(feeds: FeedServer, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    feeds.pages["/feed.csv"] = b"x"
    feeds.redirect("/away", "/feed.csv")
    assert got(feeds.url("/away"))[0] == b"x"
    for target in ("http://169.254.169.254/latest/meta-data/", "http://10.0.0.1/", "file:///etc/passwd", "//[::1]/"):
        feeds.redirect("/in", target)
        assert refused(feeds.url("/in")) == "address_not_allowed"
    resolve_to(monkeypatch, "127.0.0.1", "10.0.0.1")
    feeds.redirect("/in", feeds.url("/feed.csv", host="shop.example"))
    assert refused(feeds.url("/in", host="shop.example")) == "address_not_allowed"


def test_redirects_end(feeds: FeedServer) -> None:
    for n in range(7):
        feeds.redirect(f"/{n}", f"/{n + 1}")
    feeds.pages["/7"] = b"x"
    assert got(feeds.url("/2"))[0] == b"x"
    assert refused(feeds.url("/1")) == "fetch_failed"
    feeds.redirect("/round", "/round")
    assert refused(feeds.url("/round")) == "fetch_failed"
    feeds.pages["/nowhere"] = lambda handler: answer(handler, b"", 302)
    assert refused(feeds.url("/nowhere")) == "fetch_failed"


def test_a_redirect_away_from_tls_is_refused() -> None:
    with pytest.raises(DomainError, match="from https to http"):
        fetching._target_of("https://shop.example/feed", "http://shop.example/feed")


# --- Bodies ---------------------------------------------------------------------------------------------------------


def test_nothing_of_ours_is_sent(feeds: FeedServer) -> None:
    feeds.pages["/feed.csv"] = b"x"
    got(feeds.url("/feed.csv?token=1&q=a%20b"))
    path, headers = feeds.seen[0]
    assert path == "/feed.csv?token=1&q=a%20b"
    assert set(headers) == {"Host", "User-Agent", "Accept", "Accept-Encoding", "Connection"}


def test_addresses_may_hold_any_letters(feeds: FeedServer) -> None:
    feeds.pages["/f%C3%BCr/%20x"] = b"x"
    assert got(feeds.url("/für/%20x"))[0] == b"x"


@pytest.mark.parametrize("status", [204, 206, 400, 401, 403, 404, 410, 429, 500, 503])
def test_other_answers_are_failures_and_name_the_status(feeds: FeedServer, status: int) -> None:
    feeds.pages["/feed.csv"] = lambda handler: answer(handler, b"", status)
    with pytest.raises(DomainError, match=str(status)) as error:
        got(feeds.url("/feed.csv?token=secret"))
    assert error.value.code == "fetch_failed"
    assert "secret" not in str(error.value)


def test_a_feed_that_has_not_changed_is_not_sent(feeds: FeedServer) -> None:
    def page(handler: BaseHTTPRequestHandler) -> None:
        if handler.headers["If-None-Match"] == '"v1"':
            answer(handler, b"", 304)
        else:
            answer(handler, b"x", ETag='"v1"', Last_Modified="Tue, 24 Nov 2026 10:00:00 GMT", Content_Type="text/csv")

    feeds.pages["/a/feed.csv"] = page
    body, found = got(feeds.url("/a/feed.csv"))
    assert (body, found.filename, found.content_type) == (b"x", "feed.csv", "text/csv")
    assert found.version == Known('"v1"', "Tue, 24 Nov 2026 10:00:00 GMT")
    body, again = got(feeds.url("/a/feed.csv"), known=found.version)
    assert (body, again.not_modified) == (b"", True)
    assert feeds.seen[1][1]["If-Modified-Since"] == "Tue, 24 Nov 2026 10:00:00 GMT"


def test_what_a_server_packs_is_unpacked(feeds: FeedServer) -> None:
    content = b"id,title\n" * 200_000
    packed = gzip.compress(content[:900_000]) + gzip.compress(content[900_000:])
    feeds.pages["/feed.csv"] = lambda handler: answer(handler, packed, Content_Encoding="gzip")
    feeds.pages["/feed.csv.gz"] = packed
    assert got(feeds.url())[0] == content
    assert got(feeds.url("/feed.csv.gz"))[0] == packed
    feeds.pages["/feed.csv"] = lambda handler: answer(handler, packed[:-20], Content_Encoding="gzip")
    assert refused(feeds.url()) == "fetch_failed"
    feeds.pages["/feed.csv"] = lambda handler: answer(handler, packed, Content_Encoding="br")
    assert refused(feeds.url()) == "fetch_failed"


@pytest.mark.parametrize("headers", [{}, {"Content_Length": "5000000"}, {"Content_Encoding": "gzip"}])
def test_a_feed_may_not_be_larger_than_the_limit(feeds: FeedServer, settings: Any, headers: dict[str, str]) -> None:
    settings.MAX_IMPORT_BYTES = 1_000_000
    body = b"x" * 1_000_001
    body = gzip.compress(b"\x00" * 50_000_000) if "Content_Encoding" in headers else body
    feeds.pages["/feed.csv"] = lambda handler: answer(handler, body, **headers)
    file = io.BytesIO()
    with pytest.raises(DomainError) as error:
        fetch(feeds.url(), file)
    assert error.value.code == "feed_too_large"
    assert file.tell() < 1_600_000
    feeds.pages["/feed.csv"] = b"x" * 1_000_000
    assert len(got(feeds.url())[0]) == 1_000_000


def test_only_the_head_is_read_if_that_is_asked_for(feeds: FeedServer) -> None:
    feeds.pages["/feed.csv"] = b"0123456789" * 1_000_000
    assert got(feeds.url(), head=25)[0] == b"0123456789012345678901234"[:25]


def test_a_body_that_ends_early_is_none(feeds: FeedServer) -> None:
    feeds.pages["/feed.csv"] = lambda handler: answer(handler, b"x" * 100, Content_Length="200")
    assert refused(feeds.url()) == "fetch_failed"

    def chunked(handler: BaseHTTPRequestHandler) -> None:
        answer(handler, b"5\r\nhello\r\n", Content_Length="", Transfer_Encoding="chunked")

    feeds.pages["/feed.csv"] = chunked
    assert refused(feeds.url()) == "fetch_failed"


@pytest.mark.slow
def test_a_server_that_drips_does_not_hold_us_for_ever(feeds: FeedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "WHOLE_SECONDS", 1.0)

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(100):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.05)

    feeds.pages["/feed.csv"] = drip
    assert refused(feeds.url()) == "fetch_failed"


def test_what_does_not_answer_has_failed(feeds: FeedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        monkeypatch.setattr(fetching, "READ_SECONDS", 0.1)
        assert refused(f"http://127.0.0.1:{port}/") == "fetch_failed"
    assert refused(f"http://127.0.0.1:{port}/") == "fetch_failed"
    assert refused("http://no-such-name.invalid/") == "fetch_failed"
    assert refused(f"https://127.0.0.1:{feeds.port}/") == "fetch_failed"  # which speaks no TLS


def test_what_is_not_http_has_failed(feeds: FeedServer) -> None:
    for noise in (b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 70_000):
        feeds.pages["/feed.csv"] = lambda handler, noise=noise: handler.wfile.write(noise)  # type: ignore[misc]
        assert refused(feeds.url()) == "fetch_failed"
