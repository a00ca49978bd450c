"""Logging in: wrong passwords, other sessions, where one is sent to, and what cookies and pages carry."""

from collections.abc import Iterator

import pytest
from allauth.account.models import EmailAddress
from django.conf import settings
from django.test import Client, override_settings

from tenants.models import AuditEntry, User
from tests.accounts.conftest import EMAIL, PASSWORD, is_in, log_in, logged_in, me, tokens
from tests.api import Api


def lock(api: Api) -> None:
    """Five wrong passwords: two on each port of the dashboard's names, one through the API."""
    for host in ("127.0.0.1:3109", "localhost:3109"):
        for _ in range(2):
            log_in(Client(), password="wrong wrong wrong", headers={"host": host})
    assert api.post("auth/login", {"email": EMAIL, "password": "wrong wrong wrong"}).status == 401


def test_five_wrong_passwords_lock_the_account_everywhere(person: User, api: Api) -> None:
    lock(api)
    for host in ("127.0.0.1:3109", "localhost", "127.0.0.1:5009"):
        answer = log_in(Client(), headers={"host": host})
        assert answer.status_code == 200
        assert "Too many attempts" in answer.content.decode()
    refused = tokens(api)
    assert (refused.status, refused.json["code"]) == (429, "throttled")
    assert int(refused.headers["retry-after"]) > 0


def test_a_locked_account_is_locked_in_any_spelling(person: User, api: Api) -> None:
    lock(api)
    assert "Too many attempts" in log_in(Client(), " ANN@example.com ").content.decode()
    assert api.post("auth/login", {"email": " ANN@Example.com", "password": PASSWORD}).status == 429


def test_a_lock_touches_neither_open_sessions_nor_tokens(ann: Client, api: Api) -> None:
    access = tokens(api).json["access"]
    lock(api)
    assert is_in(ann)
    assert me(api, access) == 200


def test_right_passwords_do_not_count(person: User) -> None:
    for _ in range(7):
        logged_in()


def test_an_unknown_address_is_refused_like_a_wrong_password(person: User, api: Api) -> None:
    known = log_in(Client(), password="wrong wrong wrong").content.decode()
    unknown = log_in(Client(), "nobody@example.com").content.decode()
    sentence = "That email address and password do not belong together."
    assert sentence in known
    assert sentence in unknown
    wrong = [
        api.post("auth/login", {"email": email, "password": "wrong wrong wrong"})
        for email in (EMAIL, "nobody@example.com")
    ]
    assert [each.status for each in wrong] == [401, 401]
    assert wrong[0].json == wrong[1].json


def test_a_closed_account_is_refused_like_a_wrong_password(person: User, api: Api) -> None:
    User.objects.update(is_active=False)
    assert "do not belong together" in log_in(Client()).content.decode()
    assert tokens(api).json["code"] == "invalid_credentials"


def test_an_address_that_is_not_hers_yet_is_no_login(person: User, api: Api) -> None:
    EmailAddress.objects.create(user=person, email="typo@example.com")
    assert "do not belong together" in log_in(Client(), "typo@example.com").content.decode()
    assert tokens(api, email="typo@example.com").status == 401


def test_a_login_gets_a_new_session_id(person: User) -> None:
    browser = Client()
    browser.get("/account/login/?next=/account/")
    session = browser.session
    session["planted"] = True
    session.save()
    browser.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
    log_in(browser)
    assert browser.session.session_key != session.session_key
    stranger = Client()
    stranger.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
    assert not is_in(stranger)


def test_logging_out_ends_the_session_for_who_kept_its_cookie(ann: Client) -> None:
    key = ann.session.session_key
    ann.post("/account/logout/")
    thief = Client()
    thief.cookies[settings.SESSION_COOKIE_NAME] = str(key)
    assert not is_in(thief)


