"""Passwords as they are typed, set and used: on every page and in the API alike."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from recomengine.lib import redis
from tenants.models import User
from tests.accounts.conftest import EMAIL, PASSWORD, NewPerson, link, log_in, logged_in
from tests.api import Api

NEW = "new@example.com"


def sign_up(password: str, api: Api) -> bool:
    form = {"email": NEW, "password": password, "name": "New", "shop": "New Shop", "currency": "EUR"}
    Client().post("/account/signup/", form)
    return User.objects.filter(email=NEW).exists()


def register(password: str, api: Api) -> bool:
    return api.post("auth/register", {"email": NEW, "password": password}).status == 201


def change(password: str, api: Api) -> bool:
    data = {"oldpassword": PASSWORD, "password1": password, "password2": password}
    logged_in().post("/account/password/change/", data)
    return User.objects.get(email=EMAIL).check_password(password)


def reset(password: str, api: Api) -> bool:
    Client().post("/account/password/reset/", {"email": EMAIL})
    browser = Client()
    page = browser.get(link(), follow=True).request["PATH_INFO"]
    browser.post(page, {"password1": password, "password2": password})
    return User.objects.get(email=EMAIL).check_password(password)


@pytest.mark.parametrize("weak", ["ninechars", "sunshine2008", "recomengine 2026!"])
@pytest.mark.parametrize("way", [sign_up, register, change, reset])
def test_a_weak_password_is_refused_wherever_one_is_set(
    person: User, api: Api, way: Callable[[str, Api], bool], weak: str
) -> None:
    assert not way(weak, api)


@pytest.mark.parametrize("way", [register, change, reset])
def test_a_long_password_is_taken_to_its_last_character(
    person: User, api: Api, way: Callable[[str, Api], bool]
) -> None:
    password = "seven lazy otters " * 10 + " End "
    assert way(password, api)
    email = NEW if way is register else EMAIL
    assert log_in(Client(), email, password).status_code == 302
    assert api.post("auth/login", {"email": email, "password": password}).status == 200
    for other in (password.strip(), password.lower(), password[:72], password + " "):
        assert log_in(Client(), email, other).status_code == 200
        assert api.post("auth/login", {"email": email, "password": other}).status == 401
        redis.client().flushdb()  # wrong passwords are counted


@pytest.mark.parametrize("password", ["qwfpgjluyz", "8301746295", "😀 😀 😀 😀 😀 😀", "ØØØØØØØØØÅ", "          x"])
def test_any_characters_will_do(person: User, api: Api, password: str) -> None:
    assert register(password, api)


PAGES = {
    "/account/login/": ["current-password"],
    "/account/signup/": ["new-password"],
    "/account/password/change/": ["current-password", "new-password", "new-password"],
    "/account/reauthenticate/": ["current-password"],
}


@pytest.mark.parametrize("path", PAGES)
def test_passwords_are_masked_and_managers_of_passwords_know_them(ann: Client, path: str) -> None:
    browser = Client() if path in {"/account/login/", "/account/signup/"} else ann
    found = re.findall(r"<input[^>]*password[^>]*>", browser.get(path).content.decode())
    assert [re.findall('type="([^"]*)"', field) for field in found] == [["password"]] * len(found)
    assert [re.findall('autocomplete="([^"]*)"', field)[0] for field in found] == PAGES[path]
    assert not any("maxlength" in field and int(re.findall('maxlength="(.*?)"', field)[0]) < 64 for field in found)


def test_nobody_has_an_account_before_somebody_makes_one(new_person: NewPerson) -> None:
    assert not User.objects.exists()


def test_a_link_that_was_mailed_signs_nobody_in_by_being_opened(new_person: NewPerson, api: Api) -> None:
    person: Any = new_person(NEW, verified=False)
    Client().post("/account/password/reset/", {"email": NEW})
    browser = Client()
    browser.get(link(), follow=True)
    assert browser.get("/account/").status_code == 302
    logged_in(person.email).post("/account/send-verification/")
    browser.get(link(), follow=True)
    assert browser.get("/account/").status_code == 302
    browser.post(link())
    assert browser.get("/account/").status_code == 302
