"""The catalogue as a file: every format comes back as it went out, through the API and by command."""

import gzip
import json
import tracemalloc
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from catalog import exporting, items
from catalog.feeds.types import Format
from catalog.types import ItemIn
from tenants.types import TenantRef
from tests.api import Api
from tests.catalog.imports.feeds import FeedServer, counts, csv_of, imported, stored
from tests.conftest import new_key

pytestmark = pytest.mark.smoke
ITEMS: list[dict[str, Any]] = [
    {"item_id": "mug", "title": "Mug, \"blue\"\nlarge", "price": "9.95", "sale_price": "7.5", "brand": "Ä & Ö <b>",
     "categories": ["Home > Kitchen > Mugs", "Gifts"], "attributes": {"blue": True, "size": 3, "tags": ["a", "b,c"]},
     "description": "=1+1", "url": "https://shop.example/mug?a=1&b=2", "image_url": "https://shop.example/mug.jpg",
     "availability": "out_of_stock", "group_id": "mugs", "currency": "USD",
     "sale_starts_at": "2026-11-01T00:00:00Z", "sale_ends_at": "2026-12-01T00:00:00Z",
     "published_at": "2026-01-01T00:00:00Z", "expires_at": "2027-01-01T00:00:00Z"},
    {"item_id": "plain", "title": "Plain"},
    {"item_id": "a/b c", "title": "Free", "price": "0", "availability": "preorder"},
]  # fmt: skip


def everything(api: Api) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get("catalog/items", {"limit": 500}).json["results"]
    return found


@pytest.mark.parametrize("format", list(Format))
@pytest.mark.parametrize("packed", [False, True])
def test_what_is_exported_is_imported_again_as_it_was(
    api_a: Api, api_b: Api, tenant_b: TenantRef, format: Format, packed: bool
) -> None:
    api_a.post("catalog/items/batch", {"items": ITEMS})
    answer = api_a.get("catalog/export", {"format": format, "gzip": "1"} if packed else {"format": format})
    ending, content_type = exporting.TYPES[format]
    assert (answer.status, answer.headers["content-type"]) == (200, "application/gzip" if packed else content_type)
    assert f'"shop-a-catalogue.{ending}{".gz" if packed else ""}"' in answer.headers["content-disposition"]
    done = imported(api_b, tenant_b, answer.body, format=format)
    assert counts(done) == (3, 0, 0, 0, 0), done["rejected_sample"]
    assert everything(api_b) == everything(api_a)


def test_an_empty_catalogue_is_a_feed_too(api_a: Api, tenant_a: TenantRef) -> None:
    for format in Format:
        feed = api_a.get("catalog/export", {"format": format}).body
        done = imported(api_a, tenant_a, feed or b"\n", format=format)
        assert (done["status"], done["progress"]["rows"]) == ("completed", 0), format


@pytest.mark.parametrize("format", ["", "xls", "CSV"])
def test_a_format_that_is_none_is_refused(api_a: Api, format: str) -> None:
    answer = api_a.get("catalog/export", {"format": format})
    assert (answer.status, answer.json["code"]) == (400, "invalid")


def test_whatever_accept_says_the_file_comes(api_a: Api) -> None:
    for accept in ("text/csv", "application/xml", "image/png"):
        assert api_a.get("catalog/export", {"format": "csv"}, accept=accept).status == 200


def test_another_shops_items_are_not_in_it(api_a: Api, api_b: Api) -> None:
    api_a.post("catalog/items/batch", {"items": ITEMS})
    assert b"mug" not in api_b.get("catalog/export", {"format": "jsonl"}).body


def test_the_dashboards_port_exports_as_well(api_a: Api, tenant_a: TenantRef) -> None:
    """It is another kind of server: what suits one would be held whole by the other."""
    api_a.post("catalog/items/batch", {"items": ITEMS})
    client = Client(headers={"X-API-Key": new_key(tenant_a)})
    response = client.get("/api/v1/catalog/export?format=csv")
    assert not response.is_async  # type: ignore[attr-defined]
    assert b"".join(response.streaming_content) == api_a.get(  # type: ignore[attr-defined]
        "catalog/export", {"format": "csv"}
    ).body  # fmt: skip


# --- Groups as Shopify's products -----------------------------------------------------------------------------------


def add(tenant: TenantRef, groups: dict[str, str | None]) -> None:
    """Write items in this order: id → group."""
    for each, group in groups.items():
        items.write(tenant, [ItemIn(item_id=each, title=f"Item {each}", group_id=group)])


def told(parts: Iterable[bytes]) -> list[list[str]]:
    """The ids of the variants of each product."""
    products = json.loads(b"".join(parts))["products"]
    return [[str(variant["id"]) for variant in product["variants"]] for product in products]


