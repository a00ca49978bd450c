"""The keys page: every role sees the keys, admins and owners make, rotate and revoke them, and a key is shown once."""

import re
from datetime import timedelta

import pytest
from django.test import Client

from recomengine.lib import clock
from tenants import keys
from tenants.models import ApiKey, AuditEntry, Tenant
from tenants.types import Actor, KeyType, Role, TenantRef
from tests.conftest import new_key
from tests.dashboard.conftest import SignIn

KEY = re.compile(r"rec_(?:pub|ro|rw)_[a-z0-9]{12}_[a-z0-9]{48}")
MAY = {Role.VIEWER: False, Role.EDITOR: False, Role.ADMIN: True, Role.OWNER: True}


def made(tenant: TenantRef, **options: object) -> ApiKey:
    token = keys.parse(new_key(tenant, **options))  # type: ignore[arg-type]
    assert token
    return ApiKey.objects.get(key_id=token.key_id)


@pytest.mark.parametrize("role", Role)
def test_every_role_sees_the_keys_and_some_change_them(sign_in: SignIn, tenant_a: TenantRef, role: Role) -> None:
    browser, row = sign_in(tenant_a, role=role), made(tenant_a, name="Checkout")
    page = browser.get("/keys/").content.decode()
    assert "Checkout" in page
    assert row.key_id in page
    assert (f"/keys/{row.key_id}/revoke/" in page, "/keys/new/" in page) == (MAY[role], MAY[role])
    expected = 200 if MAY[role] else 403
    for address in ("/keys/new/", f"/keys/{row.key_id}/rotate/", f"/keys/{row.key_id}/revoke/"):
        assert browser.get(address).status_code == expected
    assert browser.post("/keys/new/", {"type": "ro"}).status_code == expected
    assert browser.post(f"/keys/{row.key_id}/rotate/", {"overlap": "3600"}).status_code == expected
    assert browser.post(f"/keys/{row.key_id}/revoke/").status_code == (302 if MAY[role] else 403)
    row.refresh_from_db()
    assert (row.revoked_at is not None) == MAY[role]


def test_a_refusal_says_which_role_one_has(ann: Client) -> None:
    page = ann.get("/keys/new/").content.decode()
    assert "Your role in Shop A is viewer" in page


def test_a_new_key_works_is_shown_once_and_kept_nowhere(owner: Client, tenant_a: TenantRef) -> None:
    answer = owner.post(
        "/keys/new/",
        {
            "type": "pub",
            "name": "Web shop",
            "allowed_origins": "https://Shop.example/\nhttps://www.shop.example",
            "requests_per_second": "50",
        },
    )
    (text,) = set(KEY.findall(answer.content.decode()))
    assert "no-store" in answer["Cache-Control"]
    caller = keys.authenticate(text)
    assert (caller.tenant.slug, caller.requests_per_second) == (tenant_a.slug, 50)
    assert caller.origins == ("https://shop.example", "https://www.shop.example")
    assert text not in str(dict(owner.session))
    assert not KEY.findall(owner.get("/keys/").content.decode())
    assert not KEY.findall(str(list(AuditEntry.objects.values_list("before", "after"))))
    entry = AuditEntry.objects.filter(action="api_key.created").latest("id")
    assert (entry.actor_kind, entry.actor, entry.address) == (Actor.PERSON, "owner@example.com", "127.0.0.1")


def test_a_key_lasts_until_the_end_of_its_last_day_in_the_shops_time_zone(owner: Client, tenant_a: TenantRef) -> None:
    Tenant.objects.filter(slug=tenant_a.slug).update(timezone="Asia/Tokyo")
    owner.post("/keys/new/", {"type": "ro", "expires_on": "2100-01-31"})
    assert ApiKey.objects.get().expires_at.isoformat() == "2100-01-31T15:00:00+00:00"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"type": "admin"}, "Select a valid choice"),
        ({"type": ""}, "This field is required"),
        ({"name": "x" * 81}, "at most 80 characters"),
        ({"name": "a\x00b"}, "Null characters are not allowed"),
        ({"allowed_origins": "shop.example"}, "“shop.example” is no origin"),
        ({"type": "ro", "allowed_origins": "https://shop.example"}, "Only publishable keys have origins"),
        ({"allowed_origins": "\n".join(f"https://shop{n}.example" for n in range(51))}, "At most 50 origins"),
        ({"expires_on": "2020-01-31"}, "That day is over already"),
        ({"expires_on": "9999-12-31"}, "Choose a day from"),
        ({"expires_on": "soon"}, "Enter a valid date"),
        ({"requests_per_second": "0"}, "greater than or equal to 1"),
        ({"requests_per_second": "9" * 30}, "less than or equal to"),
    ],
)
def test_a_wrong_value_is_named_and_what_was_typed_is_kept(owner: Client, wrong: dict[str, str], message: str) -> None:
    answer = owner.post("/keys/new/", {"type": "pub", "name": "Kept", **wrong})
    page = answer.content.decode()
    assert answer.status_code == 400
    assert message in page
    assert 'value="Kept"' in page or "name" in wrong
    assert not ApiKey.objects.exists()


