"""API keys: what they look like, what is stored of them, and who is let in with one."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from recomengine.lib import clock
from recomengine.lib.errors import DomainError
from tenants import keys
from tenants.models import ApiKey, Tenant
from tenants.types import KeyType, TenantRef
from tests.api import Answer, Api
from tests.conftest import new_key

SHOP = "https://shop.example"
HOT, COLD = "recommendations", "strategies"  # one endpoint of the edge, one of Django: both know the same keys


def call(edge: Any, key: str | None, path: str = HOT, **headers: str) -> Answer:
    return Api(edge, key).get(path, **headers)


def refusal(answer: Answer) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    if answer.status == 401:
        assert answer.headers["www-authenticate"].startswith("ApiKey")
    return answer.status, answer.json["code"]


def test_a_key_says_its_type_and_no_two_are_alike(tenant_a: TenantRef) -> None:
    made = [new_key(tenant_a, kind) for kind in KeyType for _ in range(3)]
    assert [re.match(r"rec_(pub|ro|rw)_[0-9a-f]{12}_[0-9a-f]{48}\Z", key)[1] for key in made] == (  # type: ignore[index]
        ["pub"] * 3 + ["ro"] * 3 + ["rw"] * 3
    )
    assert len({key.split("_")[3] for key in made}) == len({key.split("_")[2] for key in made}) == 9


def test_only_a_digest_of_the_secret_is_stored(tenant_a: TenantRef, settings: Any) -> None:
    secret = new_key(tenant_a).split("_")[3]
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(k)::text FROM tenants_apikey k")
        [(stored,)] = cursor.fetchall()
    assert secret not in stored
    assert keys.digest(secret) in stored
    settings.API_KEY_PEPPER = "another"
    assert keys.digest(secret) not in stored


def test_a_key_does_not_show_itself_when_printed(tenant_a: TenantRef) -> None:
    secret = new_key(tenant_a).split("_")[3]
    assert secret not in str(ApiKey.objects.get()) + repr(ApiKey.objects.get())


@pytest.mark.parametrize("path", [HOT, COLD])
def test_a_good_key_is_let_in_by_either_header(edge: Any, tenant_a: TenantRef, path: str) -> None:
    key = new_key(tenant_a)
    assert call(edge, key, path).status == 200
    assert call(edge, f" {key} ", path).status == 200
    assert call(edge, None, path, authorization=f"Bearer {key}").status == 200
    assert call(edge, None, path, authorization=f"bearer  {key}").status == 200


@pytest.mark.parametrize("path", [HOT, COLD])
@pytest.mark.parametrize(
    "headers",
    [{}, {"x_api_key": ""}, {"authorization": "Basic abc"}, {"authorization": "Bearer"}, {"authorization": "Bearer "}],
)
def test_no_key_is_no_entry(edge: Any, tenant_a: TenantRef, path: str, headers: dict[str, str]) -> None:
    assert refusal(call(edge, None, path, **headers)) == (401, "authentication_required")


@pytest.mark.parametrize("path", [HOT, COLD])
def test_a_wrong_key_is_no_entry(edge: Any, tenant_a: TenantRef, path: str) -> None:
    good = keys.parse(new_key(tenant_a))
    assert good is not None
    wrong = [
        good._replace(secret="0" * 48),
        good._replace(secret=good.secret[:-1] + ("0" if good.secret[-1] != "0" else "1")),
        good._replace(key_id="0" * 12),
        *(good._replace(key_type=kind) for kind in KeyType if kind != good.key_type),
        *("rec_", "rec_rw_", "x", "é", f"{good}\n0", f"{good}0", str(good).upper(), str(good).replace("rec_", "")),
        str(good)[:-1],
    ]
    for key in wrong:
        assert refusal(call(edge, str(key), path)) == (401, "invalid_key"), key
    assert call(edge, str(good), path).status == 200


@pytest.mark.parametrize("path", [HOT, COLD])
def test_revoked_and_expired_keys_are_no_entry(edge: Any, tenant_a: TenantRef, path: str) -> None:
    revoked, expired, lasting = new_key(tenant_a), new_key(tenant_a), new_key(tenant_a)
    keys.revoke_key(Tenant.objects.get(slug=tenant_a.slug), revoked.split("_")[2])
    now = clock.now()
    ApiKey.objects.filter(key_id=expired.split("_")[2]).update(expires_at=now - timedelta(seconds=1))
    ApiKey.objects.filter(key_id=lasting.split("_")[2]).update(expires_at=now + timedelta(hours=1))
    assert refusal(call(edge, revoked, path)) == refusal(call(edge, expired, path)) == (401, "invalid_key")
    assert call(edge, lasting, path).status == 200


def test_a_key_can_be_revoked_once_and_only_by_its_tenant(tenants: tuple[Tenant, Tenant], tenant_a: TenantRef) -> None:
    key_id = new_key(tenant_a).split("_")[2]
    with pytest.raises(DomainError, match="no usable key"):
        keys.revoke_key(tenants[1], key_id)
    keys.revoke_key(tenants[0], key_id)
    with pytest.raises(DomainError, match="no usable key"):
        keys.revoke_key(tenants[0], key_id)


@pytest.mark.parametrize("path", [HOT, "events"])
@pytest.mark.parametrize(
    "case",
    [
        ([SHOP], SHOP, True),
        ([SHOP], None, True),
        ([SHOP], "https://evil.example", False),
        ([SHOP], "http://shop.example", False),
        ([SHOP], "https://shop.example.evil.example", False),
        ([SHOP], "null", False),
        (["*"], "https://anything.example", True),
        ([], SHOP, False),
        ([], None, True),
    ],
)
def test_a_publishable_key_keeps_to_its_origins(
    edge: Any, tenant_a: TenantRef, path: str, case: tuple[list[str], str | None, bool]
) -> None:
    origins, origin, allowed = case
    api = Api(edge, new_key(tenant_a, KeyType.PUBLISHABLE, origins=origins))
    headers = {"origin": origin} if origin else {}
    answer = api.post(path, {} if path == HOT else {"type": "view", "visitor_id": "v", "item_id": "i"}, **headers)
    if allowed:
        assert answer.status in {200, 202}
    else:
        assert refusal(answer) == (403, "origin_not_allowed")
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("kind", [KeyType.READ_ONLY, KeyType.READ_WRITE])
def test_a_servers_key_is_tied_to_no_origin(edge: Any, tenant_a: TenantRef, kind: KeyType) -> None:
    assert call(edge, new_key(tenant_a, kind), origin="https://anywhere.example").status == 200


def test_only_a_publishable_key_may_stand_in_the_address(edge: Any, tenant_a: TenantRef) -> None:
    for path in (HOT, "widgets/config"):
        open_key, secret = new_key(tenant_a, KeyType.PUBLISHABLE), new_key(tenant_a)
        assert Api(edge, None).get(path, {"key": open_key}).status == 200
        assert refusal(Api(edge, None).get(path, {"key": secret})) == (401, "invalid_key")
        assert refusal(Api(edge, None).get(path, {"key": ""})) == (401, "invalid_key")


def last_use(edge: Any) -> Any:
    """When the only key was last used, after what is still being recorded."""
    if edge.application.edge is not None:
        edge.run(edge.application.edge.keys.close())
    return ApiKey.objects.get().last_used_at


@pytest.mark.parametrize("path", [HOT, COLD])
def test_the_use_of_a_key_is_recorded_at_most_once_a_minute(edge: Any, tenant_a: TenantRef, path: str) -> None:
    key = new_key(tenant_a)
    assert last_use(edge) is None
    call(edge, key[:-4] + "0000", path)
    assert last_use(edge) is None
    call(edge, key, path)
    first = last_use(edge)
    assert first is not None
    call(edge, key, path)
    assert last_use(edge) == first
