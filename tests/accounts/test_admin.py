"""The way into the operators' admin, and its policy."""

from django.test import Client

from tenants.models import User
from tests.accounts.conftest import EMAIL, NewPerson, log_in, logged_in


def test_the_admin_is_entered_through_the_one_login(new_person: NewPerson) -> None:
    new_person("ops@example.com", is_staff=True, is_superuser=True)
    asked = Client().get("/admin/login/?next=/admin/")
    assert asked["Location"].startswith("/account/login/?next=")
    assert Client().get("/admin/").status_code == 302
    assert Client().post("/admin/login/", {"username": EMAIL, "password": "x"}).status_code == 302
    browser = Client()
    assert log_in(browser, "ops@example.com", data={"next": "/admin/"})["Location"] == "/admin/"
    assert browser.get("/admin/").status_code == 200


def test_who_is_no_operator_is_refused(person: User) -> None:
    assert logged_in().get("/admin/login/").status_code == 403


def test_an_operator_changes_her_password_where_everybody_does(new_person: NewPerson) -> None:
    new_person("ops@example.com", is_staff=True, is_superuser=True)
    answer = logged_in("ops@example.com").get("/admin/password_change/")
    assert answer["Location"] == "/account/password/change/"


def test_only_the_admin_may_evaluate_and_style_inline(new_person: NewPerson) -> None:
    new_person("ops@example.com", is_staff=True, is_superuser=True)
    operator = logged_in("ops@example.com")
    policy = operator.get("/admin/")["Content-Security-Policy"]
    assert "script-src 'self' 'unsafe-eval' 'unsafe-inline'" in policy
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    for page in ("/", "/account/", "/administrators/", "/account/second-factor/"):
        assert "unsafe" not in operator.get(page)["Content-Security-Policy"]