INTERLEAVED = {"a1": "a", "b1": "b", "x": None, "a2": "a", "y": None, "b2": "b", "a3": "a", "c1": "c"}


@pytest.mark.parametrize("chunk", [1, 2, 3, 500])
def test_a_group_is_one_product_wherever_its_items_stand(
    tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(exporting, "_CHUNK", chunk)
    monkeypatch.setattr(exporting, "_FETCHED", chunk)
    add(tenant_a, INTERLEAVED)
    found = told(exporting.export(tenant_a, Format.SHOPIFY))
    assert found == [["a1", "a2", "a3"], ["b1", "b2"], ["x"], ["y"], ["c1"]]


def test_groups_are_imported_again_as_they_were(api_a: Api, tenant_a: TenantRef) -> None:
    add(tenant_a, INTERLEAVED)
    api_a.post(
        "catalog/items/batch", {"items": [*ITEMS, {"item_id": "blue", "title": "Mug, blue", "group_id": "mugs"}]}
    )
    before = everything(api_a)
    feed = api_a.get("catalog/export", {"format": "shopify"}).body
    assert {"mug", "blue"} in map(set, told([feed]))
    done = imported(api_a, tenant_a, feed, filename="products.json")
    assert (done["format"], counts(done)) == ("shopify", (0, 0, 12, 0, 0)), done["rejected_sample"]
    assert everything(api_a) == before


def test_what_is_written_meanwhile_loses_no_item_and_doubles_none(
    tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Items change their groups, and groups lose their first, between the chunks of an export."""
    monkeypatch.setattr(exporting, "_CHUNK", 2)
    add(tenant_a, INTERLEAVED)
    rows = exporting._by_group(tenant_a)
    found = [next(rows).item_id, next(rows).item_id]
    assert found == ["a1", "a2"]
    items.delete(tenant_a, "a1")
    add(tenant_a, {"a2": None, "x": "a", "b1": "c", "y": "b", "new": "b"})
    items.delete(tenant_a, "b2")
    found += [item.item_id for item in rows]
    assert sorted(found) == ["a1", "a2", "a3", "b1", "c1", "x", "y"]


@pytest.mark.slow
def test_an_export_is_held_by_nobody(tenant_a: TenantRef) -> None:
    for start in range(0, 20_000, 500):
        rows = [
            ItemIn(item_id=str(n), title="x", description="y" * 1000, price=Decimal(1))
            for n in range(start, start + 500)
        ]
        items.write(tenant_a, rows)
    tracemalloc.start()
    size = sum(len(part) for part in exporting.export(tenant_a, Format.CSV))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size > 20_000_000
    assert peak < 8_000_000


# --- Commands -------------------------------------------------------------------------------------------------------


def command(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    call_command(*arguments, "--json")
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_catalogue_is_exported_and_imported_by_command(
    api_a: Api, api_b: Api, tenant_b: TenantRef, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    api_a.post("catalog/items/batch", {"items": ITEMS})
    file = str(tmp_path / "feed.xml.gz")
    told = command(capsys, "export_catalogue", "shop-a", "--format", "merchant_xml", "--gzip", "--to", file)
    assert told["bytes"] == Path(file).stat().st_size
    assert gzip.decompress(Path(file).read_bytes()).startswith(b"<?xml")
    done = command(capsys, "import_catalogue", "shop-b", file)
    assert (done["status"], done["created"], done["rejected"]) == ("completed", 3, 0)
    assert everything(api_b) == everything(api_a)


def test_a_command_fetches_maps_and_replaces(api_a: Api, feeds: FeedServer, capsys: pytest.CaptureFixture[str]) -> None:
    feeds.pages["/feed.csv"] = csv_of(range(3))
    command(capsys, "import_catalogue", "shop-a", feeds.url())
    feeds.pages["/feed.csv"] = csv_of(range(2), price="cheap")
    mapping = '{"price": {"field": "attributes.price"}}'
    done = command(capsys, "import_catalogue", "shop-a", feeds.url(), "--mode", "replace", "--mapping", mapping)
    assert (done["updated"], done["deleted"], set(stored(api_a))) == (2, 1, {"0", "1"})


def test_a_command_that_imports_nothing_says_why(
    api_a: Api, tmp_path: Path, feeds: FeedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandError, match="cannot be read: No such file"):
        call_command("import_catalogue", "shop-a", str(tmp_path / "none.csv"))
    with pytest.raises(CommandError, match=r"The import is failed\. .*404"):
        call_command("import_catalogue", "shop-a", feeds.url())
    with pytest.raises(CommandError, match="no tenant 'nowhere'"):
        call_command("import_catalogue", "nowhere", str(tmp_path))
    with pytest.raises(CommandError, match="cannot be written: Is a directory"):
        call_command("export_catalogue", "shop-a", "--to", str(tmp_path))
