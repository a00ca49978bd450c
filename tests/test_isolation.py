"""Every address of the API: shut without a key, shut to keys without the scope, and empty of other shops' things.

An address that is not in `addresses.TABLE` fails the walk: place it there with what it takes.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from events import hot as events_hot
from recommendations.training import running
from tenants import changing, schemas, tokens
from tenants.models import Membership, Tenant, User
from tenants.types import SCOPES, KeyType, Role, TenantRef
from tests.addresses import (
    CALLS,
    DOORS,
    EVENT,
    FOR_PEOPLE,
    FOR_STRANGERS,
    MARK,
    OPEN,
    READ,
    STAFF_ONLY,
    TABLE,
    Call,
    api_routes,
    furnish,
)
from tests.api import Api
from tests.conftest import new_key

each_call = pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.method} {call.path}")


@pytest.fixture
def shop_a(api_a: Api, tenant_a: TenantRef) -> Api:
    """Shop A with a thing of its own behind every address."""
    furnish(api_a, tenant_a)
    return api_a


def owner_of(edge: Any, *shops: TenantRef, email: str = "bea@example.com", **fields: Any) -> Api:
    """The API as called by a person who owns the shops."""
    person = User.objects.create_user(email, **fields)
    for shop in shops:
        Membership.objects.create(user=person, tenant=Tenant.objects.get(slug=shop.slug), role=Role.OWNER)
    return Api(edge, None, token=tokens.issue(person).access)


@pytest.fixture(autouse=True)
def no_new_shop_stays(tenants: tuple[Tenant, Tenant]) -> Iterator[None]:
    yield
    schemas.drop("t_new")


def state_of(shop: Api) -> dict[str, bytes]:
    """What every address that shows something shows of the shop."""
    shown = {each.path: each.by(shop) for each in CALLS if each.method == "GET" and each.scope is READ}
    passing = rb'"last_used_at":[^}]+|"exported_at":"[^"]+"'
    return {path: re.sub(passing, b"", answer.body) for path, answer in shown.items()}


def test_every_address_of_the_api_is_in_the_table() -> None:
    assert set(api_routes()) == set(TABLE) | OPEN | FOR_STRANGERS | FOR_PEOPLE


def test_every_address_for_the_libraries_of_others_is_in_the_table_or_the_same_door_as_one_that_is() -> None:
    foreign = {path: door for path, door in events_hot.DOORS.items() if not path.startswith("/api/")}
    assert set(DOORS) <= set(foreign)
    assert {id(door) for door in foreign.values()} == {id(foreign[path]) for path in DOORS}


def test_every_method_of_every_address_is_in_the_table() -> None:
    for route, calls in TABLE.items():
        view = api_routes()[route].callback.cls  # type: ignore[attr-defined]
        served = {name.upper() for name in view.http_method_names if hasattr(view, name)} - {"OPTIONS", "HEAD"}
        assert served == {call.method for call in calls}, route


@pytest.mark.parametrize("route", sorted(OPEN))
def test_what_is_open_is_open(edge: Any, route: str) -> None:
    assert Api(edge, None).get(route).status == 200


@pytest.mark.parametrize("route", sorted(FOR_STRANGERS))
def test_what_is_for_strangers_asks_for_no_key_and_takes_nothing_for_nothing(edge: Any, route: str) -> None:
    for api in (Api(edge, None), Api(edge, None, token="x"), Api(edge, "rec_rw_x")):
        answer = api.post(route, {})
        assert (answer.status, answer.json["code"]) == (400, "invalid")


def test_what_is_about_a_person_is_shut_to_keys_and_strangers(edge: Any, shop_a: Api, tenant_a: TenantRef) -> None:
    for api in (Api(edge, None), shop_a):
        answer = api.get("auth/me")
        assert (answer.status, answer.json["code"]) == (401, "authentication_required")
    mine = owner_of(edge, tenant_a).get("auth/me").json
    assert [each["tenant"] for each in mine["tenants"]] == ["shop-a"]


@each_call
def test_without_a_key_it_is_shut(edge: Any, tenant_a: TenantRef, call: Call) -> None:
    answer = call.by(Api(edge, None))
    assert (answer.status, answer.json["code"]) == (401, "authentication_required")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "www-authenticate" in answer.headers


@each_call
def test_a_dashboard_session_opens_nothing_of_the_api(edge: Any, tenant_a: TenantRef, call: Call) -> None:
    """A browser sends its cookies wherever a page of somebody else's lets it; the API knows none."""
    browser = Client()
    person = User.objects.create_user("bea@example.com", is_staff=True)
    browser.force_login(person)
    answer = call.by(Api(edge, None), cookie=f"sessionid={browser.cookies['sessionid'].value}")
    assert (answer.status, answer.json["code"]) == (401, "authentication_required")


@each_call
def test_a_key_opens_what_its_type_allows(edge: Any, shop_a: Api, tenant_a: TenantRef, call: Call) -> None:
    for kind in sorted(KeyType, key=lambda kind: call.scope in SCOPES[kind]):
        answer = call.by(Api(edge, new_key(tenant_a, kind)))
        if call.scope not in SCOPES[kind]:
            assert (answer.status, answer.json["code"]) == (403, "forbidden"), kind
        else:
            assert answer.status < 300, (kind, answer.body)


