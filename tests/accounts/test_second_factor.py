"""The second factor: setting it up, signing in with it, and what is refused."""

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from django.core import mail
from django.test import Client

from recomengine.lib import clock
from tenants.models import AuditEntry, Tenant, User
from tenants.types import TenantRef
from tests.accounts.conftest import (
    PASSWORD,
    NewPerson,
    code_of,
    is_in,
    link,
    log_in,
    logged_in,
    me,
    reauthenticate,
    recovery_codes,
    tokens,
)  # fmt: skip
from tests.api import Api

AUTHENTICATE = "/account/second-factor/authenticate/"
ACTIVATE = "/account/second-factor/totp/activate/"


def with_code(code: str) -> Client:
    browser = Client()
    assert log_in(browser)["Location"].startswith(AUTHENTICATE)
    assert not is_in(browser)
    browser.post(AUTHENTICATE, {"code": code})
    return browser


def test_it_is_set_up_with_a_picture_or_a_text_and_recovery_codes_are_shown_once(ann: Client, person: User) -> None:
    reauthenticate(ann)
    page = ann.get(ACTIVATE)
    seed = page.context["form"].secret
    assert f">{seed}<" in page.content.decode()
    assert 'src="data:image/svg+xml;base64,' in page.content.decode()
    assert "no-store" in page["Cache-Control"]
    done = ann.post(ACTIVATE, {"code": code_of(seed)}, follow=True)
    shown = done.content.decode()
    assert "shown now and never again" in shown
    assert all(code in shown for code in recovery_codes(person))
    again = ann.get("/account/second-factor/recovery-codes/").content.decode()
    assert "10 of 10 are left" in again
    assert not any(code in again for code in recovery_codes(person))
    assert "Your second factor is on" in mail.outbox[-1].subject


def test_neither_seed_nor_codes_are_in_clear_in_the_database(secret: str, person: User) -> None:
    stored = str(list(Authenticator.objects.values_list("data", flat=True)))
    assert secret not in stored
    assert not any(code in stored for code in recovery_codes(person))


def test_the_dashboard_asks_for_the_code(secret: str) -> None:
    assert is_in(with_code(code_of(secret)))


def test_a_wrong_code_does_not_let_in(secret: str) -> None:
    assert not is_in(with_code("000000" if code_of(secret) != "000000" else "000001"))


def test_a_code_works_once_on_dashboard_and_api_together(secret: str, api: Api) -> None:
    code = code_of(secret)
    assert is_in(with_code(code))
    assert not is_in(with_code(code))
    refused = tokens(api, code)
    assert (refused.status, refused.json["code"]) == (401, "invalid_credentials")


def test_the_api_asks_for_the_code(secret: str, api: Api) -> None:
    asked = tokens(api)
    assert (asked.status, asked.json["code"]) == (403, "second_factor_required")
    code = code_of(secret)
    given = tokens(api, code)
    assert given.status == 200
    assert me(api, given.json["access"]) == 200
    assert tokens(api, code).status == 401


def test_a_code_of_another_moment_is_refused(secret: str, api: Api) -> None:
    assert tokens(api, code_of(secret, -2)).status == 401
    assert tokens(api, code_of(secret, 2)).status == 401


def test_a_code_is_good_for_its_thirty_seconds_only(secret: str, api: Api) -> None:
    moment = clock.now().replace(second=15)
    with time_machine.travel(moment, tick=False):
        code = code_of(secret)
    for seconds in (-30, 30):
        with time_machine.travel(moment + timedelta(seconds=seconds), tick=False):
            assert tokens(api, code).status == 401
    with time_machine.travel(moment, tick=False):
        assert tokens(api, code).status == 200


def test_recovery_codes_are_ten_of_eight_digits_and_all_different(secret: str, person: User) -> None:
    codes = recovery_codes(person)
    assert len(set(codes)) == 10
    assert all(re.fullmatch("[0-9]{8}", code) for code in codes)


def test_a_recovery_code_works_once(secret: str, person: User, api: Api) -> None:
    code = recovery_codes(person)[0]
    assert is_in(with_code(code))
    assert not is_in(with_code(code))
    assert tokens(api, code).status == 401
    assert len(recovery_codes(person)) == 9


def test_five_wrong_codes_lock_the_second_factor(secret: str, api: Api) -> None:
    for _ in range(5):
        tokens(api, "12345x")
    refused = tokens(api, code_of(secret))
    assert (refused.status, refused.json["code"]) == (429, "throttled")
    browser = Client()
    log_in(browser)
    page = browser.post(AUTHENTICATE, {"code": code_of(secret)})
    assert "Too many attempts" in page.content.decode()


