"""Imports from the dashboard: setting one up in steps, following it, its report, and who may."""

import csv
import gzip
import io
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from catalog import drafts, importing, items
from catalog.importing import running
from catalog.models import Import
from catalog.types import ItemIn
from recomengine.lib.errors import DomainError
from tenants import tenancy
from tenants.models import AuditEntry
from tenants.types import Role, TenantRef
from tests.catalog.imports.feeds import FeedServer
from tests.dashboard.conftest import SignIn
from tests.dashboard.importing import FEED, chosen, form, imported, selected, started, text_of
from tests.dashboard.test_overview import words
from tests.dashboard.test_previewer import HTMX, Links

# --- Setting it up --------------------------------------------------------------------------------------------------


def test_a_file_becomes_a_preview_with_proposed_columns(eva: Client, tenant_a: TenantRef) -> None:
    address = chosen(eva)
    page = eva.get(address).content.decode()
    assert selected(page, "format") == ["csv"]
    columns = [selected(page, f"column-{number}") for number in range(5)]
    assert columns == [
        ["item_id:text"], ["title:text"], ["price:text"], ["attributes.colour:text"], ["attributes.weight:text"],
    ]  # fmt: skip
    text = words(page.encode())
    assert "Red lantern a-1 €9.95 in stock" in text
    assert "3 Not taken:" in text
    assert "cheap" in text
    with tenancy.use(tenant_a):
        assert not Import.objects.exists()


def test_a_change_of_a_column_shows_at_once_what_it_makes_of_the_rows(eva: Client, tenant_a: TenantRef) -> None:
    address = chosen(eva)
    sent = form(eva, address, price="attributes.price:text", weight="attributes.weight:number")
    answer = eva.post(address, sent, headers=HTMX)
    text = words(b"<main" + answer.content)
    assert b"<html" not in answer.content
    assert "Not taken" not in text
    assert "price: cheap" in text
    assert selected(answer.content.decode(), "column-4") == ["attributes.weight:number"]


def test_another_format_proposes_its_columns_anew(eva: Client, tenant_a: TenantRef) -> None:
    address = chosen(eva)
    sent = form(eva, address, sku=":text") | {"format": "merchant_tsv"}
    page = eva.post(address, sent, headers=HTMX).content.decode()
    assert selected(page, "format") == ["merchant_tsv"]
    assert selected(page, "column-0") == ["item_id:text"]


def test_two_columns_for_one_field_are_refused_and_nothing_starts(eva: Client, tenant_a: TenantRef) -> None:
    address = chosen(eva)
    answer = eva.post(address, {**form(eva, address, colour="title:text"), "start": "yes"})
    assert "are both mapped to `title`" in words(answer.content)
    with tenancy.use(tenant_a):
        assert not Import.objects.exists()


NAMELESS = b"Artikelnr,Name\n" + b"".join(b"%d,Lantern %d\n" % (number, number) for number in range(60_000))


@pytest.mark.parametrize("by_url", [False, True])
def test_a_column_that_is_missing_is_named_and_can_be_chosen(
    eva: Client, tenant_a: TenantRef, feeds: FeedServer, by_url: bool
) -> None:
    """Of what lies at an address only the first megabyte is here."""
    feeds.pages["/feed.csv"] = NAMELESS
    sent = {"url": feeds.url()} if by_url else {"file": SimpleUploadedFile("feed.csv", NAMELESS)}
    address = eva.post("/catalog/import/", sent).url  # type: ignore[attr-defined]
    assert "No column is mapped to `item_id`" in text_of(eva, address)
    answer = eva.post(address, form(eva, address, Artikelnr="item_id:text"), headers=HTMX)
    text = words(b"<main" + answer.content)
    assert ("No column" in text, "Lantern 0 0" in text) == (False, True)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "Choose a file, or name an address"),
        ({"file": "both", "url": "https://shop.example/feed.csv"}, "Choose a file, or name an address"),
        ({"file": "empty"}, "empty"),
        ({"url": "ftp://shop.example/feed.csv"}, "http"),
        ({"url": "http://127.0.0.1/feed.csv"}, "no public server"),
        ({"url": "http://user:secret@shop.example/"}, "without"),
        ({"file": "named", "every_hours": "2"}, "needs a name"),
        ({"file": "named", "every_hours": "2", "name": "x"}, "cannot be fetched again"),
        ({"file": "named", "name": "…"}, "letters or digits"),
        ({"url": "https://shop.example/", "name": "x", "every_hours": "0"}, "greater than or equal to 1"),
    ],
)
def test_what_cannot_be_imported_is_named_beside_its_field(
    eva: Client, tenant_a: TenantRef, fields: dict[str, Any], said: str
) -> None:
    if "file" in fields:
        fields = fields | {"file": SimpleUploadedFile("feed.csv", b"" if fields["file"] == "empty" else FEED)}
    answer = eva.post("/catalog/import/", fields)
    assert answer.status_code == 400
    assert said in words(answer.content)
    assert b"secret" not in answer.content.replace(b'value="http://user:secret@shop.example/"', b"")


