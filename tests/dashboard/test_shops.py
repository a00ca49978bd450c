"""Signing in, and which shops a person may look at."""

import pytest
from django.test import Client

from tenants.models import Membership, Tenant, User
from tenants.types import TenantRef
from tests.dashboard.conftest import PASSWORD, SignIn

PAGES = ["/", "/previewer/", "/previewer/search/?q=a", "/shops/"]


@pytest.mark.parametrize("page", PAGES)
def test_a_stranger_is_sent_to_sign_in_and_then_back(tenant_a: TenantRef, sign_in: SignIn, page: str) -> None:
    sign_in(tenant_a, password=PASSWORD)
    stranger = Client()
    asked = stranger.get(page)
    assert asked.status_code == 302
    assert asked["Location"].startswith("/account/login/?next=/")
    answer = stranger.post(asked["Location"], {"login": "ann@example.com", "password": PASSWORD, "next": page})
    assert (answer.status_code, answer["Location"]) == (302, page)


def test_the_email_address_is_taken_in_any_case(tenant_a: TenantRef, sign_in: SignIn) -> None:
    sign_in(tenant_a, password=PASSWORD)
    answer = Client().post("/account/login/", {"login": "Ann@Example.com", "password": PASSWORD})
    assert answer.status_code == 302


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example"]
)
def test_signing_in_leads_nowhere_else(tenant_a: TenantRef, sign_in: SignIn, elsewhere: str) -> None:
    sign_in(tenant_a, password=PASSWORD)
    answer = Client().post("/account/login/", {"login": "ann@example.com", "password": PASSWORD, "next": elsewhere})
    assert answer["Location"] == "/"


def test_a_wrong_password_says_so(tenant_a: TenantRef, sign_in: SignIn) -> None:
    sign_in(tenant_a, password=PASSWORD)
    answer = Client().post("/account/login/", {"login": "ann@example.com", "password": "wrong"})
    assert answer.status_code == 200
    assert 'role="alert"' in answer.content.decode()


def test_signing_out_needs_a_post_and_ends_the_session(ann: Client) -> None:
    assert "Sign out?" in ann.get("/account/logout/").content.decode()
    assert ann.post("/account/logout/")["Location"] == "/account/login/"
    assert ann.get("/").status_code == 302


def test_forms_need_their_token(tenant_a: TenantRef, sign_in: SignIn) -> None:
    careful = Client(enforce_csrf_checks=True)
    careful.cookies = sign_in(tenant_a).cookies
    assert careful.post("/shops/switch/", {"shop": tenant_a.slug}).status_code == 403


def test_a_member_switches_between_her_shops(sign_in: SignIn, tenant_a: TenantRef, tenant_b: TenantRef) -> None:
    both = sign_in(tenant_a, tenant_b)
    assert "<title>Overview · Shop A</title>" in both.get("/").content.decode()
    assert both.post("/shops/switch/", {"shop": tenant_b.slug})["Location"] == "/"
    assert "<title>Overview · Shop B</title>" in both.get("/").content.decode()


def test_another_shop_does_not_exist_for_a_member(ann: Client, tenant_b: TenantRef) -> None:
    assert ann.post("/shops/switch/", {"shop": tenant_b.slug}).status_code == 404
    assert ann.post("/shops/switch/", {"shop": "no-such-shop"}).status_code == 404
    assert "Shop A" in ann.get("/").content.decode()
    assert "Shop B" not in ann.get("/").content.decode()
    assert "Shop B" not in ann.get("/shops/").content.decode()


def test_the_session_alone_opens_nothing(ann: Client, tenant_b: TenantRef) -> None:
    session = ann.session
    session["shop"] = tenant_b.slug
    session.save()
    assert ann.get("/").status_code == 404
    assert "Shop A" in ann.get("/").content.decode()  # the wrong slug is forgotten


def test_a_membership_that_ends_closes_the_shop_at_once(ann: Client, tenant_a: TenantRef) -> None:
    ann.post("/shops/switch/", {"shop": tenant_a.slug})
    Membership.objects.all().delete()
    assert ann.get("/previewer/").status_code == 404


def test_staff_may_open_every_shop(sign_in: SignIn, tenant_a: TenantRef, tenant_b: TenantRef) -> None:
    operator = sign_in(email="ops@example.com", is_staff=True)
    for tenant in (tenant_b, tenant_a):
        operator.post("/shops/switch/", {"shop": tenant.slug})
        assert f"Overview · {tenant.name}" in operator.get("/").content.decode()


def test_a_suspended_shop_is_closed_to_members_but_not_to_staff(
    sign_in: SignIn, tenant_a: TenantRef, tenant_b: TenantRef
) -> None:
    member = sign_in(tenant_a)
    Tenant.objects.filter(slug=tenant_a.slug).update(status=Tenant.Status.SUSPENDED)
    answer = member.get("/")
    assert answer.status_code == 403
    assert "Shop A is suspended" in answer.content.decode()
    operator = sign_in(email="ops@example.com", is_staff=True)
    operator.post("/shops/switch/", {"shop": tenant_a.slug})
    assert operator.get("/").status_code == 200


def test_a_person_without_a_shop_is_told_what_to_do(sign_in: SignIn) -> None:
    nobody = sign_in()
    assert nobody.get("/")["Location"] == "/shops/"
    assert "Ask a shop" in nobody.get("/shops/").content.decode()


def test_an_account_that_was_closed_is_signed_out(ann: Client) -> None:
    User.objects.update(is_active=False)
    assert ann.get("/").status_code == 302


def test_shops_are_searched_by_name(sign_in: SignIn, tenant_a: TenantRef, tenant_b: TenantRef) -> None:
    operator = sign_in(email="ops@example.com", is_staff=True)
    listed = operator.get("/shops/?q=op+b").content.decode().split("<main", 1)[1]
    assert "Shop B" in listed
    assert "Shop A" not in listed


def test_htmx_is_sent_to_sign_in_as_a_page_not_as_a_fragment(tenant_a: TenantRef) -> None:
    answer = Client().get("/previewer/?item=mug", headers={"HX-Request": "true"})
    assert answer.status_code == 200
    assert answer["HX-Redirect"].startswith("/account/login/")