ELSEWHERE = ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example", "https:evil.example"]


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
def test_no_form_of_accounts_leads_elsewhere(person: User, elsewhere: str) -> None:
    browser = Client()
    answer = log_in(browser, data={"next": elsewhere})
    assert answer["Location"] == "/"
    assert browser.get("/account/login/", {"next": elsewhere})["Location"] == "/"
    again = browser.post("/account/reauthenticate/", {"password": PASSWORD, "next": elsewhere})
    assert again["Location"].startswith("/")
    assert "evil" not in again["Location"]
    assert browser.post("/account/send-verification/", {"next": elsewhere})["Location"] == "/account/"
    out = browser.post("/account/logout/", {"next": elsewhere})
    assert out["Location"] == "/account/login/"


def test_the_former_address_of_the_login_leads_to_the_new_one() -> None:
    answer = Client().get("/login/?next=/previewer/")
    assert answer["Location"] == "/account/login/?next=/previewer/"


FORMS = [
    "/account/login/", "/account/signup/", "/account/logout/", "/account/password/reset/", "/account/password/change/",
    "/account/email/", "/account/reauthenticate/", "/account/", "/account/sessions/", "/account/send-verification/",
    "/account/second-factor/totp/activate/", "/account/second-factor/recovery-codes/generate/",
    "/account/second-factor/authenticate/",
]  # fmt: skip


@pytest.mark.parametrize("path", FORMS)
def test_every_form_needs_its_token(ann: Client, path: str) -> None:
    careful = Client(enforce_csrf_checks=True)
    careful.cookies = ann.cookies
    assert careful.post(path, {}).status_code == 403


def test_pages_of_people_are_not_stored(ann: Client) -> None:
    for path in ("/account/", "/account/sessions/", "/account/email/", "/account/login/", "/account/signup/"):
        assert "no-store" in ann.get(path)["Cache-Control"]


@pytest.fixture
def tls() -> Iterator[None]:
    with override_settings(
        SESSION_COOKIE_SECURE=True, CSRF_COOKIE_SECURE=True, SECURE_SSL_REDIRECT=True, SECURE_HSTS_SECONDS=31536000,
        SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
    ):  # fmt: skip
        yield


def test_cookies_keep_to_themselves_and_to_tls(person: User, tls: None) -> None:
    browser = Client(headers={"x-forwarded-proto": "https"})
    page = browser.get("/account/login/")
    assert page["Strict-Transport-Security"].startswith("max-age=31536000")
    answer = log_in(browser)
    session, forms = answer.cookies["sessionid"], browser.cookies["csrftoken"]
    assert (session["secure"], session["httponly"], session["samesite"]) == (True, True, "Lax")
    assert (forms["secure"], forms["samesite"]) == (True, "Lax")
    assert Client().get("/account/login/")["Location"].startswith("https://")


def test_pages_say_how_browsers_have_to_treat_them(ann: Client) -> None:
    page = ann.get("/account/")
    assert page["X-Frame-Options"] == "DENY"
    assert page["X-Content-Type-Options"] == "nosniff"
    assert page["Referrer-Policy"] == "same-origin"
    assert page["Cross-Origin-Opener-Policy"] == "same-origin"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example"])
def test_other_host_names_are_refused(host: str) -> None:
    assert Client().get("/account/login/", headers={"host": host}).status_code == 400


def test_too_many_logins_of_one_address_are_told_when_to_come_back(
    person: User, settings: pytest.FixtureRequest
) -> None:
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, "login": "2/m/ip"}  # type: ignore[attr-defined]
    for _ in range(2):
        logged_in()
    answer = log_in(Client())
    assert (answer.status_code, answer["Retry-After"]) == (429, "60")
    assert "Too many attempts" in answer.content.decode()


def test_logins_are_in_the_audit_log_with_where_they_came_from(person: User, api: Api) -> None:
    log_in(Client(), password="wrong wrong wrong")
    log_in(Client(), "nobody@example.com", "a password in the wrong field")
    browser = logged_in()
    tokens(api)
    browser.post("/account/logout/")
    entries = list(AuditEntry.objects.order_by("id"))
    assert [each.action for each in entries] == [
        "person.login_failed", "person.logged_in", "person.logged_in", "person.logged_out",
    ]  # fmt: skip
    assert {each.address for each in entries} == {"127.0.0.1"}
    assert {each.actor for each in entries} == {EMAIL}
