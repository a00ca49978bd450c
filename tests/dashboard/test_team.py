"""The team page, and where invitations lead."""

import re

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client

from tenants import invitations
from tenants.models import Invitation, Membership, Tenant, User
from tenants.types import Actor, Role, TenantRef
from tests.dashboard.conftest import SignIn

MAY = {Role.VIEWER: False, Role.EDITOR: False, Role.ADMIN: True, Role.OWNER: True}
HTMX = {"HX-Request": "true"}


def member(tenant: TenantRef, email: str = "bob@example.com", role: Role = Role.VIEWER) -> Membership:
    user = User.objects.create_user(email)
    return Membership.objects.create(user=user, tenant=Tenant.objects.get(slug=tenant.slug), role=role)


def invited(tenant: TenantRef, email: str = "new@example.com", role: Role = Role.EDITOR) -> str:
    """Have an owner invite somebody; the path of the link."""
    inviter = (
        User.objects.filter(email="inviter@example.com").first()
        or member(tenant, "inviter@example.com", Role.OWNER).user
    )
    EmailAddress.objects.get_or_create(user=inviter, email=inviter.email, primary=True, verified=True)
    row = Tenant.objects.get(slug=tenant.slug)
    invitations.invite(row, inviter, email, role, by=Actor(Actor.PERSON, inviter.email))
    found = re.search(r"/invitations/[^/\s]+/", str(mail.outbox[-1].body))
    assert found
    return found[0]


@pytest.mark.parametrize("role", Role)
def test_each_role_sees_the_members_and_some_manage_them(sign_in: SignIn, tenant_a: TenantRef, role: Role) -> None:
    browser, bob = sign_in(tenant_a, role=role), member(tenant_a)
    member(tenant_a, "boss@example.com", Role.OWNER)
    invited(tenant_a)
    invitation = Invitation.objects.get()
    page = browser.get("/team/").content.decode()
    assert "bob@example.com" in page
    assert ("new@example.com" in page) == MAY[role]
    assert ('id="id_email"' in page) == MAY[role]
    assert browser.post(f"/team/{bob.pk}/role/", {"role": "editor"}).status_code == (302 if MAY[role] else 403)
    assert browser.get(f"/team/{bob.pk}/remove/").status_code == (200 if MAY[role] else 403)
    assert browser.post("/team/invite/", {"email": "x@example.com", "role": "viewer"}).status_code == (
        302 if MAY[role] else 403
    )
    assert browser.post(f"/team/invitations/{invitation.pk}/withdraw/").status_code == (302 if MAY[role] else 403)
    assert browser.post(f"/team/{bob.pk}/remove/").status_code == (302 if MAY[role] else 403)
    assert Membership.objects.filter(pk=bob.pk).exists() is not MAY[role]
    assert Invitation.objects.filter(pk=invitation.pk).exists() is not MAY[role]


def test_an_admin_neither_touches_owners_nor_makes_them(sign_in: SignIn, tenant_a: TenantRef) -> None:
    admin, boss = sign_in(tenant_a, role=Role.ADMIN), member(tenant_a, "boss@example.com", Role.OWNER)
    bob = member(tenant_a)
    page = admin.get("/team/").content.decode()
    assert f"role-{bob.pk}" in page
    assert f"role-{boss.pk}" not in page
    assert 'value="owner"' not in page
    assert admin.post(f"/team/{boss.pk}/role/", {"role": "viewer"}).status_code == 403
    assert admin.post(f"/team/{boss.pk}/remove/").status_code == 403
    assert admin.get(f"/team/{boss.pk}/remove/").status_code == 403
    assert admin.post(f"/team/{bob.pk}/role/", {"role": "owner"}).status_code == 403
    assert admin.post("/team/invite/", {"email": "x@example.com", "role": "owner"}).status_code == 400
    assert Membership.objects.filter(role=Role.OWNER).count() == 1


