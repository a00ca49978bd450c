"""Feeds that are remembered: with their columns, and when they are fetched."""

from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from catalog import items, sources
from catalog.importing import running
from catalog.models import Import, Source
from recomengine.lib.errors import DomainError
from tenants import tenancy
from tenants.models import AuditEntry
from tenants.types import TenantRef
from tests.catalog.imports.feeds import FeedServer
from tests.dashboard.importing import FEED, chosen, imported, selected, text_of
from tests.dashboard.test_overview import words


def test_a_named_feed_is_remembered_with_its_columns(eva: Client, ann: Client, tenant_a: TenantRef) -> None:
    report = imported(eva, tenant_a, chosen(eva, name="Shop feed (DE)"), weight="attributes.weight:number")
    assert "Shop feed (DE)" in text_of(eva, report)
    source = sources.get(tenant_a, "shop-feed-de")
    assert (source.name, source.format, source.mode, source.url, source.every_minutes) == (
        "Shop feed (DE)", "csv", "delta", "", None,
    )  # fmt: skip
    assert source.mapping["weight"] == {"field": "attributes.weight", "kind": "number"}
    assert "Shop feed (DE) CSV Files that you upload" in text_of(ann, "/catalog/sources/")
    again = eva.post("/catalog/import/", {"file": SimpleUploadedFile("f.csv", FEED), "name": "shop feed DE"})
    assert "There is a source of that name" in words(again.content)


def test_a_file_for_a_source_is_read_as_it_was_before(eva: Client, tenant_a: TenantRef) -> None:
    imported(eva, tenant_a, chosen(eva, name="Feed"), name=":text", colour="title:text")
    answer = eva.post("/catalog/import/?source=feed", {"file": SimpleUploadedFile("f.csv", FEED)})
    page = eva.get(answer["Location"]).content.decode()
    assert selected(page, "column-3") == ["title:text"]
    imported(eva, tenant_a, answer["Location"])
    assert items.get(tenant_a, "a-1").title == "red"
    with tenancy.use(tenant_a):
        assert Import.objects.filter(source__key="feed").count() == 2


def test_an_address_is_fetched_previewed_and_scheduled(eva: Client, tenant_a: TenantRef, feeds: FeedServer) -> None:
    feeds.pages["/feed.csv"] = FEED
    url = feeds.url("/feed.csv") + "?token=secret"
    answer = eva.post("/catalog/import/", {"url": url, "name": "Nightly", "every_hours": "24"})
    assert "Red lantern" in text_of(eva, answer["Location"])
    report = imported(eva, tenant_a, answer["Location"])
    assert "Created 2" in text_of(eva, report)
    assert sources.get(tenant_a, "nightly").every_minutes == 24 * 60
    listed = text_of(eva, "/catalog/sources/")
    assert "every day" in listed
    assert "secret" not in listed
    run = eva.post("/catalog/sources/nightly/run/")
    running.run_pending(tenant_a)
    assert "Unchanged 2" in text_of(eva, run["Location"])


def test_a_feed_that_is_not_there_is_told_beside_its_address(
    eva: Client, tenant_a: TenantRef, feeds: FeedServer, files: Path
) -> None:
    answer = eva.post("/catalog/import/", {"url": feeds.url("/nowhere")})
    assert answer.status_code == 400
    assert "404" in words(answer.content)
    assert not list((files / "shop-a").iterdir())


def test_a_source_is_changed_and_forgotten(eva: Client, tenant_a: TenantRef) -> None:
    imported(eva, tenant_a, chosen(eva, name="Feed"))
    page = eva.get("/catalog/sources/feed/").content.decode()
    assert selected(page, "column-3") == ["attributes.colour:text"]
    sent = {"name": "Renamed", "mode": "replace", "url": "", "every_hours": ""}
    sent |= {"name-0": '"colour"', "column-0": ":text", "name-1": '"sku"', "column-1": "item_id:text"}
    assert eva.post("/catalog/sources/feed/", sent)["Location"] == "/catalog/sources/"
    changed = sources.get(tenant_a, "feed")
    assert (changed.name, changed.mode) == ("Renamed", "replace")
    assert changed.mapping["colour"] == {"field": "", "kind": "text"}
    assert "http" in words(eva.post("/catalog/sources/feed/", sent | {"url": "ftp://x.example/"}).content)
    assert "needs a `url`" in words(eva.post("/catalog/sources/feed/", sent | {"every_hours": "2"}).content)
    assert "Delete it" in words(eva.get("/catalog/sources/feed/delete/").content)
    assert eva.post("/catalog/sources/feed/delete/")["Location"] == "/catalog/sources/"
    with pytest.raises(DomainError):
        sources.get(tenant_a, "feed")
    assert AuditEntry.objects.filter(action="source.deleted").latest("pk").object_id == "feed"


def test_a_schedule_in_minutes_survives_another_change(eva: Client, tenant_a: TenantRef) -> None:
    fields = {"key": "feed", "name": "Feed", "format": "csv", "url": "https://shop.example/f.csv", "every_minutes": 90}
    with tenancy.use(tenant_a):
        Source.objects.create(**fields)
    assert "every 90 minutes" in text_of(eva, "/catalog/sources/")
    eva.post("/catalog/sources/feed/", {"name": "New", "mode": "delta", "url": fields["url"], "every_hours": "1"})
    assert sources.get(tenant_a, "feed").every_minutes == 90
