"""Imports of uploads, through the API: what they answer, what they refuse, and what they tell of rows."""

import bz2
import csv
import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, RequestFactory

from catalog.importing import taking
from imports import api as shown_by_all
from imports import kinds
from tenants.models import AuditEntry, User
from tenants.types import KeyType, TenantRef
from tests.api import Api
from tests.catalog.imports.feeds import counts, csv_of, imported, of, send, stored, upload
from tests.conftest import new_key

pytestmark = pytest.mark.smoke


def test_an_upload_waits_and_then_is_in_the_catalogue(api_a: Api, tenant_a: TenantRef) -> None:
    answer = send(api_a, csv_of(range(3)))
    assert answer.status == 202
    waiting = answer.json
    assert (waiting["status"], waiting["format"], waiting["mode"], waiting["filename"]) == (
        "queued", "csv", "delta", "items.csv",
    )  # fmt: skip
    assert stored(api_a) == {}
    done = imported(api_a, tenant_a, csv_of(range(2, 5), price="1.00"))
    assert counts(done) == (2, 1, 0, 0, 0)
    assert (done["status"], done["progress"]["share"], done["error"], done["note"]) == ("completed", 1.0, None, None)
    assert done["progress"]["bytes_read"] == done["progress"]["bytes_total"] == len(csv_of(range(2, 5), price="1.00"))
    assert set(stored(api_a)) == {"0", "1", "2", "3", "4"}
    assert api_a.get("catalog/items/4").json["attributes"] == {"color": "red"}
    assert [each["id"] for each in api_a.get("catalog/imports").json["results"]] == [done["id"], waiting["id"]]


def test_the_same_feed_again_changes_nothing(api_a: Api, tenant_a: TenantRef) -> None:
    imported(api_a, tenant_a, csv_of(range(3)))
    assert counts(imported(api_a, tenant_a, gzip.compress(csv_of(range(3))), filename="a.csv.gz")) == (0, 0, 3, 0, 0)


def test_a_bad_row_is_reported_and_sinks_no_other(api_a: Api, tenant_a: TenantRef) -> None:
    feed = csv_of(["a"]) + b"b,Item b,cheap,red\n" + b",nameless,1.00,red\n" + b"c,=1+1,2.00,red\n"
    done = imported(api_a, tenant_a, feed)
    assert (done["status"], counts(done)) == ("completed", (2, 0, 0, 2, 0))
    assert [(each["line"], each["item_id"], each["field"]) for each in done["rejected_sample"]] == [
        (3, "b", "price"),
        (4, "", "item_id"),
    ]
    assert done["rejected_sample"][0]["value"] == "cheap"
    errors = api_a.get(f"catalog/imports/{done['id']}/errors", {"limit": 1}).json
    assert [each["line"] for each in errors["results"]] == [3]
    more = api_a.get(f"catalog/imports/{done['id']}/errors", errors["next"].split("?", 1)[1]).json
    assert [each["line"] for each in more["results"]] == [4]
    assert more["next"] is None