def test_htmx_gets_the_list_with_what_was_done_and_the_last_owner_stays(owner: Client, tenant_a: TenantRef) -> None:
    bob, mine = member(tenant_a), Membership.objects.get(user__email="owner@example.com")
    answer = owner.post(f"/team/{bob.pk}/role/", {"role": "admin"}, headers=HTMX).content.decode()
    assert answer.lstrip().startswith('<section id="members"')
    assert "bob@example.com is admin now." in answer
    refused = owner.post(f"/team/{mine.pk}/role/", {"role": "viewer"}, headers=HTMX).content.decode()
    assert "A shop keeps at least one owner" in refused
    assert 'value="owner" selected' in refused
    told = owner.post(f"/team/{mine.pk}/role/", {"role": "viewer"}, follow=True).content.decode()
    assert "A shop keeps at least one owner" in told


def test_who_gives_up_the_own_role_gets_a_whole_page(owner: Client, tenant_a: TenantRef) -> None:
    member(tenant_a, "boss@example.com", Role.OWNER)
    mine = Membership.objects.get(user__email="owner@example.com")
    answer = owner.post(f"/team/{mine.pk}/role/", {"role": "viewer"}, headers=HTMX)
    assert answer["HX-Redirect"] == "/team/"
    assert 'id="id_email"' not in owner.get("/team/").content.decode()


@pytest.mark.parametrize("role", ["", "king", "owner\x00"])
def test_a_role_that_there_is_not_changes_nothing(owner: Client, tenant_a: TenantRef, role: str) -> None:
    bob = member(tenant_a)
    assert owner.post(f"/team/{bob.pk}/role/", {"role": role}).status_code == 400
    bob.refresh_from_db()
    assert bob.role == Role.VIEWER


@pytest.mark.parametrize(
    ("email", "message"),
    [
        ("", "This field is required"),
        ("nobody", "Enter a valid email address"),
        ("a\x00@example.com", "Null characters are not allowed"),
        ("x" * 300 + "@example.com", "at most 254 characters"),
        ("bob@example.com", "bob@example.com is a member already"),
        ("<b>@example.com", "Enter a valid email address"),
    ],
)
def test_a_wrong_address_is_named_beside_what_was_typed(
    owner: Client, tenant_a: TenantRef, email: str, message: str
) -> None:
    member(tenant_a)
    answer = owner.post("/team/invite/", {"email": email, "role": "admin"})
    page = answer.content.decode()
    assert answer.status_code == 400
    assert message in page
    assert '<option value="admin" selected>' in page
    assert "<b>@" not in page
    assert mail.outbox == []


def test_without_a_verified_address_one_is_asked_to_verify_it(owner: Client) -> None:
    EmailAddress.objects.update(verified=False)
    assert "verify that" in owner.get("/team/").content.decode()
    answer = owner.post("/team/invite/", {"email": "x@example.com", "role": "viewer"})
    assert answer.status_code == 400
    assert not Invitation.objects.exists()


def test_an_invitation_is_sent_again_and_withdrawn(owner: Client, tenant_a: TenantRef) -> None:
    first = invited(tenant_a)
    owner.post("/team/invite/", {"email": "new@example.com", "role": "editor"})
    assert Client().get(first).status_code == 404
    told = owner.post(f"/team/invitations/{Invitation.objects.get().pk}/withdraw/", follow=True).content.decode()
    assert "The invitation of new@example.com is withdrawn" in told
    assert not Invitation.objects.exists()


def test_names_are_text_and_never_markup(owner: Client, tenant_a: TenantRef) -> None:
    User.objects.filter(pk=member(tenant_a).user_id).update(name="<img src=x onerror=alert(1)>")
    assert "<img src=x" not in owner.get("/team/").content.decode()


def test_people_of_another_shop_do_not_exist(owner: Client, tenant_a: TenantRef, tenant_b: TenantRef) -> None:
    other = member(tenant_b)
    invited(tenant_b)
    invitation = Invitation.objects.get()
    page = owner.get("/team/").content.decode()
    assert "bob@example.com" not in page
    assert "new@example.com" not in page
    for number in (other.pk, 10**30):
        assert owner.post(f"/team/{number}/role/", {"role": "editor"}).status_code == 404
        assert owner.post(f"/team/{number}/remove/").status_code == 404
        assert owner.get(f"/team/{number}/remove/").status_code == 404
    assert owner.post(f"/team/invitations/{invitation.pk}/withdraw/").status_code == 404
    assert Membership.objects.filter(pk=other.pk, role=Role.VIEWER).exists()


