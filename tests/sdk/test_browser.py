"""The built SDK in a real browser: another origin, a strict content security policy, a real API."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Route

from tests.sdk.conftest import CHROMIUM, Shop, eventually

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian, Ubuntu: apt install chromium)"),
]

Stored = Callable[[str], list[dict[str, Any]]]
BLOCK_STORAGE = (
    "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('', 'SecurityError') } })"
)
# Each page says so before the SDK loads: one that is told nothing follows the browser's wish, and forgets the visitor.
AGREED = """
window.recom = function () { (recom.q = recom.q || []).push(arguments) }
recom('consent', true)
recom('identify', 'u-9')
"""
HOSTILE = "<img src=x onerror='window.hacked = true'>"


def test_a_shopper_sees_clicks_and_is_remembered(page: Page, shop: Shop, stored: Stored) -> None:
    page.goto(f"{shop.url}/mug")
    section = page.get_by_role("region", name="You may also like")
    cards = section.get_by_role("listitem")
    cards.first.wait_for()
    assert cards.count() == 4
    assert "€9.95" in cards.first.inner_text()
    (view,) = eventually(lambda: stored("view"))
    impressions = count(stored, "impression", 4)
    assert {event["position"] for event in impressions} == {1, 2, 3, 4}

    clicked = cards.first.locator(".title").inner_text().lower()
    cards.first.get_by_role("link").click()
    page.wait_for_url(f"{shop.url}/{clicked}")
    (click,) = eventually(lambda: stored("click"))
    assert (click["item_id"], click["position"], click["placement"]) == (clicked, 1, "home")
    assert click["recommendation_id"] == impressions[0]["recommendation_id"]
    second = count(stored, "view", 2)[1]
    assert second["item_id"] == clicked
    people = {(event["visitor_id"], event["session_id"]) for event in (view, second, click, *impressions)}
    assert len(people) == 1
    eventually(lambda: page.evaluate("!Object.keys(localStorage).some((name) => name.endsWith(':queue'))"))


def count(stored: Stored, kind: str, number: int) -> list[dict[str, Any]]:
    """The stored events of a type, as soon as there are so many."""
    return eventually(lambda: found if len(found := stored(kind)) == number else [])


def test_a_card_counts_as_seen_after_a_second_in_view_and_once(page: Page, shop: Shop) -> None:
    page.route("**/api/v1/events/batch*", lambda route: route.abort())
    page.clock.install(time=0)
    page.goto(f"{shop.url}/mug?below")
    card = page.locator("recom-widget li").first
    card.wait_for(state="attached")
    page.clock.pause_at(60_000)
    assert seen(page) == []
    card.scroll_into_view_if_needed()
    wait(page, 0.9)
    assert seen(page) == []
    page.evaluate("scrollTo(0, 0)")
    wait(page, 5)
    assert seen(page) == []
    for _ in range(2):
        card.scroll_into_view_if_needed()
        wait(page, 1.1)
        page.evaluate("scrollTo(0, 0)")
        wait(page, 1.1)
        assert seen(page) == ["bowl", "cup", "mug", "plate"]


def seen(page: Page) -> list[str]:
    """The items of the impressions that the page has queued."""
    queued = "JSON.parse(Object.entries(localStorage).find(([name]) => name.endsWith(':queue'))?.[1] ?? '[]')"
    return sorted(event["item_id"] for event in page.evaluate(queued) if event["type"] == "impression")


def wait(page: Page, seconds: float) -> None:
    """Let the page's clock run, once the browser has told every observer what is in view."""
    page.evaluate("new Promise((done) => new IntersectionObserver(done).observe(document.body))")
    page.clock.run_for(int(seconds * 1000))


def test_a_click_arrives_though_the_page_leaves_without_a_network(page: Page, shop: Shop, stored: Stored) -> None:
    page.route("**/api/v1/events/batch*", lambda route: route.abort())
    page.goto(f"{shop.url}/mug")
    page.locator("recom-widget a").first.click()
    page.wait_for_url(lambda url: not url.endswith("/mug"))
    assert stored("click") == []
    page.unroute("**/api/v1/events/batch*")
    page.goto(f"{shop.url}/bowl")
    assert len(eventually(lambda: stored("click"))) == 1


def test_blocked_storage_breaks_nothing(context: BrowserContext, page: Page, shop: Shop, stored: Stored) -> None:
    context.add_init_script(BLOCK_STORAGE)
    page.goto(f"{shop.url}/mug")
    link = page.locator("recom-widget a").first
    link.wait_for()
    eventually(lambda: stored("view"))
    link.click()
    assert eventually(lambda: stored("click"))


