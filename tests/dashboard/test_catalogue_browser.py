"""The catalogue's pages in a real browser: from a file to its report, and searching without losing one's place."""

import csv
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from playwright.sync_api import Page

from catalog.importing import running
from tenants.types import TenantRef
from tests.dashboard.test_browser import AXE, CHROMIUM, faults, opened

FEED = """sku;name;price;product type;colour
a-1;Red lantern;9.95;Home > Light;red
a-2;Blue lantern;cheap;Home > Light;blue
a-3;Green lantern;19.00;Garden;green
"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


@pytest.fixture
def feed(tmp_path: Path) -> Path:
    path = tmp_path / "lanterns.csv"
    path.write_text(FEED)
    return path


def aside(work: Callable[[], None]) -> None:
    """Do it in a thread of its own: the browser's has an event loop, in which Django asks no database."""

    def done() -> None:
        work()
        connection.close()

    thread = threading.Thread(target=done)
    thread.start()
    thread.join()


def checked(page: Page) -> list[str]:
    """The faults of the page as it is now, if axe is there to find them."""
    found = faults(page) if AXE.exists() else []
    wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    return [*found, *([f"{page.url} scrolls sideways"] if wide else [])]


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 375)])
def test_from_a_file_to_its_report(owner: Client, shop: TenantRef, feed: Path, theme: str, width: int) -> None:
    with opened(owner, theme, width) as page:
        page.goto("/catalog/")
        page.get_by_role("link", name="Import", exact=True).click()
        page.get_by_label("A file").set_input_files(feed)
        page.get_by_role("button", name="Go on to the preview").click()
        page.get_by_role("heading", name="Where each column goes").wait_for()
        wrong = checked(page)
        page.get_by_text("Not taken:").wait_for()
        column = page.get_by_label("colour", exact=True)
        column.focus()
        column.select_option(label="Brand")
        page.get_by_role("cell", name="green", exact=True).wait_for()
        page.locator("select#column-4:focus").wait_for()
        page.get_by_role("button", name="Start the import").click()
        page.get_by_role("heading", name="Waiting for its turn").wait_for()
        wrong += checked(page)
        aside(lambda: running.run_pending(shop))
        page.get_by_role("heading", name="Imported").wait_for()
        assert page.locator("#announced").inner_text() == "The import is over: completed."
        wrong += checked(page)
        with page.expect_download() as download:
            page.get_by_role("link", name="All as CSV").click()
        (row,) = csv.DictReader(Path(download.value.path()).read_text().splitlines())
        assert (row["line"], row["item_id"], row["value"]) == ("3", "a-2", "cheap")
        page.get_by_role("link", name="See the catalogue").click()
        page.get_by_role("link", name="Green lantern").wait_for()
    assert wrong == []


def test_typing_searches_and_keeps_the_filters_and_the_focus(ann: Client, shop: TenantRef) -> None:
    with opened(ann) as page:
        page.goto("/catalog/")
        page.evaluate("window.sameDocument = true")
        page.get_by_role("link", name="Kitchen").click()
        page.wait_for_url("**/catalog/?category=Kitchen")
        page.locator("a:focus[id^='facet-category']").wait_for()
        page.keyboard.press("/")
        page.keyboard.type("red")
        page.wait_for_url("**/catalog/?q=red&category=Kitchen*")
        page.get_by_role("heading", name="1 product").wait_for()
        page.locator("#q:focus").wait_for()
        page.get_by_role("link", name="Kitchen (remove this filter)").click()
        page.get_by_role("heading", name="2 products").wait_for()
        assert page.locator("#q").input_value() == "red"
        page.focus("#sort")
        page.select_option("#sort", "price")
        page.wait_for_url("**/catalog/?*sort=price*")
        page.locator("#sort:focus").wait_for()
        assert page.evaluate("window.sameDocument")
        page.go_back()
        page.get_by_role("link", name="Kitchen").first.wait_for()


def test_filters_on_a_narrow_screen_open_and_close(ann: Client, shop: TenantRef) -> None:
    with opened(ann, "dark", 375) as page:
        page.goto("/catalog/")
        assert not page.get_by_role("link", name="Kitchen").is_visible()
        page.get_by_role("button", name="Filters").click()
        wrong = checked(page)
        page.get_by_role("link", name="Kitchen").click()
        page.get_by_role("heading", name="1 product").wait_for()
        assert not page.locator("#filters").is_visible()
    assert wrong == []