def test_what_is_no_feed_can_be_told_and_left(eva: Client, tenant_a: TenantRef) -> None:
    address = chosen(eva, b"\x89PNG\r\n\x1a\n\x00\x00", "picture.png")
    answer = eva.get(address)
    assert answer.status_code == 200
    assert "looks like no feed" in words(answer.content)


def test_gzip_and_jsonl_are_read_as_well(eva: Client, tenant_a: TenantRef) -> None:
    content = gzip.compress(b'{"item_id":"j-1","title":"From JSON","price":"1.50","attributes":{"a":1}}\n')
    address = chosen(eva, content, "feed.jsonl.gz")
    assert "From JSON j-1 €1.50" in text_of(eva, address)
    report = imported(eva, tenant_a, address)
    assert "Rows 1 Created 1" in text_of(eva, report)
    assert items.get(tenant_a, "j-1").attributes == {"a": 1}


# --- Running it -----------------------------------------------------------------------------------------------------


def test_from_the_file_to_the_report(eva: Client, ann: Client, tenant_a: TenantRef) -> None:
    address = chosen(eva)
    report = started(eva, address, weight="attributes.weight:number", colour=":text")
    waiting = eva.get(report).content.decode()
    assert "Waiting for its turn" in waiting
    assert 'hx-trigger="load delay:1s"' in waiting
    running.run_pending(tenant_a)
    text = text_of(eva, report)
    assert "Imported CSV, adding and changing · by eva@example.com" in text
    assert "Rows 3 Created 2 Updated 0 Unchanged 0 Rejected 1 Deleted 0" in text
    assert "line 3 a-2" in text
    assert "cheap" in text
    part = eva.get(report, headers=HTMX).content.decode()
    assert "hx-trigger" not in part
    assert "<html" not in part
    assert '<p id="announced" hx-swap-oob="innerHTML">The import is over: completed.</p>' in part
    stored = items.get(tenant_a, "a-1")
    assert (stored.title, stored.attributes) == ("Red lantern", {"weight": 340})
    assert "Rows 3 Created 2" in text_of(ann, report)  # a viewer reads it too


def test_a_draft_is_over_once_it_was_started(eva: Client, tenant_a: TenantRef, files: Path) -> None:
    address = chosen(eva)
    report = imported(eva, tenant_a, address)
    assert eva.get(address).status_code == 404
    assert eva.post(address, {"start": "yes"}).status_code == 404
    assert eva.get(report).status_code == 200
    assert [each.name for each in (files / "shop-a").iterdir()] == []


