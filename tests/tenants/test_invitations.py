"""Invitations and memberships: who may do what to whom, and that a shop always has an owner."""

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.db import connection

from recomengine.lib import clock
from recomengine.lib.errors import DomainError
from tenants import changing, invitations, limits, members
from tenants.models import AuditEntry, Invitation, Membership, Tenant, User
from tenants.types import Actor, Role, TenantRef

LINK = re.compile(r"/invitations/([^/\s]+)/")
MANAGERS = (Role.ADMIN, Role.OWNER)


@pytest.fixture
def tenant(tenant_a: TenantRef) -> Tenant:
    return Tenant.objects.get(slug=tenant_a.slug)


def person(tenant: Tenant | None, role: Role = Role.VIEWER, email: str = "", verified: bool = True) -> User:
    email = email or f"{role}@example.com"
    user = User.objects.create_user(email)
    EmailAddress.objects.create(user=user, email=email, primary=True, verified=verified)
    if tenant is not None:
        Membership.objects.create(user=user, tenant=tenant, role=role)
    return user


def by(user: User) -> Actor:
    return Actor(Actor.PERSON, user.email, "192.0.2.1")


def invite(tenant: Tenant, inviter: User, email: str = "new@example.com", role: Role = Role.VIEWER) -> str:
    """Invite, and return the token out of the email."""
    invitations.invite(tenant, inviter, email, role, by=by(inviter))
    found = LINK.search(str(mail.outbox[-1].body))
    assert found
    return found[1]


def membership(tenant: Tenant, user: User) -> Membership:
    return Membership.objects.get(tenant=tenant, user=user)


def refused(code: str, action: Callable[[], Any]) -> DomainError:
    with pytest.raises(DomainError) as caught:
        action()
    assert caught.value.code == code
    return caught.value


@pytest.mark.parametrize("own", Role)
@pytest.mark.parametrize("given", Role)
def test_one_invites_to_roles_that_are_not_above_ones_own(tenant: Tenant, own: Role, given: Role) -> None:
    inviter = person(tenant, own)
    if own in MANAGERS and not (own is Role.ADMIN and given is Role.OWNER):
        invite(tenant, inviter, role=given)
        assert Invitation.objects.get().role == given
    else:
        refused("forbidden", lambda: invite(tenant, inviter, role=given))
        assert not Invitation.objects.exists()
        assert mail.outbox == []


def test_staff_invite_to_every_shop_and_strangers_to_none(tenant: Tenant) -> None:
    staff = person(None, email="ops@example.com")
    refused("forbidden", lambda: invite(tenant, staff))
    User.objects.filter(pk=staff.pk).update(is_staff=True)
    staff.refresh_from_db()
    invite(tenant, staff, role=Role.OWNER)


def test_the_email_names_the_shop_the_sender_the_role_and_the_link(tenant: Tenant) -> None:
    Tenant.objects.update(name="Mugs\nBcc: all@example.com & more")
    tenant.refresh_from_db()
    token = invite(tenant, person(tenant, Role.OWNER), role=Role.EDITOR)
    (message,) = mail.outbox
    assert message.to == ["new@example.com"]
    assert message.subject == "owner@example.com invites you to Mugs Bcc: all@example.com & more"
    assert "role editor" in message.body
    assert f"/invitations/{token}/" in message.body
    assert len(token) >= 43


def test_only_the_digest_of_the_token_is_kept(tenant: Tenant) -> None:
    token = invite(tenant, person(tenant, Role.OWNER))
    assert token not in str(list(Invitation.objects.values())) + str(list(AuditEntry.objects.values()))
    assert re.fullmatch(r"[0-9a-f]{64}", Invitation.objects.get().digest)


def test_inviting_needs_a_verified_address(tenant: Tenant) -> None:
    refused("unverified_email", lambda: invite(tenant, person(tenant, Role.OWNER, verified=False)))


