"""Sources, and imports from URLs: by hand, by schedule, and not at all if the feed is what it was."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from django.db import connection

from catalog import tasks
from catalog.importing import running, scheduling
from catalog.importing.kind import FILES
from catalog.models import Import, RejectedRow, Source
from imports.kinds import Kind
from recomengine.lib import clock
from tenants import tenancy
from tenants.models import AuditEntry
from tenants.types import KeyType, TenantRef
from tests.api import Api
from tests.catalog.imports.feeds import FeedServer, answer, counts, csv_of, of, send, stored, upload
from tests.catalog.imports.test_fetching import resolve_to
from tests.conftest import new_key

pytestmark = pytest.mark.smoke


@pytest.fixture(autouse=True)
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Kind, "run_later", lambda *_: None)


def source(feeds: FeedServer, **fields: Any) -> dict[str, Any]:
    return {"key": "main", "name": "Main feed", "format": "csv", "url": feeds.url()} | fields


def versioned(feeds: FeedServer, content: bytes, etag: str) -> None:
    """Serve a feed with a version; whoever has that is told so."""

    def page(handler: BaseHTTPRequestHandler) -> None:
        known = handler.headers["If-None-Match"] == etag
        answer(handler, b"" if known else content, 304 if known else 200, ETag=etag)

    feeds.pages["/feed.csv"] = page


def ran(api: Api, tenant: TenantRef, path: str = "catalog/sources/main/run", data: Any = b"") -> dict[str, Any]:
    asked = api.post(path, data)
    assert asked.status == 202, asked.body
    running.run_pending(tenant)
    return of(api, asked.json["id"])


def due(tenant: TenantRef) -> None:
    with tenancy.use(tenant):
        Source.objects.filter(every_minutes__isnull=False).update(next_at=clock.now() - timedelta(seconds=1))


# --- From a URL -----------------------------------------------------------------------------------------------------


def test_a_feed_is_fetched_and_imported(api_a: Api, tenant_a: TenantRef, feeds: FeedServer) -> None:
    feeds.pages["/feed.csv"] = csv_of(range(3))
    asked = api_a.post("catalog/imports", {"url": feeds.url("/feed.csv?token=secret")})
    assert (asked.status, asked.json["format"], asked.json["url"]) == (202, None, feeds.url("/feed.csv?…"))
    running.run_pending(tenant_a)
    done = of(api_a, asked.json["id"])
    assert (done["status"], done["format"], done["filename"], counts(done)) == (
        "completed", "csv", "feed.csv", (3, 0, 0, 0, 0),
    )  # fmt: skip
    assert "secret" not in str(AuditEntry.objects.filter(object_type="import").values_list("after", flat=True))


def test_an_address_that_is_not_allowed_is_refused_at_once_or_ends_the_import(
    api_a: Api, tenant_a: TenantRef, feeds: FeedServer, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.IMPORT_NETWORKS = []
    for url in ("file:///etc/passwd", feeds.url(), "http://localhost/", "http://2130706433/", "http://[::1]/"):
        for path in ("catalog/imports", "catalog/imports/preview"):
            answer = api_a.post(path, {"url": url})
            assert (answer.status, answer.json["code"]) == (400, "address_not_allowed")
        answer = api_a.post("catalog/sources", {"key": "s", "name": "S", "format": "csv", "url": url})
        assert (answer.status, answer.json["code"]) == (400, "address_not_allowed")
    resolve_to(monkeypatch, "127.0.0.1")
    done = ran(api_a, tenant_a, "catalog/imports", {"url": feeds.url(host="shop.example")})
    assert (done["status"], done["error"]["code"]) == ("failed", "address_not_allowed")


def test_a_fetch_that_failed_is_tried_again(api_a: Api, tenant_a: TenantRef, feeds: FeedServer) -> None:
    failed = ran(api_a, tenant_a, "catalog/imports", {"url": feeds.url()})
    assert (failed["status"], failed["error"]["code"]) == ("failed", "fetch_failed")
    assert "404" in failed["error"]["message"]
    feeds.pages["/feed.csv"] = csv_of(range(3))
    assert counts(ran(api_a, tenant_a, f"catalog/imports/{failed['id']}/resume", {})) == (3, 0, 0, 0, 0)


def test_what_is_fetched_and_is_no_feed_fails(api_a: Api, tenant_a: TenantRef, feeds: FeedServer) -> None:
    feeds.pages["/feed.csv"] = b"<html><body>Please log in</body></html>"
    feeds.pages["/empty"] = b""
    for path, code in (("/feed.csv", "unknown_format"), ("/empty", "unknown_format")):
        assert ran(api_a, tenant_a, "catalog/imports", {"url": feeds.url(path)})["error"]["code"] == code
    assert list(FILES.home(tenant_a).iterdir()) == []


def test_a_cancelled_one_whose_file_is_gone_begins_anew(api_a: Api, tenant_a: TenantRef, feeds: FeedServer) -> None:
    feeds.pages["/feed.csv"] = csv_of(range(600)) + b"x,,1.00,red\n" * 500
    asked = api_a.post("catalog/imports", {"url": feeds.url()}).json["id"]
    steps = iter(range(1, 10))
    running.run_pending(
        tenant_a, lambda _: api_a.post(f"catalog/imports/{asked}/cancel") if next(steps) == 2 else None
    )  # fmt: skip
    assert counts(of(api_a, asked)) == (600, 0, 0, 400, 0)
    FILES.discard(tenant_a, asked)
    feeds.pages["/feed.csv"] = csv_of(range(601))
    assert counts(ran(api_a, tenant_a, f"catalog/imports/{asked}/resume", {})) == (1, 0, 600, 0, 0)
    assert api_a.get(f"catalog/imports/{asked}/errors").json["results"] == []


@pytest.mark.slow
def test_a_fetch_can_be_cancelled(api_a: Api, tenant_a: TenantRef, feeds: FeedServer) -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        with suppress(OSError):  # the client went away
            while True:
                handler.wfile.write(b"x" * 1000)
                if len(asked) == 1:
                    asked.append(api_a.post(f"catalog/imports/{asked[0]}/cancel").status)

    asked: list[int] = []
    feeds.pages["/feed.csv"] = endless
    asked.append(api_a.post("catalog/imports", {"url": feeds.url()}).json["id"])
    running.run_pending(tenant_a)
    assert (asked[1], of(api_a, asked[0])["status"]) == (200, "cancelled")


def test_a_preview_reads_the_head_of_a_feed(api_a: Api, feeds: FeedServer) -> None:
    feeds.pages["/feed.csv"] = csv_of(range(100_000))
    shown = api_a.post("catalog/imports/preview", {"url": feeds.url()}).json
    assert (shown["format"], len(shown["rows"]), shown["broken"]) == ("csv", 20, None)


# --- Sources --------------------------------------------------------------------------------------------------------


def test_a_source_is_made_changed_and_removed(api_a: Api, feeds: FeedServer) -> None:
    answer = api_a.post("catalog/sources", source(feeds, every_minutes=60))
    assert answer.status == 201, answer.body
    assert (answer.json["mode"], answer.json["mapping"], answer.json["next_at"] is None) == ("delta", {}, False)
    assert api_a.post("catalog/sources", source(feeds)).status == 409
    changed = api_a.call("PATCH", "catalog/sources/main", data={"mode": "replace", "every_minutes": None})
    assert (changed.status, changed.json["mode"], changed.json["next_at"]) == (200, "replace", None)
    assert api_a.get("catalog/sources").json["results"] == [changed.json]
    assert api_a.get("catalog/sources/main").json == changed.json
    assert api_a.call("DELETE", "catalog/sources/main").status == 204
    assert api_a.get("catalog/sources/main").status == 404
    entries = AuditEntry.objects.filter(object_type="source", object_id="main").order_by("-id")[:3]
    assert [each.action for each in entries] == ["source.deleted", "source.edited", "source.created"]
    assert (entries[1].before, entries[1].after) == (
        {"mode": "delta", "every_minutes": 60}, {"mode": "replace", "every_minutes": None},
    )  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": "No Key"}, {"key": ""}, {"name": ""}, {"format": "xls"}, {"mode": "append"}, {"every_minutes": 14},
        {"every_minutes": 44_641}, {"url": "", "every_minutes": 60}, {"url": "http://user:x@shop.example/"},
        {"mapping": {"a": {"field": "prise"}}}, {"etag": "x"}, {"next_at": None}, {"name": "a\x00b"}, {"key": "k\n"},
    ],
)  # fmt: skip
def test_a_source_that_is_none_is_refused(api_a: Api, feeds: FeedServer, wrong: dict[str, Any]) -> None:
    answer = api_a.post("catalog/sources", source(feeds) | wrong)
    assert (answer.status, answer.json["code"] in {"invalid", "address_not_allowed"}) == (400, True), answer.body


def test_who_may_only_read_sees_no_token(edge: Any, api_a: Api, tenant_a: TenantRef, feeds: FeedServer) -> None:
    api_a.post("catalog/sources", source(feeds, url=feeds.url("/feed.csv?token=secret")))
    reader = Api(edge, new_key(tenant_a, KeyType.READ_ONLY))
    assert "token=secret" in api_a.get("catalog/sources/main").json["url"]
    for path in ("catalog/sources", "catalog/sources/main"):
        assert b"secret" not in reader.get(path).body


def test_a_source_says_how_its_feed_is_read_and_remembers_a_mapping(
    api_a: Api, tenant_a: TenantRef, feeds: FeedServer
) -> None:
    api_a.post("catalog/sources", source(feeds, url="", mode="replace"))
    mapping = {"color": {"field": "brand", "kind": "text"}}
    first = of(api_a, upload(api_a, csv_of([1]), source="main", mapping=mapping))
    assert (first["source"], first["mode"], first["mapping"]) == ("main", "replace", mapping)
    assert api_a.get("catalog/sources/main").json["mapping"] == mapping
    second = of(api_a, upload(api_a, csv_of([1]), source="main"))
    assert second["mapping"] == mapping
    running.run_pending(tenant_a)
    assert api_a.get("catalog/items/1").json["brand"] == "red"
    api_a.call("DELETE", "catalog/sources/main")
    assert of(api_a, first["id"])["source"] is None
    assert api_a.post("catalog/imports", {"source": "main"}).status == 404


def test_a_source_without_a_url_cannot_run(api_a: Api, feeds: FeedServer) -> None:
    api_a.post("catalog/sources", source(feeds, url=""))
    assert api_a.post("catalog/sources/main/run").json["code"] == "invalid"
    assert api_a.post("catalog/sources/nowhere/run").status == 404


def test_a_feed_that_has_not_changed_is_not_read_again(api_a: Api, tenant_a: TenantRef, feeds: FeedServer) -> None:
    versioned(feeds, csv_of(range(3)), '"v1"')
    api_a.post("catalog/sources", source(feeds))
    assert counts(ran(api_a, tenant_a)) == (3, 0, 0, 0, 0)
    again = ran(api_a, tenant_a)
    assert (again["status"], again["note"]["code"], again["error"]) == ("completed", "not_modified", None)
    assert counts(again) == (0, 0, 0, 0, 0)
    assert counts(ran(api_a, tenant_a, data={"force": True})) == (0, 0, 3, 0, 0)
    versioned(feeds, csv_of(range(4)), '"v2"')
    assert counts(ran(api_a, tenant_a)) == (1, 0, 3, 0, 0)


def test_what_is_to_be_read_differently_is_read_again(api_a: Api, tenant_a: TenantRef, feeds: FeedServer) -> None:
    versioned(feeds, csv_of(range(3)), '"v1"')
    api_a.post("catalog/sources", source(feeds))
    ran(api_a, tenant_a)
    api_a.call("PATCH", "catalog/sources/main", data={"name": "Other name"})
    assert ran(api_a, tenant_a)["note"]["code"] == "not_modified"
    api_a.call("PATCH", "catalog/sources/main", data={"mapping": {"color": {"field": "brand"}}})
    assert counts(ran(api_a, tenant_a)) == (0, 3, 0, 0, 0)
    ran(api_a, tenant_a, "catalog/imports", {"source": "main", "mode": "replace"})
    assert of(api_a, api_a.get("catalog/imports").json["results"][0]["id"])["note"] is None


def test_a_feed_whose_import_failed_is_read_again(api_a: Api, tenant_a: TenantRef, feeds: FeedServer) -> None:
    versioned(feeds, b"\x00\x01", '"v1"')
    api_a.post("catalog/sources", source(feeds, format="merchant_xml"))
    assert ran(api_a, tenant_a)["status"] == "failed"
    assert ran(api_a, tenant_a)["status"] == "failed"


# --- By themselves --------------------------------------------------------------------------------------------------


def imports_of(tenant: TenantRef) -> int:
    with tenancy.use(tenant):
        return Import.objects.count()


def test_a_source_that_is_due_is_imported_once(api_a: Api, tenant_a: TenantRef, feeds: FeedServer) -> None:
    feeds.pages["/feed.csv"] = csv_of(range(3))
    api_a.post("catalog/sources", source(feeds, every_minutes=15))
    api_a.post("catalog/sources", source(feeds, key="by-hand"))

    def beat(_: int) -> None:
        try:
            tasks.tend_imports()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(beat, range(4)))
    assert imports_of(tenant_a) == 1
    running.run_pending(tenant_a)
    tasks.tend_imports()
    assert imports_of(tenant_a) == 1
    next_at = api_a.get("catalog/sources/main").json["next_at"]
    assert next_at > (clock.now() + timedelta(minutes=14)).isoformat()
    due(tenant_a)
    tasks.tend_imports()
    assert imports_of(tenant_a) == 2
    [shown, _] = api_a.get("catalog/imports").json["results"]
    assert (shown["source"], shown["requested_by"], set(stored(api_a))) == ("main", "platform", {"0", "1", "2"})


def test_a_source_whose_import_still_runs_waits(api_a: Api, tenant_a: TenantRef, feeds: FeedServer) -> None:
    api_a.post("catalog/sources", source(feeds, every_minutes=15))
    tasks.tend_imports()
    due(tenant_a)
    tasks.tend_imports()
    assert imports_of(tenant_a) == 1
    answer = api_a.post("catalog/sources/main/run")
    assert (answer.status, answer.json["code"]) == (409, "conflict")


def test_what_former_imports_of_a_source_left_goes(
    api_a: Api, tenant_a: TenantRef, feeds: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduling, "REPORTS", 2)
    feeds.pages["/feed.csv"] = csv_of(range(3), price="cheap") + b"\x00"
    api_a.post("catalog/sources", source(feeds, format="jsonl"))
    numbers = [ran(api_a, tenant_a)["id"] for _ in range(4)]
    with tenancy.use(tenant_a):
        kept = set(RejectedRow.objects.values_list("import_run", flat=True))
    assert kept == set(numbers[1:])
    assert send(api_a, csv_of([1])).status == 202