@pytest.mark.parametrize("reason", ["privacy control", "not asked yet"])
def test_without_consent_a_shopper_is_shown_products_and_leaves_no_trace(
    context: BrowserContext, page: Page, shop: Shop, stored: Stored, reason: str
) -> None:
    if reason == "privacy control":
        context.add_init_script("Object.defineProperty(navigator, 'globalPrivacyControl', { value: true })")
    else:
        shop.attributes = 'data-consent="required"'
    sent: list[str] = []
    page.on("request", lambda request: sent.append(f"{request.url} {request.post_data}"))
    page.goto(f"{shop.url}/mug")
    page.locator("recom-widget li").first.wait_for()
    page.locator("recom-widget a").first.click()
    page.wait_for_url(lambda url: not url.endswith("/mug"))
    page.locator("recom-widget li").first.wait_for()
    assert page.evaluate("[localStorage.length, document.cookie]") == [0, ""]
    assert not [request for request in sent if "/events" in request or "visitor" in request]
    assert stored("view") == stored("click") == []


def test_who_agreed_is_followed_though_the_browser_asks_not_to_be_and_a_login_is_told_once(
    context: BrowserContext, page: Page, shop: Shop, stored: Stored
) -> None:
    context.set_extra_http_headers({"Sec-GPC": "1"})
    context.add_init_script("Object.defineProperty(navigator, 'globalPrivacyControl', { value: true })")
    context.add_init_script(AGREED)
    for _ in range(2):
        page.goto(f"{shop.url}/mug")
        page.evaluate("recom('track', 'view', { item_id: 'cup' })")
        page.locator("recom-widget[state=ready]").wait_for()
    views = eventually(lambda: found if len(found := stored("view")) >= 2 else [])
    assert {(view["consent"], view["user_id"]) for view in views if view["item_id"] == "cup"} == {(True, "u-9")}
    (login,) = stored("login")
    assert (login["user_id"], login["visitor_id"], login["consent"]) == ("u-9", views[0]["visitor_id"], True)


def test_a_hostile_catalogue_stays_text(page: Page, shop: Shop) -> None:
    def answer(route: Route) -> None:
        code = "javascript:window.hacked=true"
        product = {"title": HOSTILE, "url": code, "image_url": code, "price": HOSTILE, "currency": HOSTILE}
        items = [{"item_id": "x", "position": 1, "product": product}]
        slate = {"recommendation_id": "r", "placement": HOSTILE, "items": items}
        route.fulfill(body=json.dumps(slate), headers={"Access-Control-Allow-Origin": shop.url})

    page.route("**/api/v1/recommendations*", answer)
    page.goto(f"{shop.url}/mug")
    widget = page.locator("recom-widget")
    assert widget.locator(".title").inner_text() == HOSTILE
    assert widget.locator("a, img, script").count() == 0
    assert page.evaluate("window.hacked") is None


def test_a_widget_without_an_answer_leaves_the_page_alone(page: Page, shop: Shop) -> None:
    page.route("**/api/v1/recommendations*", lambda route: route.abort())
    page.goto(f"{shop.url}/mug")
    page.locator("recom-widget[state=error]").wait_for()


def test_a_page_that_swaps_products_gets_the_new_ones_slate(page: Page, shop: Shop) -> None:
    page.goto(f"{shop.url}/mug")
    page.locator("recom-widget[state=ready]").wait_for()
    with page.expect_request("**/api/v1/recommendations*") as asked:
        page.evaluate(
            "for (const [name, value] of [['placement', 'pdp'], ['item', 'cup'], ['limit', '2']])"
            " document.querySelector('recom-widget').setAttribute(name, value)"
        )
    question = json.loads(asked.value.post_data or "")
    assert (question["placement"], question["item_id"], question["limit"]) == ("pdp", "cup", 2)
    eventually(lambda: page.locator("recom-widget li").count() == 2)
    assert "Cup" not in page.locator("recom-widget").inner_text()


def test_the_global_function_answers_callbacks(page: Page, shop: Shop) -> None:
    page.goto(f"{shop.url}/mug")
    slate = ask(page, "'recommend', { placement: 'pdp', items: ['mug'], limit: 2 }")
    assert len(slate["items"]) == 2
    assert ask(page, "'variant', 'shop-a:e1:1'") in (0, 1)
    assert "no placement" in ask(page, "'recommend', { placement: 'nope' }")


def ask(page: Page, command: str) -> Any:
    """What the callback of a command is given: the result, or the error's message."""
    return page.evaluate(f"new Promise((done) => recom({command}, (result, error) => done(error?.message ?? result)))")