def test_a_member_leaves_and_the_shop_is_closed_to_her(ann: Client, tenant_a: TenantRef) -> None:
    ann.post("/shops/switch/", {"shop": tenant_a.slug})
    assert "closes to you at once" in ann.get("/team/leave/").content.decode()
    answer = ann.post("/team/leave/", follow=True)
    assert answer.redirect_chain[-1][0] == "/shops/"
    assert "You have left Shop A" in answer.content.decode()
    assert ann.get("/keys/")["Location"] == "/shops/"


def test_the_last_owner_does_not_leave(owner: Client) -> None:
    assert "A shop keeps at least one owner" in owner.post("/team/leave/", follow=True).content.decode()
    assert Membership.objects.filter(role=Role.OWNER).exists()


def test_staff_who_are_no_members_cannot_leave(sign_in: SignIn, tenant_a: TenantRef) -> None:
    staff = sign_in(email="ops@example.com", is_staff=True)
    staff.post("/shops/switch/", {"shop": tenant_a.slug})
    assert "/team/leave/" not in staff.get("/team/").content.decode()
    assert staff.post("/team/leave/").status_code == 404


def test_forms_need_their_token(owner: Client, tenant_a: TenantRef) -> None:
    bob = member(tenant_a)
    careful = Client(enforce_csrf_checks=True)
    careful.cookies = owner.cookies
    for address in ("/team/invite/", "/team/leave/", f"/team/{bob.pk}/role/", f"/team/{bob.pk}/remove/"):
        assert careful.post(address, {"role": "admin", "email": "x@example.com"}).status_code == 403


def test_somebody_with_an_account_signs_in_first_and_comes_back(tenant_a: TenantRef) -> None:
    link = invited(tenant_a)
    User.objects.create_user("new@example.com")
    browser = Client()
    answer = browser.get(link)
    assert answer["Location"] == f"/account/login/?next={link.replace('/', '%2F')}"
    assert link == f"/invitations/{browser.session['invitation']}/"
    assert "account_verified_email" not in browser.session


def test_somebody_without_an_account_signs_up_first_with_a_proven_address(tenant_a: TenantRef) -> None:
    link = invited(tenant_a)
    browser = Client()
    assert browser.get(link)["Location"].startswith("/account/signup/?next=%2Finvitations%2F")
    assert browser.session["account_verified_email"] == "new@example.com"
    assert link == f"/invitations/{browser.session['invitation']}/"


def test_the_invited_person_joins_with_one_press(sign_in: SignIn, tenant_a: TenantRef, tenant_b: TenantRef) -> None:
    link = invited(tenant_a)
    new = sign_in(tenant_b, email="new@example.com")
    asked = new.get(link)
    assert "Join Shop A" in asked.content.decode()
    assert "no-store" in asked["Cache-Control"]
    assert not Membership.objects.filter(user__email="new@example.com", tenant__slug=tenant_a.slug).exists()
    answer = new.post(link, follow=True)
    assert "You are a member of Shop A now; your role is editor." in answer.content.decode()
    assert "Overview · Shop A" in answer.content.decode()
    assert new.get(link).status_code == 404


def test_somebody_else_is_told_whom_it_is_for(ann: Client, tenant_b: TenantRef) -> None:
    link = invited(tenant_b)
    asked = ann.get(link)
    assert asked.status_code == 403
    assert "new@example.com" in asked.content.decode()
    assert ann.post(link).status_code == 403
    assert not Membership.objects.filter(user__email="ann@example.com", tenant__slug=tenant_b.slug).exists()


@pytest.mark.parametrize("link", ["/invitations/x/", "/invitations/%00/", "/invitations/" + "a" * 3000 + "/"])
def test_a_link_that_is_none_says_so_to_everybody(ann: Client, link: str) -> None:
    for browser in (ann, Client()):
        answer = browser.get(link)
        assert answer.status_code == 404
        assert "no longer good" in answer.content.decode()