def test_the_errors_are_a_table_that_no_spreadsheet_computes(api_a: Api, tenant_a: TenantRef) -> None:
    done = imported(api_a, tenant_a, csv_of(["a"]) + b'b,x,"=HYPERLINK(""http://evil"")",red\n')
    answer = api_a.get(f"catalog/imports/{done['id']}/errors.csv", accept="text/csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert f"import-{done['id']}-errors.csv" in answer.headers["content-disposition"]
    [row] = csv.DictReader(io.StringIO(answer.body.decode()))
    assert (row["line"], row["item_id"], row["field"], row["value"]) == (
        "3", "b", "price", "'=HYPERLINK(\"http://evil\")",
    )  # fmt: skip


def test_of_rows_of_one_item_the_last_counts_and_the_others_are_reported(api_a: Api, tenant_a: TenantRef) -> None:
    feed = csv_of(["a", "b"]) + b"a,Later,1.00,red\n"
    done = imported(api_a, tenant_a, feed)
    assert counts(done) == (2, 0, 0, 1, 0)
    assert [(each["line"], each["code"]) for each in done["rejected_sample"]] == [(2, "duplicate_in_feed")]
    assert stored(api_a)["a"] == "Later"
    far = csv_of(["a"], title="First") + csv_of(range(600))[len(csv_of([])) :] + b"a,Last,1.00,red\n"
    assert counts(imported(api_a, tenant_a, far)) == (600, 2, 0, 0, 0)
    assert stored(api_a)["a"] == "Last"


def test_no_more_rejected_rows_are_kept_than_said(
    api_a: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (kinds, shown_by_all):
        monkeypatch.setattr(module, "KEPT", 700)
    done = imported(api_a, tenant_a, csv_of(range(1200), price="cheap"))
    assert (counts(done), done["rejected_kept"]) == ((0, 0, 0, 1200, 0), 700)
    table = api_a.get(f"catalog/imports/{done['id']}/errors.csv").body
    assert table.count(b"\n") == 701


def test_what_postgresql_does_not_take_is_a_bad_row(
    api_a: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a reader lets through: here a text of more characters than its column has."""
    mapper = taking.converting.mapper

    def careless(*args: Any) -> Any:
        to_item = mapper(*args)

        def made(record: Any) -> Any:
            item = to_item(record)
            if item.item_id in {"7", "30"}:
                item.title = "x" * 301
            return item

        return made

    monkeypatch.setattr(taking.converting, "mapper", careless)
    done = imported(api_a, tenant_a, csv_of(range(40)))
    assert (done["status"], counts(done)) == ("completed", (38, 0, 0, 2, 0))
    assert {each["item_id"] for each in done["rejected_sample"]} == {"7", "30"}


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("items.csv", csv_of(range(3)))
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "invalid"),
        (b"   \n", "unknown_format"),
        (zipped(), "unknown_format"),
        (bytes(range(256)) * 64, "unknown_format"),
        (bz2.compress(csv_of(range(3))), "unknown_format"),
        (gzip.compress(gzip.compress(csv_of(range(3)))), "unknown_format"),
        (b"<!DOCTYPE html><html><body>Not found</body></html>", "unknown_format"),
        (b"\x1f\x8b\x08\x00garbage", "unknown_format"),
    ],
    ids=["empty", "blank", "zip", "binary", "bzip2", "gzip of gzip", "html", "broken gzip"],
)
def test_a_file_that_is_no_feed_is_refused(api_a: Api, store: Path, content: bytes, code: str) -> None:
    answer = send(api_a, content, filename="feed.bin")
    assert (answer.status, answer.json["code"]) == (400, code), answer.body
    assert api_a.get("catalog/imports").json["results"] == []
    assert [path for path in store.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    "content",
    [zipped(), bytes(range(256)) * 64, gzip.compress(gzip.compress(b"id,title\n1,x"))],
    ids=["zip", "binary", "gzip"],
)
@pytest.mark.parametrize("format", ["csv", "jsonl", "merchant_xml", "merchant_tsv", "shopify"])
def test_a_file_of_another_format_than_named_fails_and_says_so(
    api_a: Api, tenant_a: TenantRef, content: bytes, format: str
) -> None:
    done = imported(api_a, tenant_a, content, format=format)
    assert done["status"] == "failed" or done["rejected"] == done["progress"]["rows"]
    assert (done["error"] or done["note"] or {"code": "some rows"})["code"] != "internal_error"
    assert stored(api_a) == {}


def test_rows_before_the_place_where_a_feed_breaks_are_imported(api_a: Api, tenant_a: TenantRef) -> None:
    items = "".join(f"<item><g:id>{n}</g:id><g:title>Item {n}</g:title></item>" for n in range(700))
    feed = f'<rss xmlns:g="http://base.google.com/ns/1.0"><channel>{items}<item><oops></channel></rss>'
    done = imported(api_a, tenant_a, feed.encode(), filename="feed.xml")
    assert (done["status"], counts(done)) == ("failed", (700, 0, 0, 0, 0))
    assert done["error"]["code"] not in {"", "internal_error"}
    assert done["error"]["message"]
    assert len(stored(api_a)) == 700


def test_a_mapping_says_where_columns_go(api_a: Api, tenant_a: TenantRef) -> None:
    mapping = {"id": {"field": "title"}, "title": {"field": "item_id"}, "color": {"field": ""}}
    imported(api_a, tenant_a, b"id,title,color\nMug,m1,red\n", mapping=mapping)
    item = api_a.get("catalog/items/m1").json
    assert (item["title"], item["attributes"]) == ("Mug", {})


@pytest.mark.parametrize(
    "fields",
    [
        {"mode": "append"}, {"format": "xls"}, {"mapping": "{"}, {"mapping": {"a": {"field": "prise"}}},
        {"mapping": {"a": {"field": "title"}, "b": {"field": "title"}}}, {"max_deleted_share": 1.5},
        {"max_deleted_share": "x"}, {"colour": "red"}, {"url": "http://shop.example/x"},
    ],
)  # fmt: skip
def test_what_is_asked_wrongly_is_refused(api_a: Api, fields: dict[str, Any]) -> None:
    answer = send(api_a, csv_of([1]), **fields)
    assert (answer.status, answer.json["code"]) in {(400, "invalid"), (400, "malformed_json")}, answer.body


def test_a_source_that_is_none_is_not_found(api_a: Api) -> None:
    assert send(api_a, csv_of([1]), source="nowhere").status == 404


def test_a_form_that_is_none_is_refused(api_a: Api) -> None:
    kind = "multipart/form-data; boundary=other"
    for body in (b"", b"--other", b"x" * 100):
        answer = api_a.post("catalog/imports", body, content_type=kind)
        assert answer.status == 400, answer.body
    assert api_a.post("catalog/imports", b"x", content_type="multipart/form-data").status == 400
    assert send(api_a, None).json["code"] == "invalid"


def test_names_of_files_lead_nowhere(api_a: Api, store: Path) -> None:
    number = upload(api_a, csv_of([1]), filename="../../etc/passwd")
    assert of(api_a, number)["filename"] == "passwd"
    assert [str(path.relative_to(store)) for path in store.rglob("*") if path.is_file()] == [f"shop-a/{number}"]


def test_a_file_over_the_limit_is_refused(api_a: Api, settings: Any, store: Path) -> None:
    settings.MAX_IMPORT_BYTES = 7_000_000
    for size in (7_000_001, 9_000_000):
        answer = send(api_a, b"id,title\n" + b"x" * size)
        assert (answer.status, answer.json["code"]) == (413, "payload_too_large")
    assert send(api_a, csv_of([1]) + b"2," + b"x" * 6_000_000).status == 202


def test_only_those_who_may_import_may_send_much(edge: Any, tenant_a: TenantRef) -> None:
    """What the others send is not even taken in: 6 MB are more than any other request may hold."""
    body = csv_of([1]) + b"x" * 6_000_000
    for key, status, code in (
        (None, 401, "authentication_required"),
        ("rec_rw_000000000000_" + "0" * 48, 401, "invalid_key"),
        (new_key(tenant_a, KeyType.READ_ONLY), 403, "forbidden"),
    ):
        answer = send(Api(edge, key), body)
        assert (answer.status, answer.json["code"]) == (status, code)
    answer = Api(edge, new_key(tenant_a)).post("catalog/imports", body)
    assert (answer.status, answer.json["code"]) == (413, "payload_too_large")


def test_imports_are_in_the_audit_log(api_a: Api) -> None:
    number = upload(api_a, csv_of([1]))
    api_a.post(f"catalog/imports/{number}/cancel")
    api_a.post(f"catalog/imports/{number}/resume")
    entries = AuditEntry.objects.filter(object_type="import", object_id=str(number)).order_by("id")
    assert [each.action for each in entries][-3:] == ["import.requested", "import.cancelled", "import.resumed"]
    assert entries.last().actor_kind == "key"  # type: ignore[union-attr]


def test_only_so_many_imports_wait(api_a: Api) -> None:
    for _ in range(20):
        upload(api_a, csv_of([1]))
    answer = send(api_a, csv_of([1]))
    assert (answer.status, answer.json["code"]) == (409, "too_many_imports")


def test_a_preview_stores_nothing(api_a: Api, store: Path) -> None:
    feed = csv_of(range(30)).replace(b"3,Item 3,9.95", b"3,Item 3,cheap")
    answer = send(api_a, feed, path="catalog/imports/preview", mapping={"color": {"field": "brand"}})
    assert answer.status == 200, answer.body
    shown = answer.json
    assert shown["format"] == "csv"
    assert shown["columns"]["id"] == ["0", "1", "2"]
    assert {name: target["field"] for name, target in shown["mapping"].items()} == {
        "id": "item_id", "title": "title", "price": "price", "color": "brand",
    }  # fmt: skip
    assert len(shown["rows"]) == 20
    assert (shown["rows"][0]["item"]["brand"], shown["rows"][0]["item"]["price"]) == ("red", "9.95")
    assert (shown["rows"][3]["item"], shown["rows"][3]["error"]["field"]) == (None, "price")
    assert (stored(api_a), api_a.get("catalog/imports").json["results"], store.exists()) == ({}, [], False)


def test_a_preview_of_a_feed_that_breaks_says_where(api_a: Api) -> None:
    feed = b'<rss xmlns:g="http://base.google.com/ns/1.0"><channel><item><g:id>1</g:id></item><item><oops></channel>'
    shown = send(api_a, feed, path="catalog/imports/preview").json
    assert len(shown["rows"]) == 1
    assert shown["broken"]["code"]


def test_strangers_upload_nothing_to_speak_of_on_the_dashboards_port(
    api_a: Api, tenant_a: TenantRef, settings: Any
) -> None:
    """Nothing in front of Django looks at bodies there; a page's form is read before its view knows who sends it."""
    large = csv_of([1]) + b"x" * 6_000_000
    browser = Client()
    answer = browser.post("/account/login/", {"login": "x", "file": SimpleUploadedFile("x.csv", large)})
    assert answer.status_code in {400, 413}
    with pytest.raises(RequestDataTooBig):
        upload_of(large, AnonymousUser())
    upload_of(large, User(email="ann@example.com"))
    settings.MAX_IMPORT_BYTES = 1_000_000
    with pytest.raises(RequestDataTooBig):
        upload_of(large, User(email="ann@example.com"))


def upload_of(content: bytes, who: Any) -> None:
    """Have a form with a file be read as a page's is."""
    file = SimpleUploadedFile("x.csv", content)
    request = RequestFactory().post("/any/page", {"file": file})
    request.user = who
    assert request.FILES["file"].size == len(content)


# --- Tables without a column that every item needs -------------------------------------------------------------------


NAMELESS = b"Artikelnr;Bezeichnung;Preis\n" + b"".join(b"%d;Item %d;9,95\n" % (n, n) for n in range(1200))
NAMES = {"Artikelnr": {"field": "item_id"}, "Bezeichnung": {"field": "title"}, "Preis": {"field": "price"}}


@pytest.mark.parametrize("format", ["csv", "merchant_tsv"])
@pytest.mark.parametrize("mode", ["delta", "replace"])
def test_a_table_without_ids_stops_before_its_first_row(
    api_a: Api, tenant_a: TenantRef, format: str, mode: str
) -> None:
    imported(api_a, tenant_a, csv_of(range(3)))
    done = imported(api_a, tenant_a, NAMELESS, format=format, mode=mode)
    assert (done["status"], done["error"]["code"], counts(done)) == ("failed", "missing_column", (0, 0, 0, 0, 0))
    for named in ("`item_id` and `title`", "rtikelnr", "ezeichnung", "mapping"):
        assert named in done["error"]["message"]
    assert set(stored(api_a)) == {"0", "1", "2"}


def test_a_mapping_mends_it(api_a: Api, tenant_a: TenantRef) -> None:
    done = imported(api_a, tenant_a, NAMELESS, mapping=NAMES)
    assert (done["status"], counts(done)) == ("completed", (1200, 0, 0, 0, 0))


def test_rows_of_json_are_still_reported_one_by_one(api_a: Api, tenant_a: TenantRef) -> None:
    done = imported(api_a, tenant_a, b'{"title": "x"}\n{"id": "1", "title": "Mug"}\n', filename="a.jsonl")
    assert (done["status"], counts(done)) == ("completed", (1, 0, 0, 1, 0))
    assert done["rejected_sample"][0]["code"] == "missing_field"


def test_a_preview_of_a_table_without_ids_shows_the_columns_to_map(api_a: Api) -> None:
    shown = send(api_a, NAMELESS, path="catalog/imports/preview").json
    assert (shown["broken"]["code"], shown["rows"]) == ("missing_column", [])
    assert shown["columns"]["Bezeichnung"] == ["Item 0", "Item 1", "Item 2"]
    assert shown["mapping"]["Artikelnr"] == {"field": "attributes.Artikelnr", "kind": "text"}
    mended = send(api_a, NAMELESS, path="catalog/imports/preview", mapping=NAMES).json
    assert (mended["broken"], mended["rows"][0]["item"]["title"]) == (None, "Item 0")
    empty = send(api_a, NAMELESS.splitlines()[0], path="catalog/imports/preview").json
    assert (empty["broken"]["code"], set(empty["columns"])) == ("missing_column", set(NAMES))


def test_what_breaks_a_feed_may_quote_what_postgresql_does_not_store(api_a: Api, tenant_a: TenantRef) -> None:
    for header in (b"a\x00b,c\n", b"id,title,a\x00b,a\x00b\n"):
        done = imported(api_a, tenant_a, header, format="csv")
        assert (done["status"], "a\ufffdb" in done["error"]["message"]) == ("failed", True)
