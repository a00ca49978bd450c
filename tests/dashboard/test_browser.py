"""The pages in a real browser: no accessibility fault, nothing the policy refuses, and the keyboard is enough."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, Page, sync_playwright

from recomengine.wsgi import application
from tenants.models import ApiKey, Tenant
from tenants.types import KeyType, TenantRef
from tests.conftest import new_key
from tests.dashboard.conftest import SignIn
from tests.dashboard.test_models_pages import models_with_reports
from tests.dashboard.test_rules_pages import with_rules

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
AXE = Path(settings.BASE_DIR) / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
PAGES = [
    "/",
    "/?days=7&chart=revenue",
    "/previewer/",
    "/previewer/?item=mug&visitor=v-77",
    "/previewer/?q=red",
    "/placements/",
    "/placements/versions/home/",
    "/models/",
    "/models/v1/",
    "/models/held/",
    "/models/broken/",
    "/rules/",
    "/rules/?placement=pdp",
    "/catalog/",
    "/catalog/?q=red&category=Kitchen&min=1",
    "/catalog/?q=zzzz",
    "/catalog/imports/",
    "/catalog/sources/",
    "/catalog/items/mug/",
    "/catalog/quality/",
    "/privacy/",
    "/catalog/quality/missing_image/",
    "/catalog/quality/unknown_item/",
    "/events/live/",
    "/events/health/",
    "/events/",
    "/events/imports/",
    "/events/?visitor_id=v-77&since=2026-01-01",
    "/shops/",
    "/account/",
    "/account/email/",
    "/account/password/change/",
    "/account/sessions/",
    "/account/second-factor/",
    "/account/logout/",
]
STRANGERS_PAGES = [
    "/account/login/",
    "/account/signup/",
    "/account/password/reset/",
    "/account/password/reset/done/",
    "/account/password/reset/key/1-x/",
    "/account/confirm-email/x/",
    "/nowhere/",
]
OWNERS_PAGES = [
    "/keys/",
    "/keys/new/",
    "/team/",
    "/team/leave/",
    "/settings/",
    "/settings/delete/",
    "/audit/",
    "/audit/?since=2300-01-01",
    "/shops/new/",
    "/catalog/import/",
    "/events/import/",
    "/placements/new/",
    "/placements/edit/home/",
    "/placements/delete/home/",
    "/rules/",
    "/rules/new/",
    "/rules/first/edit/",
    "/rules/nested/edit/",
    "/rules/first/delete/",
    "/models/train/",
    "/models/held/publish/",
    "/models/v1/roll-back/",
]
LOOKS = [("light", 1280), ("dark", 1280), ("light", 375), ("dark", 375)]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def served() -> Iterator[str]:
    with make_server("127.0.0.1", 0, application, _Server, _Silent) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def opened(client: Client | None, theme: str = "light", width: int = 1280) -> Iterator[Page]:
    """A browser's page in which the client's person is logged in; fails on anything the console complains about."""
    complaints: list[str] = []
    with served() as address, sync_playwright() as playwright:
        browser: Browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(
            base_url=address, viewport={"width": width, "height": 900}, timezone_id="America/New_York"
        )
        cookies = {"theme": theme, **({"sessionid": client.cookies["sessionid"].value} if client else {})}
        context.add_cookies([{"name": name, "value": value, "url": address} for name, value in cookies.items()])
        page = context.new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        # The picture of a made-up host cannot be fetched, which is no fault of the page.
        page.route(
            "https://img.example/**", lambda route: route.fulfill(status=200, content_type="image/png", body=b"")
        )
        yield page
        browser.close()
    assert [text for text in complaints if "404 (Not Found)" not in text and "400 (Bad Request)" not in text] == []


@contextmanager
def beside_no_api(client: Client | None, theme: str = "light", width: int = 1280) -> Iterator[Page]:
    """An opened page to which nothing comes in live, as no API runs beside it."""
    with opened(client, theme, width) as page:
        page.route(
            "**/api/v1/events/stream*",
            lambda route: route.fulfill(
                content_type="text/event-stream",
                headers={"Access-Control-Allow-Origin": route.request.headers["origin"]},
                body="",
            ),
        )
        yield page


def faults(page: Page) -> list[str]:
    """What axe finds wrong with the page as it is now."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [f"{page.url}: {each['id']}: {node['html'][:200]}" for each in found for node in each["nodes"]]


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: npm ci in frontend/")
@pytest.mark.parametrize(("theme", "width"), LOOKS)
def test_no_page_has_an_accessibility_fault_or_scrolls_sideways(
    ann: Client, owner: Client, shop: TenantRef, theme: str, width: int
) -> None:
    new_key(shop, KeyType.PUBLISHABLE, name="Web shop")
    Tenant.objects.filter(slug=shop.slug).update(
        notice="Real orders of a gift shop, moved in time as a whole, and more"
    )
    models_with_reports(shop)
    with_rules(shop)
    wrong: list[str] = []
    for client, pages in ((ann, PAGES), (owner, OWNERS_PAGES), (None, STRANGERS_PAGES)):
        with beside_no_api(client, theme, width) as page:
            for address in pages:
                page.goto(address)
                wrong += faults(page)
                if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
                    wrong.append(f"{address} scrolls sideways")
    assert wrong == []


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: npm ci in frontend/")
def test_menus_lists_and_tables_have_no_accessibility_fault_when_they_are_open(ann: Client, shop: TenantRef) -> None:
    with opened(ann, "dark", 375) as page:
        page.goto("/")
        page.get_by_text("View as table").click()
        wrong = faults(page)
        page.get_by_role("button", name="Open the menu").click()
        page.locator("#menu summary").click()
        wrong += faults(page)
        page.goto("/previewer/?item=mug")
        page.get_by_text("The same from your server").click()
        page.get_by_label("Search a product or a visitor").press_sequentially("red")
        page.locator("#hits a").first.wait_for()
        wrong += faults(page)
    assert wrong == []


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: npm ci in frontend/")
def test_a_rule_asks_for_what_its_action_needs_and_is_previewed(eva: Client, shop: TenantRef) -> None:
    with opened(eva, "light", 375) as page:
        page.goto("/rules/new/")
        page.get_by_label("Name").fill("Tray first")
        assert not page.get_by_label("Position").is_visible()
        page.get_by_label("What it does").select_option("pin")
        assert not page.get_by_label("Which products: field of condition 1").is_visible()
        page.get_by_label("Product", exact=True).fill("tray")
        page.get_by_label("Position").fill("1")
        page.get_by_role("button", name="Preview").click()
        page.get_by_role("heading", name="With the rule").wait_for()
        wrong = faults(page)
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        page.get_by_role("button", name="Save").click()
        page.get_by_text("tray at position 1").wait_for()
    assert wrong == []


