"""From sign-up to the first keys, the second factor and the admin, in a real browser."""

import json
from collections.abc import Iterator

import pytest
from django.core import mail
from django.test import Client
from playwright.sync_api import Page

from tenants import schemas
from tenants.models import Tenant
from tests.accounts.conftest import PASSWORD, NewPerson, code_of, link, logged_in
from tests.api import Api
from tests.dashboard.test_browser import AXE, CHROMIUM, faults, opened

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: npm ci in frontend/"),
]


@pytest.fixture
def new_shops(tenants: tuple[Tenant, Tenant]) -> Iterator[None]:
    yield
    for made in Tenant.objects.exclude(pk__in=[tenant.pk for tenant in tenants]):
        schemas.drop(made.schema_name)


def sign_up(page: Page, password: str) -> None:
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Open the account").click()


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 375)])
def test_from_sign_up_to_a_key_that_works(new_shops: None, api: Api, theme: str, width: int) -> None:
    with opened(None, theme, width) as page:
        page.goto("/account/login/")
        page.get_by_role("link", name="Open an account").click()
        page.get_by_label("Your name").fill("Olive")
        page.get_by_label("Email address").fill("olive@example.com")
        page.get_by_label("Name of the shop").fill("Olive & Sons")
        page.get_by_label("Currency").select_option("CHF")
        sign_up(page, "too short")
        page.get_by_text("This password is too short").wait_for()
        wrong = faults(page)
        sign_up(page, "seven lazy otters")
        page.get_by_role("heading", name="Welcome, Olive & Sons").wait_for()
        wrong += faults(page)
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        key = page.get_by_label("read-write key", exact=True).inner_text()
        page.get_by_role("link", name="Open the overview").click()
        page.get_by_role("heading", name="Overview").wait_for()
    assert wrong == []
    assert Tenant.objects.get(name="Olive & Sons").timezone == "America/New_York"  # where `opened` says that it is
    assert Api(api.edge, key).get("placements").status == 200


def test_the_second_factor_is_set_up_and_then_asked_for(ann: Client) -> None:
    with opened(ann, "dark", 375) as page:
        page.goto("/account/second-factor/")
        page.get_by_role("link", name="Set it up").click()
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url("**/totp/activate/")
        wrong = faults(page)
        assert page.locator("img[alt^='QR code']").evaluate("image => image.naturalWidth") > 100
        seed = page.get_by_label("key", exact=True).inner_text()
        page.get_by_label("Code").fill(code_of(seed))
        page.keyboard.press("Enter")
        page.wait_for_url("**/recovery-codes/")
        wrong += faults(page)
        codes = page.get_by_label("recovery codes", exact=True).inner_text().split()
        page.goto("/account/sessions/")
        wrong += faults(page)
        page.goto("/account/logout/")
        page.get_by_role("button", name="Sign out").last.click()
        page.get_by_label("Email address").fill("ann@example.com")
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url("**/authenticate/**")
        wrong += faults(page)
        page.get_by_label("Code").fill(codes[0])
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Overview").wait_for()
    assert wrong == []


def test_a_forgotten_password_is_reset(person: object) -> None:
    with opened(None) as page:
        page.goto("/account/login/")
        page.get_by_role("link", name="Forgot the password?").click()
        page.get_by_label("Email address").fill("ann@example.com")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Look into your mail").wait_for()
        assert len(mail.outbox) == 1
        page.goto(link())
        wrong = faults(page)
        page.get_by_label("New password").fill("seven lazy otters")
        page.get_by_label("The same again").fill("seven lazy otters")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Your password was changed").wait_for()
    assert wrong == []


def test_the_admin_keeps_to_its_policy(new_person: NewPerson) -> None:
    new_person("ops@example.com", is_staff=True, is_superuser=True)
    with opened(logged_in("ops@example.com")) as page:
        for path in ("/admin/", "/admin/tenants/tenant/", "/admin/tenants/user/"):
            page.goto(path)
            page.wait_for_load_state("networkidle")
            assert json.loads(page.evaluate("JSON.stringify(typeof Alpine)")) == "object"
