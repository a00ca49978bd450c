"""The live page in a real browser, with the API at another address as it is in production."""

import json
from collections.abc import Iterator
from urllib.request import Request, urlopen

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Page, expect

from tenants.types import TenantRef
from tests.conftest import new_key
from tests.dashboard.test_browser import CHROMIUM, opened
from tests.edge.test_processes import environment, serving  # noqa: F401 - a fixture

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


@pytest.fixture
def api(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:  # noqa: F811
    """The address of an API that serves this test run's shops, which the dashboard's pages know as well."""
    with serving(environment) as (port, _):
        address = f"http://127.0.0.1:{port}"
        policy = settings.CONTENT_SECURITY_POLICY
        directives = policy["DIRECTIVES"] | {"connect-src": ["'self'", address]}
        monkeypatch.setattr(settings, "API_URL", address)
        monkeypatch.setattr(settings, "CONTENT_SECURITY_POLICY", policy | {"DIRECTIVES": directives})
        yield address


def post(api: str, key: str, **event: str) -> None:
    request = Request(f"{api}/api/v1/events", json.dumps(event).encode(), {"X-API-Key": key})
    assert urlopen(request).status == 202


def rows(page: Page, text: str) -> None:
    expect(page.locator("[data-live-list] > li", has_text=text)).to_have_count(1, timeout=60_000)


def test_events_show_as_they_come_in_with_the_reason_where_they_are_refused(
    api: str, ann: Client, tenant_a: TenantRef
) -> None:
    key = new_key(tenant_a)
    with opened(ann, "dark", 375) as page:
        page.goto("/events/live/")
        expect(page.locator("[data-live-state]")).to_have_text("Live", timeout=60_000)
        expect(page.get_by_text("Waiting for events")).to_be_visible()
        page.wait_for_timeout(1_500)  # until every process knows that somebody watches
        post(api, key, type="view", visitor_id="v-1", item_id="mug")
        post(api, key, type="purchase", visitor_id="v-2", item_id="cup")
        rows(page, "mug")
        rows(page, "missing_order_id at /order_id: A purchase needs its")
        expect(page.get_by_text("Waiting for events")).to_be_hidden()
        expect(page.locator("[data-live-count=rejected]")).to_have_text("1")

        page.get_by_role("button", name="Pause").click()
        post(api, key, type="view", visitor_id="v-1", item_id="pot")
        page.get_by_role("button", name="Go on (1 new)").wait_for(timeout=60_000)
        assert page.locator("[data-live-list] > li").count() == 2
        page.keyboard.press("Enter")
        rows(page, "pot")
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")

        page.locator("[data-live-list] summary", has_text="v-2").press("Enter")
        page.get_by_role("button", name="Only this visitor").press("Enter")
        page.wait_for_url("**/events/live/?visitor_id=v-2")
        rows(page, "missing_order_id")
        post(api, key, type="view", visitor_id="v-1", item_id="tray")
        post(api, key, type="view", visitor_id="v-2", item_id="lamp")
        rows(page, "lamp")
        assert page.get_by_text("tray").count() == 0
        expect(page.locator("[data-live-told]")).to_contain_text("New:", timeout=60_000)