def test_the_errors_are_downloaded_without_a_formula(ann: Client, eva: Client, tenant_a: TenantRef) -> None:
    report = imported(eva, tenant_a, chosen(eva, b"id,title,price\n1,Mug,=1+1\n2,Cup,1.00\n"))
    assert f"{report}errors.csv" in Links(ann.get(report).content).found
    answer = ann.get(f"{report}errors.csv")
    assert answer["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))  # type: ignore[arg-type]
    assert [(row["line"], row["item_id"], row["field"], row["value"]) for row in rows] == [("2", "1", "price", "'=1+1")]


def test_an_import_is_stopped_and_gone_on_with(eva: Client, tenant_a: TenantRef) -> None:
    report = started(eva, chosen(eva))
    assert eva.post(f"{report}cancel/")["Location"] == report
    assert "Cancelled" in text_of(eva, report)
    assert "is cancelled already" in words(eva.post(f"{report}cancel/", follow=True).content)
    assert eva.post(f"{report}resume/")["Location"] == report
    running.run_pending(tenant_a)
    assert "Created 2" in text_of(eva, report)


def test_a_replacing_import_deletes_only_a_little_unasked(eva: Client, tenant_a: TenantRef) -> None:
    items.write(tenant_a, [ItemIn(item_id=f"old-{number}", title="Old") for number in range(40)])
    report = imported(eva, tenant_a, chosen(eva), mode="replace")
    text = text_of(eva, report)
    assert "Failed CSV, replacing the catalogue" in text
    assert "lacks 40 of the catalogue" in text
    eva.post(f"{report}resume/", {"allow_deletions": "yes"})
    running.run_pending(tenant_a)
    assert "Deleted 40" in text_of(eva, report)


def test_who_started_what_is_in_the_audit_log(eva: Client, tenant_a: TenantRef) -> None:
    started(eva, chosen(eva))
    entry = AuditEntry.objects.filter(action="import.requested").latest("pk")
    assert (entry.actor, entry.tenant and entry.tenant.slug) == ("eva@example.com", "shop-a")


def test_the_history_lists_imports_page_by_page(ann: Client, eva: Client, tenant_a: TenantRef) -> None:
    assert "Nothing was imported yet" in text_of(ann, "/catalog/imports/")
    with tenancy.use(tenant_a):
        rows = Import.objects.bulk_create([
            Import(filename=f"file-{number}.csv", format="csv", status="completed", rows=number, rejected=1,
                   requested_by="eva@example.com")
            for number in range(35)
        ])  # fmt: skip
    text = text_of(ann, "/catalog/imports/")
    assert "file-34.csv" in text
    assert "file-5.csv" in text
    assert "file-4.csv" not in text
    assert f"?before={rows[5].pk}" in Links(ann.get("/catalog/imports/").content).found
    older = text_of(ann, f"/catalog/imports/?before={rows[5].pk}")
    assert "file-4.csv" in older
    assert "file-5.csv" not in older
    for junk in ("x", "-1", "9" * 40, "%00", "³"):
        assert ann.get(f"/catalog/imports/?before={junk}").status_code == 200


# --- Who may, and whose -------------------------------------------------------------------------------------------


def test_a_viewer_sees_no_button_that_is_not_for_her(ann: Client, eva: Client, tenant_a: TenantRef) -> None:
    report = started(eva, chosen(eva, name="Feed"))
    for address, mine in (
        ("/catalog/", "/catalog/import/"), ("/catalog/imports/", "/catalog/import/"), (report, "cancel/"),
        ("/catalog/sources/", "/catalog/sources/feed/"),
    ):  # fmt: skip
        assert mine in eva.get(address).content.decode()
        assert mine not in ann.get(address).content.decode().replace("/catalog/imports/", "")


def test_another_shops_drafts_imports_and_sources_are_not_there(
    eva: Client, sign_in: SignIn, tenant_a: TenantRef, tenant_b: TenantRef
) -> None:
    bob = sign_in(tenant_b, email="bob@example.com", role=Role.OWNER)
    address = chosen(eva)
    assert bob.get(address).status_code == 404
    assert bob.post(address, {"start": "yes"}).status_code == 404
    report = imported(eva, tenant_a, chosen(eva, name="Feed"))
    for path in (report, f"{report}errors.csv", "/catalog/sources/feed/", "/catalog/sources/feed/delete/"):
        assert bob.get(path).status_code == 404
    for path in (f"{report}cancel/", f"{report}resume/", "/catalog/sources/feed/run/", "/catalog/sources/feed/delete/"):
        assert bob.post(path).status_code == 404
    assert bob.get("/catalog/import/?source=feed").status_code == 404
    assert "Feed" not in text_of(bob, "/catalog/sources/").replace("Files", "")
    assert importing.get(tenant_a, int(report.split("/")[-2])).status == "completed"


@pytest.mark.parametrize("token", ["x", "..", "%2e%2e%2fpasswd", "0" * 32, "A" * 32, "1" * 500])
def test_a_token_is_only_ever_a_token(eva: Client, tenant_a: TenantRef, token: str) -> None:
    assert eva.get(f"/catalog/import/{token}/").status_code == 404


def test_texts_of_a_feed_are_never_markup(eva: Client, tenant_a: TenantRef) -> None:
    bad = "<script>alert(1)</script>"
    feed = f'sku,title,price,"{bad}"\n{bad},{bad},{bad},{bad}\nok,{bad},1,{bad}\n'.encode()
    address = chosen(eva, feed, f"{bad}.csv")
    pages = [eva.get(address).content.decode(), eva.get(imported(eva, tenant_a, address)).content.decode()]
    assert all("<script>alert" not in page for page in pages)
    assert "&lt;script&gt;" in pages[0]


def test_a_columns_name_may_have_a_line_break(eva: Client, tenant_a: TenantRef) -> None:
    address = chosen(eva, b'sku,title,"co\nlour"\n1,Mug,red\n')
    page = eva.get(address).content.decode()
    assert r"&quot;co\nlour&quot;" in page
    sent = form(eva, address) | {"name-2": r'"co\nlour"', "column-2": "brand:text", "start": "yes"}
    assert eva.post(address, sent).status_code == 302
    running.run_pending(tenant_a)
    assert items.get(tenant_a, "1").brand == "red"


def test_a_feed_of_very_many_columns_can_still_be_imported(eva: Client, tenant_a: TenantRef) -> None:
    names = ["sku", "title", *(f"column {number}" for number in range(600))]
    address = chosen(eva, f"{','.join(names)}\n1,Mug,{'x,' * 50}{',' * 549}\n".encode())
    assert "Created 1" in text_of(eva, imported(eva, tenant_a, address))
    assert len(items.get(tenant_a, "1").attributes) == 50


def test_junk_in_a_form_is_refused_and_not_an_error(eva: Client, tenant_a: TenantRef) -> None:
    address = chosen(eva)
    for junk in (
        {"format": "exe"}, {"mode": "burn"}, {"name-0": "not json"}, {"name-0": "[]"}, {"column-0": "nowhere:text"},
        {"column-0": "attributes.a:banana"}, {"name-1": '"\\u0000"'},
    ):  # fmt: skip
        answer = eva.post(address, {**form(eva, address), **junk, "start": "yes"})
        if answer.status_code == 302:  # a target of no known kind is text
            assert junk == {"column-0": "attributes.a:banana"}
            address = chosen(eva)
        else:
            assert b'role="alert"' in answer.content, junk


def test_a_draft_that_cannot_be_kept_leaves_nothing(tenant_a: TenantRef, files: Path) -> None:
    with pytest.raises(DomainError):
        drafts.of_file(tenant_a, drafts.Draft(drafts.new_token()), [])
    assert list((files / "shop-a").iterdir()) == []