def test_the_previewer_by_keyboard(ann: Client, shop: TenantRef) -> None:
    with opened(ann) as page:
        page.goto("/previewer/")
        page.keyboard.press("/")
        page.keyboard.type("red")
        page.locator("#hits a").first.wait_for()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.wait_for_url("**/previewer/?item=mug")
        page.locator("h2#asked:focus", has_text="Red mug").wait_for()
        assert page.locator("#hits a").count() == 0
        assert page.title().startswith("Red mug")
        page.locator("ol a", has_text="Small red cup").first.click()
        page.wait_for_url("**/previewer/?item=cup")
        page.go_back()
        page.locator("h2#asked", has_text="Red mug").wait_for()
        assert page.locator("#menu").count() == 1


def test_choosing_a_placement_keeps_the_focus_on_the_choice(ann: Client, shop: TenantRef) -> None:
    with opened(ann) as page:
        page.goto("/previewer/?item=mug")
        page.focus("#placement")
        page.select_option("#placement", "cart")
        page.wait_for_url("**/previewer/?item=mug&placement=cart")
        page.locator("#placement:focus").wait_for()


def test_the_theme_is_switched_and_remembered(ann: Client, shop: TenantRef) -> None:
    with opened(ann, "light") as page:
        page.goto("/")
        before = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        page.get_by_role("button", name="Dark theme").click()
        assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") != before
        page.goto("/previewer/")
        assert page.locator("html").get_attribute("data-theme") == "dark"
        assert page.get_by_role("button", name="Light theme").is_visible()


def test_signing_in_and_switching_the_shop(sign_in: SignIn, tenant_a: TenantRef, tenant_b: TenantRef) -> None:
    sign_in(tenant_a, tenant_b, password="correct horse battery")
    with opened(None) as page:
        page.goto("/previewer/")
        page.get_by_label("Email address").fill("ann@example.com")
        page.get_by_label("Password").fill("correct horse battery")
        page.keyboard.press("Enter")
        page.wait_for_url("**/previewer/")
        page.locator("#menu summary").click()
        page.get_by_role("button", name="Shop B").click()
        page.get_by_role("heading", name="Overview").wait_for()
        assert "Shop B" in page.title()
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url("**/account/login/")


def test_a_new_key_is_copied_and_loading_again_makes_no_other(owner: Client, tenant_a: TenantRef) -> None:
    with opened(owner) as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.goto("/keys/")
        page.get_by_role("link", name="New key").click()
        page.get_by_label("Read-only").check()
        page.get_by_label("Name").fill("Server")
        page.get_by_role("button", name="Make the key").click()
        page.get_by_role("button", name="Copy the read-only key").click()
        page.get_by_role("button", name="Copied").wait_for()
        copied = page.evaluate("navigator.clipboard.readText()")
        page.reload()
        page.get_by_role("heading", name="API keys").wait_for()
        assert page.locator("#main li", has_text="Server").count() == 1
        assert copied not in page.content()
    (row,) = ApiKey.objects.filter(tenant__slug=tenant_a.slug)
    assert copied.startswith(f"rec_ro_{row.key_id}_")


def test_a_role_is_changed_in_place_and_keeps_the_focus(owner: Client, sign_in: SignIn, tenant_a: TenantRef) -> None:
    sign_in(tenant_a)
    with opened(owner) as page:
        page.goto("/team/")
        choice = page.get_by_label("Role of ann@example.com")
        choice.focus()
        choice.select_option("editor")
        page.get_by_text("ann@example.com is editor now.").wait_for()
        page.locator("select:focus[aria-label='Role of ann@example.com']").wait_for()
        own = page.get_by_label("Role of owner@example.com")
        own.select_option("viewer")
        page.get_by_text("A shop keeps at least one owner").wait_for()
        assert own.input_value() == "owner"


def test_the_audit_log_is_filtered_without_loading_the_page(owner: Client, tenant_a: TenantRef) -> None:
    new_key(tenant_a, name="Told")
    with opened(owner) as page:
        page.goto("/audit/")
        page.evaluate("window.sameDocument = true")
        page.get_by_label("Who").fill("nobody-is-called-that")
        page.keyboard.press("Enter")
        page.get_by_text("No entry is like that").wait_for()
        assert "actor=nobody-is-called-that" in page.url
        assert page.evaluate("window.sameDocument")
        page.locator("#id_actor:focus").wait_for()
        page.go_back()
        page.locator("#entries ins", has_text="Told").first.wait_for()
        page.focus("#id_action")
        page.select_option("#id_action", label="API key created")
        page.wait_for_url("**/audit/?*action=api_key.created*")
        page.locator("#id_action:focus").wait_for()
