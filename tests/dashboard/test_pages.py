"""Every page keeps to the strict policy, and errors have pages of their own."""

import gzip
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.template.loader import render_to_string
from django.test import Client

from tenants.types import TenantRef
from tests.dashboard.test_rules_pages import with_rules

PAGES = [
    "/", "/?days=90&chart=revenue", "/previewer/", "/previewer/?item=mug&visitor=v-77", "/previewer/?q=red",
    "/previewer/search/?q=red", "/placements/", "/placements/versions/home/", "/rules/", "/rules/?placement=pdp",
    "/models/", "/models/v1/", "/catalog/", "/catalog/items/mug/", "/catalog/?q=mug&brand=Acme&min=1",
    "/catalog/imports/", "/catalog/sources/", "/catalog/quality/", "/catalog/quality/missing_image/",
    "/catalog/quality/unknown_item/", "/events/live/", "/events/live/?visitor_id=v-77",
    "/events/health/", "/privacy/", "/shops/", "/account/login/", "/nowhere/",
    "/account/", "/account/email/", "/account/password/change/", "/account/sessions/", "/account/second-factor/",
]  # fmt: skip
OWNERS_PAGES = [
    "/keys/", "/keys/new/", "/team/", "/team/leave/", "/settings/", "/settings/delete/", "/audit/",
    "/audit/?since=soon", "/shops/new/", "/catalog/import/",
    "/placements/new/", "/placements/edit/home/", "/placements/delete/home/",
    "/rules/new/", "/rules/first/edit/", "/rules/first/delete/",
    "/models/train/", "/models/v1/publish/", "/models/v1/roll-back/",
]  # fmt: skip
TEMPLATES = Path(settings.BASE_DIR) / "recomengine" / "templates"


class Inline(HTMLParser):
    """What the Content-Security-Policy would refuse: inline styles, scripts and event handlers."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "style" or (tag == "script" and not values.get("src")):
            self.found.append(tag)
        self.found += [f"{tag} {name}" for name in values if name == "style" or name.startswith(("on", "hx-on"))]
        self.found += [f"{tag} {name}" for name, value in attrs if (value or "").lower().startswith("javascript:")]


@pytest.mark.parametrize("page", [*PAGES, *OWNERS_PAGES])
def test_pages_carry_a_strict_policy_and_nothing_that_it_refuses(
    ann: Client, owner: Client, shop: TenantRef, page: str
) -> None:
    with_rules(shop)
    browser = owner if page in OWNERS_PAGES else ann
    answer = (Client() if page == "/account/login/" else browser).get(page)
    policy = dict(part.strip().split(" ", 1) for part in answer["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["form-action"] == policy["base-uri"] == "'self'"
    assert policy["frame-ancestors"] == policy["object-src"] == "'none'"
    assert "unsafe" not in answer["Content-Security-Policy"]
    assert "script-src" not in policy
    assert Inline(answer.content.decode()).found == []


@pytest.mark.parametrize(
    "template", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: str(path.relative_to(TEMPLATES))
)
def test_templates_hold_no_inline_style_script_or_handler(template: Path) -> None:
    assert Inline(template.read_text()).found == []


def test_what_every_page_loads_is_light(ann: Client) -> None:
    page = ann.get("/").content.decode()
    files = set(re.findall(r'(?:src|href)="/static/([^"]+)"', page))
    assert {"dashboard.css", "dashboard.js", "fonts/inter.woff2"} <= files
    sizes = {name: len(gzip.compress(Path(str(finders.find(name))).read_bytes())) for name in files}
    assert sum(sizes.values()) < 50 * 1024, sizes


def test_htmx_neither_evaluates_nor_injects_styles(ann: Client) -> None:
    page = ann.get("/").content.decode()
    assert '"includeIndicatorStyles":false' in page
    assert '"allowEval":false' in page


@pytest.mark.parametrize(
    ("cookie", "expected"), [("dark", ' data-theme="dark"'), ("light", ' data-theme="light"'), ('"x', "")]
)
def test_the_chosen_theme_is_there_from_the_first_byte(ann: Client, cookie: str, expected: str) -> None:
    ann.cookies["theme"] = cookie
    assert f'<html lang="en"{expected}>' in ann.get("/").content.decode()


def test_an_unknown_address_has_a_page_with_a_way_out(ann: Client) -> None:
    answer = ann.get("/nowhere/")
    assert answer.status_code == 404
    assert 'href="/"' in answer.content.decode()


def test_the_page_for_our_own_mistakes_needs_nothing() -> None:
    page = render_to_string("500.html")
    assert "Something went wrong on our side" in page
    assert Inline(page).found == []


def test_the_menu_marks_the_page_and_offers_the_admin_to_staff_only(ann: Client) -> None:
    page = ann.get("/previewer/").content.decode()
    assert '<a href="/previewer/" class="nav-link" aria-current="page">' in page
    assert page.count('aria-current="page"') == 1
    assert "/admin/" not in page


def test_the_menu_offers_what_the_role_may_see(ann: Client, owner: Client) -> None:
    offered = {
        name: [
            f'href="/{page}/"' in browser.get("/").content.decode() for page in ("keys", "team", "audit", "settings")
        ]
        for name, browser in (("viewer", ann), ("owner", owner))
    }
    assert offered == {"viewer": [True, True, False, False], "owner": [True] * 4}
