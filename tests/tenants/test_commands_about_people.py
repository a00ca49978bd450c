"""What operators type about people: accounts, roles, and who is let in."""

import io
from typing import Any

import pytest
from allauth.account.models import EmailAddress

from recomengine.lib import clock
from tenants import tokens
from tenants.models import Invitation, Membership, Tenant, User
from tests.tenants.operating import PASSWORD, answer, last_entry, person, refused

pytestmark = pytest.mark.usefixtures("tenants")


def test_a_person_is_made_with_a_verified_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(PASSWORD + "\n"))
    made = answer("create_person", "Ann@Example.com", "--name", "Ann", "--superuser")
    assert made == {"email": "ann@example.com", "name": "Ann", "staff": True, "superuser": True}
    user = User.objects.get()
    assert user.check_password(PASSWORD)
    assert EmailAddress.objects.get(user=user, email="ann@example.com").verified
    entry = last_entry("person.created")
    assert (entry.object_id, entry.after) == ("ann@example.com", {"is_staff": True, "is_superuser": True})


@pytest.mark.parametrize(
    ("email", "password", "code"),
    [
        ("ann@example.com", "short", "invalid"),
        ("no address", PASSWORD, "invalid"),
        ("bob@example.com", PASSWORD, "conflict"),
    ],
)
def test_a_person_that_cannot_be_made(email: str, password: str, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    person("bob@example.com")
    monkeypatch.setattr("sys.stdin", io.StringIO(password + "\n"))
    assert refused("create_person", email) == code
    assert User.objects.count() == 1


def test_the_list_of_people_is_filtered(tenants: tuple[Tenant, Tenant]) -> None:
    Membership.objects.create(user=person(), tenant=tenants[0], role="owner")
    person("olga@example.com", is_staff=True)
    person("old@example.com", is_active=False)
    rows = {row["email"]: row for row in answer("list_people")}
    assert rows["ann@example.com"]["roles"] == ["shop-a:owner"]
    assert [row["email"] for row in answer("list_people", "--tenant", "shop-a")] == ["ann@example.com"]
    assert answer("list_people", "--tenant", "shop-b") == []
    assert [row["email"] for row in answer("list_people", "--staff")] == ["olga@example.com"]
    assert [row["email"] for row in answer("list_people", "--disabled")] == ["old@example.com"]
    assert [row["email"] for row in answer("list_people", "--q", "OLGA")] == ["olga@example.com"]


def test_roles_are_given_changed_and_taken_but_an_owner_stays(tenants: tuple[Tenant, Tenant]) -> None:
    person()
    person("bob@example.com")
    assert answer("set_role", "shop-a", "ann@example.com", "owner")["before"] == "none"
    assert refused("set_role", "shop-a", "ann@example.com", "editor") == "last_owner"
    assert refused("set_role", "shop-a", "ann@example.com", "none") == "last_owner"
    assert refused("set_role", "shop-a", "bob@example.com", "none") == "not_found"
    answer("set_role", "shop-a", "bob@example.com", "owner")
    assert answer("set_role", "shop-a", "ann@example.com", "editor")["before"] == "owner"
    entry = last_entry("member.role_changed")
    assert (entry.tenant, entry.object_id) == (tenants[0], "ann@example.com")
    assert (entry.before, entry.after) == ({"role": "owner"}, {"role": "editor"})
    answer("set_role", "shop-a", "ann@example.com", "none")
    assert list(Membership.objects.values_list("user__email", "role")) == [("bob@example.com", "owner")]


def test_whoever_loses_a_role_leaves_no_invitation_that_she_could_no_longer_make(
    tenants: tuple[Tenant, Tenant],
) -> None:
    ann, bob = person(), person("bob@example.com")
    for tenant in tenants:
        Membership.objects.create(user=bob, tenant=tenant, role="owner")
        Membership.objects.create(user=ann, tenant=tenant, role="owner")
        for role in ("owner", "editor"):
            Invitation.objects.create(
                tenant=tenant, email=f"{role}@example.com", role=role, digest=f"{tenant.pk}{role}", invited_by=ann,
                expires_at=clock.now(),
            )  # fmt: skip
    try:
        answer("set_role", "shop-a", "ann@example.com", "admin")
        assert list(tenants[0].invitations.values_list("role", flat=True)) == ["editor"]
        answer("set_role", "shop-a", "ann@example.com", "none")
        assert (tenants[0].invitations.count(), tenants[1].invitations.count()) == (0, 2)
        assert last_entry("invitation.withdrawn").object_id == "editor@example.com"
    finally:
        Invitation.objects.all().delete()


def test_a_disabled_person_is_signed_out_until_enabled(client: Any) -> None:
    token = {"authorization": f"Bearer {tokens.issue(person()).access}"}
    assert client.get("/api/v1/auth/me", headers=token).status_code == 200
    assert answer("disable_person", "ann@example.com") == {"email": "ann@example.com", "active": False}
    assert client.get("/api/v1/auth/me", headers=token).status_code == 401
    assert last_entry("person.disabled").before == {"is_active": True}
    assert answer("enable_person", "ANN@example.com")["active"]
    assert refused("disable_person", "nobody@example.com") == "not_found"


def test_a_locked_login_is_unlocked_for_one_address_only(client: Any) -> None:
    for email in ("ann@example.com", "bob@example.com"):
        person(email)
        for _ in range(5):
            log_in(client, email, "wrong")
        assert log_in(client, email, PASSWORD) == 429
    assert answer("unlock_person", "Ann@example.com")["failed_logins_forgotten"]
    assert log_in(client, "ann@example.com", PASSWORD) == 200
    assert log_in(client, "bob@example.com", PASSWORD) == 429
    assert not answer("unlock_person", "nobody@example.com")["failed_logins_forgotten"]
    assert last_entry("person.unlocked").object_id == "nobody@example.com"


def log_in(client: Any, email: str, password: str) -> int:
    body = {"email": email, "password": password}
    return int(client.post("/api/v1/auth/login", body, content_type="application/json").status_code)
