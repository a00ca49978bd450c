"""Opening an account with a shop and its first keys."""

import html
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from catalog.models import Item
from tenants import people, schemas, tenancy
from tenants.models import ApiKey, Membership, Tenant, User
from tenants.types import Role
from tests.accounts.conftest import EMAIL, NewPerson, is_in, link
from tests.api import Api

FORM = {
    "email": "Owner@Example.com", "password": "seven lazy otters", "name": "Olive", "shop": "Olive & Sons",
    "currency": "CHF", "timezone": "Europe/Zurich",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _new_shops(tenants: tuple[Tenant, Tenant]) -> Iterator[None]:
    """Every test here makes people and shops, whose schemas go with them."""
    yield
    for made in Tenant.objects.exclude(pk__in=[tenant.pk for tenant in tenants]):
        schemas.drop(made.schema_name)


def sign_up(browser: Client, **changed: Any) -> str:
    return html.unescape(browser.post("/account/signup/", {**FORM, **changed}).content.decode())


def test_a_shop_with_three_working_keys_is_one_form_away(api: Api) -> None:
    browser = Client()
    page = sign_up(browser)
    tenant = Tenant.objects.get(name="Olive & Sons")
    assert (tenant.currency, tenant.timezone, tenant.plan) == ("CHF", "Europe/Zurich", "trial")
    assert Membership.objects.get(tenant=tenant, role=Role.OWNER).user.email == "owner@example.com"
    keys = dict.fromkeys(re.findall(r"rec_(?:pub|ro|rw)_\w+", page))
    assert [key.split("_")[1] for key in keys] == ["pub", "ro", "rw"]
    writing = Api(api.edge, list(keys)[2])
    sent = writing.post("catalog/items/batch", {"items": [{"item_id": "SKU1", "title": "Mug", "price": "9.95"}]})
    assert sent.status == 200
    with tenancy.use(tenant.ref):
        assert Item.objects.get().item_id == "SKU1"
    assert is_in(browser)
    assert "Overview · Olive & Sons" in html.unescape(browser.get("/").content.decode())


def test_the_keys_are_shown_once_and_kept_nowhere_in_clear() -> None:
    browser = Client()
    page = sign_up(browser)
    key = re.search(r"rec_rw_\w+", page)
    assert key is not None
    assert key[0] not in str(dict(browser.session))
    assert all(key[0].rsplit("_", 1)[1] not in str(row) for row in ApiKey.objects.values_list())
    assert browser.get("/account/signup/")["Location"] == "/"
    answer = browser.post("/account/signup/", FORM)
    assert answer["Location"] == "/"
    assert Tenant.objects.filter(name="Olive & Sons").count() == 1


def test_the_page_with_the_keys_is_not_stored() -> None:
    assert "no-store" in Client().post("/account/signup/", FORM)["Cache-Control"]


def test_a_link_verifies_the_address_and_the_banner_goes() -> None:
    browser = Client()
    sign_up(browser)
    assert "Please verify" in browser.get("/").content.decode()
    assert mail.outbox[-1].to == ["owner@example.com"]
    page = Client().get(link())
    assert "Is owner@example.com yours?" in page.content.decode()
    assert "Please verify" in browser.get("/").content.decode()  # looking at the link is not enough
    browser.post(link())
    assert "Please verify" not in browser.get("/").content.decode()
    assert "of no use any more" in Client().get(link()).content.decode()


def test_the_banner_sends_the_message_again_but_not_at_once() -> None:
    browser = Client()
    sign_up(browser)
    for sentence in ("is on its way to owner@example.com", "is on its way already"):
        answer = browser.post("/account/send-verification/", {"next": "/previewer/"})
        assert answer["Location"] == "/previewer/"
        assert sentence in browser.get("/account/").content.decode()
    assert len(mail.outbox) == 2


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("password", "short", "This password is too short"),
        ("password", "sunshine2008", "This password is too common"),
        ("password", "my-recomengine-pass", "neither this product"),
        ("password", "xx-owner-xx-yy", "neither this product"),
        ("email", "no address", "valid email address"),
        ("shop", "", "This field is required"),
        ("currency", "XXX", "Select a valid choice"),
    ],
)
def test_what_is_wrong_is_said_beside_the_field_and_nothing_is_made(field: str, value: str, said: str) -> None:
    page = sign_up(Client(), **{field: value})
    assert said in page
    assert 'aria-invalid="true"' in page or field == "currency"
    assert 'value="Olive"' in page
    assert "seven lazy otters" not in page
    assert not User.objects.exists()


def test_a_time_zone_that_does_not_exist_is_utc() -> None:
    sign_up(Client(), timezone="Moon/Crater")
    assert Tenant.objects.get(name="Olive & Sons").timezone == "UTC"


def test_an_address_with_an_account_is_told_so_and_no_shop_is_made(new_person: NewPerson) -> None:
    new_person(EMAIL)
    page = sign_up(Client(), email="ANN@example.com")
    assert "There is an account for that email address already" in page
    assert not Tenant.objects.filter(name="Olive & Sons").exists()


def test_where_sign_up_is_closed_nobody_signs_up(settings: Any) -> None:
    settings.SIGN_UP_OPEN = False
    assert "Accounts are made by the operators" in Client().get("/account/signup/").content.decode()
    assert "Accounts are made by the operators" in sign_up(Client())
    assert not User.objects.exists()


@pytest.mark.parametrize("is_open", [True, False])
def test_who_was_invited_gets_an_account_without_a_shop_and_goes_back(settings: Any, is_open: bool) -> None:
    settings.SIGN_UP_OPEN = is_open
    browser = Client()
    browser.get("/account/login/?next=/x/")
    session = browser.session
    session["account_verified_email"] = "guest@example.com"
    session.save()
    browser.cookies["sessionid"] = session.session_key
    page = browser.get("/account/signup/?next=/shops/").content.decode()
    assert "For guest@example.com" in page
    assert "Name of the shop" not in page
    data = {"email": "other@example.com", "password": "seven lazy otters", "name": "Gus"}
    assert browser.post("/account/signup/?next=/shops/", data)["Location"] == "/shops/"
    guest = User.objects.get()
    assert (guest.email, people.is_verified(guest)) == ("guest@example.com", True)
    assert is_in(browser)
    assert not mail.outbox
    browser.post("/account/logout/")
    assert ("Name of the shop" in browser.get("/account/signup/").content.decode()) is is_open


def test_too_many_accounts_from_one_address_are_refused(settings: Any) -> None:
    settings.SIGN_UPS_PER_HOUR = 1
    sign_up(Client())
    answer = Client().post("/account/signup/", {**FORM, "email": "other@example.com"})
    assert answer.status_code == 429
    assert int(answer["Retry-After"]) > 60
    assert User.objects.count() == 1


def test_a_mail_server_that_is_away_undoes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise ConnectionRefusedError("no mail today")

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", away)
    browser = Client()
    assert "These are its first keys" in sign_up(browser)
    assert Tenant.objects.filter(name="Olive & Sons").exists()