def test_names_are_text_and_never_markup(owner: Client, tenant_a: TenantRef) -> None:
    made(tenant_a, name="<script>alert(1)</script>")
    page = owner.get("/keys/").content.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize(("overlap", "seconds"), [("0", 0), ("86400", 86400), ("2592000", 2592000)])
def test_a_rotated_key_goes_on_for_the_overlap(owner: Client, tenant_a: TenantRef, overlap: str, seconds: int) -> None:
    row = made(tenant_a, name="Server")
    before = clock.now()
    answer = owner.post(f"/keys/{row.key_id}/rotate/", {"overlap": overlap})
    (text,) = set(KEY.findall(answer.content.decode()))
    assert keys.authenticate(text).tenant == Tenant.objects.get(slug=tenant_a.slug).ref
    row.refresh_from_db()
    ends = before + timedelta(seconds=seconds)
    assert row.expires_at is not None
    assert ends <= row.expires_at <= clock.now() + timedelta(seconds=seconds)


def test_an_overlap_that_is_not_offered_changes_nothing(owner: Client, tenant_a: TenantRef) -> None:
    row = made(tenant_a)
    assert owner.post(f"/keys/{row.key_id}/rotate/", {"overlap": "99999999"}).status_code == 400
    assert ApiKey.objects.count() == 1


def test_revoking_says_before_what_else_ends(owner: Client, tenant_a: TenantRef) -> None:
    row = made(tenant_a, name="Deployer")
    by = Actor(Actor.KEY, row.key_id)
    child = keys.create_key(row.tenant, KeyType.READ_ONLY, keys.KeySettings("Made by it"), by=by)
    asked = owner.get(f"/keys/{row.key_id}/revoke/").content.decode()
    assert "Made by it" in asked
    assert child.key_id in asked
    told = owner.post(f"/keys/{row.key_id}/revoke/", follow=True).content.decode()
    assert "The key Deployer no longer works, nor does the one made with it." in told
    assert not ApiKey.objects.usable().exists()


def test_ended_keys_are_told_from_those_in_use(owner: Client, tenant_a: TenantRef) -> None:
    gone, used = made(tenant_a, name="Gone"), made(tenant_a, name="Used")
    owner.post(f"/keys/{gone.key_id}/revoke/")
    page = owner.get("/keys/").content.decode()
    in_use, ended = page.split("Ended keys", 1)
    assert used.key_id in in_use
    assert gone.key_id not in in_use
    assert "revoked" in ended.split(gone.key_id)[0]
    assert owner.get(f"/keys/{gone.key_id}/rotate/").status_code == 404
    assert owner.post(f"/keys/{gone.key_id}/revoke/").status_code == 404


def test_the_keys_of_another_shop_do_not_exist(owner: Client, tenant_a: TenantRef, tenant_b: TenantRef) -> None:
    other = made(tenant_b, name="Of shop B")
    assert other.key_id not in owner.get("/keys/").content.decode()
    for action in ("rotate", "revoke"):
        assert owner.get(f"/keys/{other.key_id}/{action}/").status_code == 404
        assert owner.post(f"/keys/{other.key_id}/{action}/", {"overlap": "0"}).status_code == 404
    assert ApiKey.objects.usable().filter(pk=other.pk).exists()


def test_strangers_and_forged_forms_get_nothing(owner: Client, tenant_a: TenantRef) -> None:
    row = made(tenant_a)
    careful = Client(enforce_csrf_checks=True)
    careful.cookies = owner.cookies
    for address in ("/keys/new/", f"/keys/{row.key_id}/rotate/", f"/keys/{row.key_id}/revoke/"):
        assert Client().get(address).status_code == 302
        assert careful.post(address, {"type": "ro", "overlap": "0"}).status_code == 403
    assert ApiKey.objects.get().revoked_at is None


def test_very_many_keys_are_cut_short(owner: Client, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenants.shop_pages.keys.SHOWN", 2)
    rows = [made(tenant_a) for _ in range(3)]
    page = owner.get("/keys/").content.decode()
    assert [row.key_id in page for row in rows] == [False, True, True]
    assert "1 more, older" in page
