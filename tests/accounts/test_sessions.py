"""How long sessions and tokens live, and what ends them."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client

from recomengine.lib import clock
from tenants import sessions
from tenants import tokens as login_tokens
from tenants.models import AuditEntry, User
from tenants.types import PLATFORM
from tests.accounts.conftest import (
    EMAIL,
    PASSWORD,
    NewPerson,
    is_in,
    link,
    log_in,
    logged_in,
    me,
    reauthenticate,
    tokens,
)
from tests.api import Api


def later(monkeypatch: pytest.MonkeyPatch, **span: float) -> None:
    moment = clock.now() + timedelta(**span)
    monkeypatch.setattr(clock, "now", lambda: moment)


def test_a_session_ends_after_hours_without_use(ann: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    later(monkeypatch, hours=11)
    assert is_in(ann)
    later(monkeypatch, hours=11)
    assert is_in(ann)
    later(monkeypatch, hours=12.1)
    assert ann.get("/account/")["Location"].startswith("/account/login/")
    assert "You were signed out" in ann.get("/account/login/").content.decode()


def test_a_session_ends_after_a_week_of_use(ann: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(15):
        later(monkeypatch, hours=11)
        assert is_in(ann)
    later(monkeypatch, hours=11)
    assert not is_in(ann)


def test_sessions_of_operators_are_shorter(new_person: NewPerson, monkeypatch: pytest.MonkeyPatch) -> None:
    new_person("ops@example.com", is_staff=True)
    operator = logged_in("ops@example.com")
    later(monkeypatch, minutes=59)
    assert is_in(operator)
    later(monkeypatch, minutes=61)
    assert not is_in(operator)


def test_the_list_of_sessions_ends_one(ann: Client) -> None:
    other = logged_in()
    page = ann.get("/account/sessions/").content.decode()
    assert page.count("Firefox on Linux") >= 2
    assert "127.0.0.1" in page
    assert page.count("this one") == 1
    reauthenticate(ann)
    found = ann.get("/account/sessions/").context["found"]  # the one in use comes first
    ann.post("/account/sessions/", {"session": found[1].pk})
    assert is_in(ann)
    assert not is_in(other)


def test_ending_sessions_asks_who_one_is(ann: Client) -> None:
    other = logged_in()
    assert ann.post("/account/sessions/", {"others": "1"})["Location"].startswith("/account/reauthenticate/")
    assert is_in(other)


def test_all_others_end_and_the_logins_to_the_api_with_them(ann: Client, api: Api) -> None:
    other, pair = logged_in(), tokens(api).json
    reauthenticate(ann)
    ann.post("/account/sessions/", {"others": "1"})
    assert is_in(ann)
    assert not is_in(other)
    assert me(api, pair["access"]) == 401
    assert api.post("auth/refresh", {"refresh": pair["refresh"]}).status == 401


def test_nobody_ends_the_session_of_another_person(ann: Client, new_person: NewPerson) -> None:
    new_person("bob@example.com")
    bob = logged_in("bob@example.com")
    theirs = bob.get("/account/sessions/").context["found"][0].pk
    reauthenticate(ann)
    for number in (str(theirs), "0", "x", ""):
        ann.post("/account/sessions/", {"session": number})
    assert is_in(bob)


def test_operators_end_everything_of_a_person_for_good(ann: Client, person: User, api: Api) -> None:
    pair = tokens(api).json
    sessions.end_sessions(person, by=PLATFORM)
    User.objects.update(is_active=True)
    assert not is_in(ann)
    assert me(api, pair["access"]) == 401
    assert api.post("auth/refresh", {"refresh": pair["refresh"]}).status == 401
    assert is_in(logged_in())


def command(*words: str) -> Any:
    answer = StringIO()
    call_command(*words, "--json", stdout=answer)
    return json.loads(answer.getvalue())


def test_a_command_ends_the_sessions_of_a_person_or_of_all(ann: Client, new_person: NewPerson) -> None:
    new_person("bob@example.com")
    bob = logged_in("bob@example.com")
    assert command("end_sessions", "ANN@example.com") == {"people": 1}
    assert (is_in(ann), is_in(bob)) == (False, True)
    assert command("end_sessions", "--all") == {"people": 2}
    assert not is_in(bob)
    with pytest.raises(CommandError, match="There is no person"):
        call_command("end_sessions", "nobody@example.com")


def test_a_session_does_not_open_again_with_an_account_that_was_closed(ann: Client) -> None:
    call_command("disable_person", EMAIL)
    call_command("enable_person", EMAIL)
    assert not is_in(ann)


def test_a_command_takes_a_lost_second_factor_off(ann: Client, person: User, secret: str) -> None:
    assert log_in(Client())["Location"].startswith("/account/second-factor/")
    command("reset_second_factor", EMAIL, "--reason", "called, and Olive of the shop vouched")
    assert not is_in(ann)
    assert is_in(logged_in())
    assert mail.outbox[-1].subject == "Your second factor was taken off"
    entry = AuditEntry.objects.filter(action="person.second_factor_reset").first()
    assert entry is not None
    assert (entry.actor_kind, entry.after) == ("operator", {"reason": "called, and Olive of the shop vouched"})
    with pytest.raises(CommandError, match="has no second factor"):
        call_command("reset_second_factor", EMAIL, "--reason", "again")


def test_a_new_password_ends_other_sessions_and_tokens(ann: Client, api: Api) -> None:
    other, pair = logged_in(), tokens(api).json
    former = ann.session.session_key
    new = "seven lazy otters"
    ann.post("/account/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new})
    assert is_in(ann)
    assert ann.session.session_key != former
    assert not is_in(other)
    assert me(api, pair["access"]) == 401
    assert api.post("auth/refresh", {"refresh": pair["refresh"]}).status == 401
    assert "Your password was changed" in mail.outbox[-1].subject


@pytest.mark.parametrize(
    "wrong", [{"oldpassword": "wrong wrong wrong"}, {"password2": "another"}, {"password1": "short"}]
)
def test_a_password_is_changed_by_who_knows_the_former_one_only(ann: Client, wrong: dict[str, str]) -> None:
    new = "seven lazy otters"
    data = {"oldpassword": PASSWORD, "password1": new, "password2": new, **wrong}
    assert 'aria-invalid="true"' in ann.post("/account/password/change/", data).content.decode()
    logged_in()


def reset(browser: Client, password: str = "seven lazy otters") -> Any:
    page = browser.get(link(0), follow=True)
    if page.context.get("token_fail"):
        return page
    data = {"password1": password, "password2": password}
    return browser.post(page.request["PATH_INFO"], data, follow=True)


def test_a_link_sets_a_new_password_once_and_ends_everything(ann: Client, api: Api) -> None:
    access = tokens(api).json["access"]
    Client().post("/account/password/reset/", {"email": "ANN@example.com"})
    browser = Client()
    assert "Your password was changed" in reset(browser).content.decode()
    assert not is_in(browser)  # the link does not sign in
    assert not is_in(ann)
    assert me(api, access) == 401
    assert "of no use any more" in reset(Client(), "another good one").content.decode()
    assert log_in(Client(), password="seven lazy otters").status_code == 302


def test_the_link_expires(person: User, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    Client().post("/account/password/reset/", {"email": EMAIL})
    settings.PASSWORD_RESET_TIMEOUT = -1
    assert "of no use any more" in reset(Client()).content.decode()
    logged_in()


def test_resetting_tells_nobody_who_has_an_account(person: User) -> None:
    pages = []
    for email in (EMAIL, "nobody@example.com"):
        answer = Client().post("/account/password/reset/", {"email": email}, follow=True)
        pages.append((answer.redirect_chain, answer.content))
    assert pages[0] == pages[1]
    assert [message.to for message in mail.outbox] == [[EMAIL], ["nobody@example.com"]]
    assert "there is no account" in str(mail.outbox[1].body)


def test_an_address_that_is_only_asked_for_gets_no_link(ann: Client) -> None:
    reauthenticate(ann)
    ann.post("/account/email/", {"action_add": "", "email": "typo@example.com"})
    mail.outbox.clear()
    Client().post("/account/password/reset/", {"email": "typo@example.com"})
    assert "there is no account" in str(mail.outbox[0].body)


def test_another_address_counts_when_its_owner_opens_the_link(ann: Client, person: User) -> None:
    reauthenticate(ann)
    ann.post("/account/email/", {"action_add": "", "email": "Ann.New@example.com"})
    assert "ann.new@example.com" in ann.get("/account/email/").content.decode()
    person.refresh_from_db()
    assert person.email == EMAIL
    ann.post(link())
    person.refresh_from_db()
    assert person.email == "ann.new@example.com"
    told = mail.outbox[-1]
    assert (told.to, told.subject) == ([EMAIL], "Your address was changed")
    entry = AuditEntry.objects.filter(action="person.email_changed").first()
    assert entry is not None
    assert (entry.before, entry.after) == ({"email": EMAIL}, {"email": "ann.new@example.com"})


def test_an_address_that_somebody_else_has_meanwhile_is_refused(
    ann: Client, new_person: NewPerson, person: User
) -> None:
    reauthenticate(ann)
    ann.post("/account/email/", {"action_add": "", "email": "bob@example.com"})
    new_person("bob@example.com", verified=False)
    page = ann.post(link(), follow=True).content.decode()
    assert "belongs to another account" in page
    person.refresh_from_db()
    assert person.email == EMAIL


def test_changing_the_address_asks_who_one_is(ann: Client) -> None:
    answer = ann.post("/account/email/", {"action_add": "", "email": "new@example.com"})
    assert answer["Location"].startswith("/account/reauthenticate/")
    assert not mail.outbox


def test_the_name_is_changed_and_noted(ann: Client, person: User) -> None:
    ann.post("/account/", {"name": "Ann Other"})
    person.refresh_from_db()
    assert person.name == "Ann Other"
    entry = AuditEntry.objects.filter(action="person.changed").first()
    assert entry is not None
    assert entry.after == {"name": "Ann Other"}


def test_a_refresh_token_is_used_once_and_its_login_ends_when_it_comes_again(person: User, api: Api) -> None:
    first = tokens(api).json
    second = api.post("auth/refresh", {"refresh": first["refresh"]}).json
    assert me(api, second["access"]) == 200
    assert api.post("auth/refresh", {"refresh": first["refresh"]}).status == 401
    assert me(api, second["access"]) == 401
    assert api.post("auth/refresh", {"refresh": second["refresh"]}).status == 401


def test_a_login_to_the_api_ends_after_a_month_however_often_it_is_renewed(
    person: User, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login_tokens, "LONGEST", timedelta(seconds=0))
    pair = tokens(api).json
    assert api.post("auth/refresh", {"refresh": pair["refresh"]}).status == 401


def test_mail_that_cannot_be_sent_undoes_no_change_and_is_told(ann: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise ConnectionRefusedError("no mail today")

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", away)
    new = "seven lazy otters"
    data = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    page = ann.post("/account/password/change/", data, follow=True).content.decode()
    assert "Your password was changed" in page
    assert "our mail server is away" in page
    assert log_in(Client(), password=new).status_code == 302