@pytest.mark.parametrize(
    "email", ["", "no address", "a@b", "a\x00@example.com", "a@example.com\nBcc: b@example.com", "x" * 300]
)
def test_what_is_no_address_is_not_invited(tenant: Tenant, email: str) -> None:
    error = refused("invalid", lambda: invite(tenant, person(tenant, Role.OWNER), email))
    assert error.errors[0]["pointer"] == "/email"


def test_a_member_is_not_invited_again(tenant: Tenant) -> None:
    owner = person(tenant, Role.OWNER)
    person(tenant, email="ann@example.com")
    refused("conflict", lambda: invite(tenant, owner, "Ann@Example.com"))


def test_inviting_again_renews_the_link_the_role_and_the_time(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = person(tenant, Role.OWNER)
    with monkeypatch.context() as earlier:
        before = clock.now() - timedelta(days=6)
        earlier.setattr(clock, "now", lambda: before)
        first = invite(tenant, owner)
    second = invite(tenant, owner, "NEW@example.com", Role.ADMIN)
    refused("not_found", lambda: invitations.find(first))
    found = invitations.find(second)
    assert Invitation.objects.count() == 1
    assert found.role == Role.ADMIN
    assert timedelta(days=6, hours=23) < found.expires_at - clock.now() <= timedelta(days=7)


def test_an_admin_neither_renews_nor_withdraws_an_owners_invitation(tenant: Tenant) -> None:
    invite(tenant, person(tenant, Role.OWNER), role=Role.OWNER)
    admin, row = person(tenant, Role.ADMIN), Invitation.objects.get()
    refused("forbidden", lambda: invite(tenant, admin))
    refused("forbidden", lambda: invitations.withdraw(tenant, admin, row.pk, by=by(admin)))
    assert Invitation.objects.get().role == Role.OWNER


def test_a_shop_sends_a_limited_number_of_invitations(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = person(tenant, Role.OWNER)
    monkeypatch.setattr(invitations, "MAX_OPEN", 2)
    monkeypatch.setattr(limits, "INVITATIONS_PER_HOUR", 4)
    invite(tenant, owner, "a@example.com")
    invite(tenant, owner, "b@example.com")
    refused("conflict", lambda: invite(tenant, owner, "c@example.com"))
    invite(tenant, owner, "a@example.com")  # renewing one is no further one
    assert refused("throttled", lambda: invite(tenant, owner, "a@example.com")).retry_after


def test_an_email_that_cannot_be_sent_is_told(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*args: object) -> None:
        raise ConnectionRefusedError("nobody there")

    monkeypatch.setattr(invitations, "send_mail", away)
    refused("mail_unavailable", lambda: invite(tenant, person(tenant, Role.OWNER)))


def test_accepting_makes_a_member_once_and_proves_the_address(tenant: Tenant) -> None:
    token = invite(tenant, person(tenant, Role.OWNER), role=Role.EDITOR)
    new = person(None, email="new@example.com", verified=False)
    assert invitations.accept(token, new, by=by(new)).role == Role.EDITOR
    assert EmailAddress.objects.get(user=new).verified
    refused("not_found", lambda: invitations.accept(token, new, by=by(new)))
    joined = AuditEntry.objects.filter(action="member.joined").latest("pk")
    assert (joined.actor, joined.object_id, joined.after) == ("new@example.com", "new@example.com", {"role": "editor"})


def test_nobody_else_takes_an_invitation(tenant: Tenant) -> None:
    token = invite(tenant, person(tenant, Role.OWNER))
    other = person(None, email="other@example.com")
    refused("forbidden", lambda: invitations.accept(token, other, by=by(other)))
    assert not Membership.objects.filter(user=other).exists()


@pytest.mark.parametrize("token", ["", "x", "\x00", "\ud800", "a" * 10_000])
def test_a_made_up_token_is_no_invitation(tenant: Tenant, token: str) -> None:
    refused("not_found", lambda: invitations.find(token))


def test_an_expired_withdrawn_or_deleted_shops_invitation_is_no_longer_good(tenant: Tenant) -> None:
    owner = person(tenant, Role.OWNER)
    expired = invite(tenant, owner, "a@example.com")
    Invitation.objects.update(expires_at=clock.now())
    refused("not_found", lambda: invitations.find(expired))
    withdrawn = invite(tenant, owner, "b@example.com")
    invitations.withdraw(tenant, owner, Invitation.objects.get(email="b@example.com").pk, by=by(owner))
    refused("not_found", lambda: invitations.find(withdrawn))
    deleted = invite(tenant, owner, "c@example.com")
    changing.delete_tenant(tenant)
    refused("not_found", lambda: invitations.find(deleted))


def test_who_joined_meanwhile_keeps_the_role(tenant: Tenant) -> None:
    token = invite(tenant, person(tenant, Role.OWNER), "ann@example.com", Role.VIEWER)
    ann = person(tenant, Role.ADMIN, "ann@example.com")
    assert invitations.accept(token, ann, by=by(ann)).role == Role.ADMIN
    assert not Invitation.objects.exists()


@pytest.mark.parametrize("own", Role)
@pytest.mark.parametrize("theirs", Role)
def test_who_changes_and_removes_whom(tenant: Tenant, own: Role, theirs: Role) -> None:
    person(tenant, Role.OWNER, "first@example.com")
    mine, other = person(tenant, own), membership(tenant, person(tenant, theirs, "other@example.com"))
    may = own is Role.OWNER or (own is Role.ADMIN and theirs is not Role.OWNER)
    for role in Role:
        if may and (own is Role.OWNER or role is not Role.OWNER):
            assert members.change_role(tenant, mine, other.pk, role, by=by(mine)).role == role
            members.change_role(tenant, person_of(tenant), other.pk, theirs, by=by(mine))
        else:
            refused("forbidden", lambda role=role: members.change_role(tenant, mine, other.pk, role, by=by(mine)))
    if may:
        members.remove(tenant, mine, other.pk, by=by(mine))
    else:
        refused("forbidden", lambda: members.remove(tenant, mine, other.pk, by=by(mine)))
    assert Membership.objects.filter(pk=other.pk).exists() is not may


def person_of(tenant: Tenant) -> User:
    return User.objects.get(email="first@example.com")


def test_changes_are_recorded_with_what_was_before(tenant: Tenant) -> None:
    owner, ann = person(tenant, Role.OWNER), membership(tenant, person(tenant, email="ann@example.com"))
    members.change_role(tenant, owner, ann.pk, Role.EDITOR, by=by(owner))
    members.change_role(tenant, owner, ann.pk, Role.EDITOR, by=by(owner))  # nothing changes, nothing is recorded
    members.remove(tenant, owner, ann.pk, by=by(owner))
    told = AuditEntry.objects.filter(object_id="ann@example.com").order_by("-id")[:2]
    assert [(each.action, each.before, each.after, each.address) for each in told] == [
        ("member.removed", {"role": "editor"}, None, "192.0.2.1"),
        ("member.role_changed", {"role": "viewer"}, {"role": "editor"}, "192.0.2.1"),
    ]


def test_the_last_owner_stays(tenant: Tenant) -> None:
    owner = person(tenant, Role.OWNER)
    closed = person(tenant, Role.OWNER, "closed@example.com")
    User.objects.filter(pk=closed.pk).update(is_active=False)  # an owner who cannot sign in is none to rely on
    row = membership(tenant, owner)
    refused("last_owner", lambda: members.leave(tenant, owner, by=by(owner)))
    refused("last_owner", lambda: members.remove(tenant, owner, row.pk, by=by(owner)))
    refused("last_owner", lambda: members.change_role(tenant, owner, row.pk, Role.ADMIN, by=by(owner)))
    assert membership(tenant, owner).role == Role.OWNER


def test_members_of_another_shop_do_not_exist(tenant: Tenant, tenant_b: TenantRef) -> None:
    owner, shop_b = person(tenant, Role.OWNER), Tenant.objects.get(slug=tenant_b.slug)
    other = membership(shop_b, person(shop_b, email="b@example.com"))
    refused("not_found", lambda: members.change_role(tenant, owner, other.pk, Role.ADMIN, by=by(owner)))
    refused("not_found", lambda: members.remove(tenant, owner, other.pk, by=by(owner)))
    refused("forbidden", lambda: members.remove(shop_b, owner, other.pk, by=by(owner)))
    refused("not_found", lambda: members.leave(shop_b, owner, by=by(owner)))


def test_whoever_loses_the_role_leaves_no_invitation_as_a_way_back(tenant: Tenant) -> None:
    owner, admin = person(tenant, Role.OWNER), person(tenant, Role.ADMIN)
    theirs = invite(tenant, admin, "second-address@example.com", Role.ADMIN)
    kept = invite(tenant, owner, "kept@example.com")
    members.change_role(tenant, owner, membership(tenant, admin).pk, Role.EDITOR, by=by(owner))
    refused("not_found", lambda: invitations.find(theirs))
    invitations.find(kept)
    told = AuditEntry.objects.latest("pk")
    assert (told.action, told.actor, told.object_id) == (
        "invitation.withdrawn",
        owner.email,
        "second-address@example.com",
    )


def test_an_owner_who_becomes_an_admin_keeps_the_invitations_an_admin_may_send(tenant: Tenant) -> None:
    owner, former = person(tenant, Role.OWNER), person(tenant, Role.OWNER, "former@example.com")
    owners, viewers = (
        invite(tenant, former, "o@example.com", Role.OWNER),
        invite(tenant, former, "v@example.com", Role.VIEWER),
    )
    members.change_role(tenant, owner, membership(tenant, former).pk, Role.ADMIN, by=by(owner))
    refused("not_found", lambda: invitations.find(owners))
    invitations.find(viewers)


def at_once(*actions: Callable[[], Any]) -> list[str]:
    """Do all of it at the same time, each on a connection of its own; the codes of what was refused."""
    ready = Barrier(len(actions))

    def run(action: Callable[[], Any]) -> str:
        try:
            connection.ensure_connection()
            ready.wait(60)
            action()
        except DomainError as error:
            return error.code
        finally:
            connection.close()
        return ""

    with ThreadPoolExecutor(len(actions)) as pool:
        return sorted(pool.map(run, actions))


def pairs() -> Iterator[tuple[str, Callable[[Tenant, User, User], Any]]]:
    yield "remove", lambda tenant, one, other: members.remove(tenant, one, membership(tenant, other).pk, by=by(one))
    yield "leave", lambda tenant, one, other: members.leave(tenant, one, by=by(one))
    yield (
        "demote",
        lambda tenant, one, other: members.change_role(
            tenant, one, membership(tenant, other).pk, Role.ADMIN, by=by(one)
        ),
    )


@pytest.mark.parametrize("action", [action for _, action in pairs()], ids=[name for name, _ in pairs()])
def test_of_two_owners_who_go_at_once_one_stays(tenant: Tenant, action: Callable[[Tenant, User, User], Any]) -> None:
    for _ in range(5):
        one, other = person(tenant, Role.OWNER, "one@example.com"), person(tenant, Role.OWNER, "two@example.com")
        codes = at_once(partial(action, tenant, one, other), partial(action, tenant, other, one))
        assert codes[0] == ""
        assert codes[1] in {"last_owner", "forbidden"}
        assert Membership.objects.filter(tenant=tenant, role=Role.OWNER).count() == 1
        User.objects.all().delete()


def test_one_invitation_taken_twice_at_once_makes_one_member(tenant: Tenant) -> None:
    token = invite(tenant, person(tenant, Role.OWNER))
    new = person(None, email="new@example.com")
    codes = at_once(*[lambda: invitations.accept(token, new, by=by(new))] * 4)
    assert codes == ["", "not_found", "not_found", "not_found"]
    assert Membership.objects.filter(user=new).count() == 1


def test_one_address_invited_many_times_at_once_has_one_invitation(tenant: Tenant) -> None:
    owner = person(tenant, Role.OWNER)
    act = lambda: invitations.invite(tenant, owner, "new@example.com", Role.VIEWER, by=by(owner))  # noqa: E731
    assert at_once(*[act] * 4) == [""] * 4
    assert Invitation.objects.count() == 1
