"""People with accounts, browsers to use them with, and authenticator apps."""

import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from django.core import mail
from django.test import Client

from tenants.models import Membership, Tenant, User
from tenants.types import TenantRef
from tests.api import Answer, Api

EMAIL = "ann@example.com"
PASSWORD = "correct horse battery"
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
NewPerson = Callable[..., User]


@pytest.fixture
def new_person(tenants: tuple[Tenant, Tenant]) -> NewPerson:
    """A person with a verified address."""

    def new_person(email: str = EMAIL, *shops: TenantRef, verified: bool = True, **fields: Any) -> User:
        person = User.objects.create_user(email, PASSWORD, **fields)
        EmailAddress.objects.create(user=person, email=email, primary=True, verified=verified)
        for shop in shops:
            Membership.objects.create(user=person, tenant=Tenant.objects.get(slug=shop.slug))
        return person

    return new_person


@pytest.fixture
def person(new_person: NewPerson, tenant_a: TenantRef) -> User:
    """Ann, a member of shop A."""
    return new_person(EMAIL, tenant_a)


@pytest.fixture
def ann(person: User) -> Client:
    """Ann at her browser, logged in with her password."""
    return logged_in()


@pytest.fixture
def api(edge: Any) -> Api:
    return Api(edge, None)


def log_in(browser: Client, email: str = EMAIL, password: str = PASSWORD, **more: Any) -> Any:
    return browser.post("/account/login/", {"login": email, "password": password, **more.pop("data", {})}, **more)


def logged_in(email: str = EMAIL) -> Client:
    browser = Client(HTTP_USER_AGENT=AGENT)
    assert log_in(browser, email).status_code == 302
    return browser


def is_in(browser: Client) -> bool:
    return bool(browser.get("/account/").status_code == 200)


def reauthenticate(browser: Client, code: str = "") -> None:
    data = {"password": PASSWORD, "next": "/account/"} | ({"code": code} if code else {})
    assert browser.post("/account/reauthenticate/", data).status_code == 302


def tokens(api: Api, code: str = "", email: str = EMAIL) -> Answer:
    return api.post("auth/login", {"email": email, "password": PASSWORD} | ({"code": code} if code else {}))


def me(api: Api, access: str) -> int:
    return api.get("auth/me", authorization=f"Bearer {access}").status


def link(message: int = -1) -> str:
    """The path of the link in an email, whose address is the dashboard's own."""
    found = re.search(r"http://127\.0\.0\.1:3109(/\S+)", str(mail.outbox[message].body))
    assert found, mail.outbox[message].body
    return found[1]


def code_of(secret: str, steps: int = 0) -> str:
    """What an authenticator app shows now, or some steps of 30 seconds later.

    Near the end of a step the next one is waited for: a code is good for its own step only, and sending it takes time.
    """
    if time.time() % 30 > 24:
        time.sleep(30 - time.time() % 30)
    return str(format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps)))


@pytest.fixture
def secret(person: User) -> str:
    """The seed of Ann's second factor."""
    made = str(generate_totp_secret())
    TOTP.activate(person, made)
    RecoveryCodes.activate(person)
    return made


def recovery_codes(person: User) -> list[str]:
    found = Authenticator.objects.get(user=person, type=Authenticator.Type.RECOVERY_CODES)
    return list(found.wrap().get_unused_codes())