def test_the_code_cannot_be_left_out_by_going_elsewhere(secret: str) -> None:
    browser = Client()
    log_in(browser)
    for page in ("/", "/shops/", "/account/", "/admin/"):
        assert browser.get(page).status_code == 302


def test_what_concerns_safety_asks_for_both_factors_again(secret: str) -> None:
    browser = with_code(code_of(secret))
    page = "/account/second-factor/totp/deactivate/"
    assert browser.get(page)["Location"].startswith("/account/reauthenticate/")
    for given in ({"password": PASSWORD}, {"password": "wrong wrong wrong", "code": code_of(secret, 0)}):
        assert browser.post("/account/reauthenticate/", {**given, "next": page}).status_code == 200
    assert browser.get(page)["Location"].startswith("/account/reauthenticate/")


def test_a_code_alone_is_not_enough_to_show_who_one_is(secret: str, person: User) -> None:
    browser = with_code(code_of(secret))
    browser.post("/account/second-factor/reauthenticate/", {"code": recovery_codes(person)[0]})
    page = "/account/second-factor/totp/deactivate/"
    assert browser.get(page)["Location"].startswith("/account/reauthenticate/")


def test_showing_anew_who_one_is_changes_the_session_id(secret: str, person: User) -> None:
    browser = with_code(code_of(secret))
    former = browser.session.session_key
    reauthenticate(browser, recovery_codes(person)[0])
    assert browser.session.session_key != former
    assert "this one" in browser.get("/account/sessions/").content.decode()


@pytest.mark.parametrize("change", ["added", "removed", "codes"])
def test_a_change_of_the_second_factor_ends_other_sessions_and_tokens(
    person: User, api: Api, request: pytest.FixtureRequest, change: str
) -> None:
    if change == "added":
        here, other, access = logged_in(), logged_in(), tokens(api).json["access"]
        reauthenticate(here)
        seed = here.get(ACTIVATE).context["form"].secret
        here.post(ACTIVATE, {"code": code_of(seed)})
    else:
        request.getfixturevalue("secret")
        codes = recovery_codes(person)
        here, other, access = with_code(codes[0]), with_code(codes[1]), tokens(api, codes[2]).json["access"]
        reauthenticate(here, codes[3])
        path = "totp/deactivate/" if change == "removed" else "recovery-codes/generate/"
        here.post(f"/account/second-factor/{path}")
    assert is_in(here)
    assert not is_in(other)
    assert me(api, access) == 401
    assert AuditEntry.objects.first().action == "person.other_sessions_ended"  # the newest


def test_it_needs_a_verified_address(new_person: NewPerson) -> None:
    new_person("new@example.com", verified=False)
    browser = logged_in("new@example.com")
    reauthenticate(browser)
    page = browser.get(ACTIVATE, follow=True)
    assert "Verify your email address first" in page.content.decode()


def test_a_shop_that_asks_for_it_sends_members_to_set_it_up(ann: Client, tenant_a: TenantRef) -> None:
    Tenant.objects.filter(slug=tenant_a.slug).update(requires_second_factor=True)
    try:
        for page in ("/", "/previewer/"):
            assert ann.get(page)["Location"] == "/account/second-factor/"
        assert "Shop A opens only with a second factor" in ann.get("/account/second-factor/").content.decode()
    finally:
        Tenant.objects.update(requires_second_factor=False)


def test_a_reset_of_the_password_leaves_the_second_factor(secret: str) -> None:
    Client().post("/account/password/reset/", {"email": "ann@example.com"})
    browser, new = Client(), "seven lazy otters"
    browser.post(browser.get(link(), follow=True).request["PATH_INFO"], {"password1": new, "password2": new})
    assert log_in(browser, password=new)["Location"].startswith(AUTHENTICATE)
    assert not is_in(browser)


def test_a_factor_of_a_former_secret_key_goes_on(secret: str, api: Api, settings: Any) -> None:
    settings.SECOND_FACTOR_KEYS = [b"n" * 32, *settings.SECOND_FACTOR_KEYS]
    assert tokens(api, code_of(secret)).status == 200


def test_operators_need_it_where_the_settings_say_so(new_person: NewPerson, api: Api, settings: Any) -> None:
    new_person("ops@example.com", is_staff=True, is_superuser=True)
    operator = logged_in("ops@example.com")
    assert operator.get("/admin/").status_code == 200
    access = tokens(api, email="ops@example.com").json["access"]
    settings.OPERATORS_NEED_SECOND_FACTOR = True
    for page in ("/admin/", "/", "/shops/"):
        assert operator.get(page)["Location"] == "/account/second-factor/"
    assert me(api, access) == 403
    refused = tokens(api, email="ops@example.com")
    assert (refused.status, refused.json["code"]) == (403, "second_factor_required")