@each_call
def test_a_person_may_what_her_role_allows(edge: Any, shop_a: Api, tenant_a: TenantRef, call: Call) -> None:
    person = User.objects.create_user("ann@example.com")
    member = Membership.objects.create(user=person, tenant=Tenant.objects.get(slug=tenant_a.slug))
    done = False
    for role in Role:
        Membership.objects.filter(pk=member.pk).update(role=role)
        answer = call.by(Api(edge, None, token=tokens.issue(person).access))
        opens_own_shop = (call.method, call.path) == ("POST", "tenants")  # which anybody may who has an account
        if (call.scope not in role.scopes and not opens_own_shop) or call.path in STAFF_ONLY:
            assert (answer.status, answer.json["code"]) == (403, "forbidden"), role
        elif done:  # what the role before did may be there, or gone, already
            assert answer.status not in {401, 403}, (role, answer.body)
        else:
            assert answer.status < 300, (role, answer.body)
            done = True


@each_call
def test_a_suspended_shop_is_shut(edge: Any, api_a: Api, tenants: tuple[Tenant, Tenant], call: Call) -> None:
    owner = owner_of(edge, tenants[0].ref)
    changing.suspend_tenant(tenants[0])
    if api_a.edge.application.edge is not None:
        api_a.edge.application.edge.states._states.clear()
    for api in (api_a, owner):
        answer = call.by(api)
        if call.suspended:
            assert answer.status == 200
        elif (call.path, call.method) == ("tenants", "POST"):
            assert answer.status == (201 if api is owner else 403)  # that shop is shut, the person is not
        else:
            assert (answer.status, answer.json["code"]) == (403, "tenant_suspended")


def test_a_method_that_is_none_asks_for_the_key_first(edge: Any, shop_a: Api) -> None:
    for method in ("PURGE", "TRACE", "PUT", "DELETE"):
        assert Api(edge, None).call(method, "catalog/items").status in {401, 405}
        assert shop_a.call(method, "catalog/items").status == 405


@each_call
@pytest.mark.parametrize("who", ["key", "person"])
def test_another_shop_finds_nothing_and_changes_nothing(
    edge: Any, shop_a: Api, tenant_b: TenantRef, call: Call, who: str
) -> None:
    before = state_of(shop_a)
    other = Api(edge, new_key(tenant_b)) if who == "key" else owner_of(edge, tenant_b)
    expected = (call.other_people if who == "person" else None) or call.others
    answer = call.by(other)
    assert answer.status == expected, answer.body
    if expected == 404:
        missing = call.of_nothing(other)
        assert missing.body == answer.body.replace(call.thing.encode(), call.nothing.encode())
    elif call.method == "GET":
        assert MARK.encode() not in answer.body
    assert state_of(shop_a) == before


@each_call
def test_a_header_that_names_another_shop_finds_no_shop(
    edge: Any, shop_a: Api, api_b: Api, tenant_b: TenantRef, call: Call
) -> None:
    before = state_of(shop_a)
    for api in (api_b, owner_of(edge, tenant_b)):
        answer, missing = call.by(api, x_tenant="shop-a"), call.by(api, x_tenant="nowhere")
        assert (answer.status, answer.json["code"]) == (404, "not_found")
        assert missing.body == answer.body.replace(b"shop-a", b"nowhere")
    assert state_of(shop_a) == before


def test_headers_that_mean_nothing_choose_no_shop(edge: Any, shop_a: Api, api_b: Api) -> None:
    for name in ("x_tenant_id", "x_schema", "x_forwarded_host", "tenant", "x_original_url"):
        assert MARK.encode() not in api_b.get("catalog/items", **{name: "shop-a"}).body


@each_call
def test_a_token_of_nobody_is_no_entry(edge: Any, tenant_a: TenantRef, call: Call) -> None:
    gone = owner_of(edge, tenant_a, email="gone@example.com")
    User.objects.filter(email="gone@example.com").update(is_active=False)
    for api in (gone, Api(edge, None, token="ey.not.one")):
        answer = call.by(api)
        assert (answer.status, answer.json["code"]) == (401, "invalid_token")


def test_another_shops_model_recommends_nothing_of_this_one(shop_a: Api, api_b: Api, tenant_a: TenantRef) -> None:
    shop_a.post("events/batch", {"events": [EVENT | {"visitor_id": f"v{n}"} for n in range(3)]})
    run = running.train(tenant_a)
    shown = shop_a.get("recommendations", {"placement": "home"}).json["items"]
    assert MARK in {item["item_id"] for item in shown}
    answer = api_b.get("recommendations", {"placement": "home", "visitor_id": MARK})
    assert answer.json["model_version"] is None
    assert MARK not in {item["item_id"] for item in answer.json["items"]}
    assert MARK.encode() not in answer.body
    assert run.version.encode() not in api_b.get("models").body
