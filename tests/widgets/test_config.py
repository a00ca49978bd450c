"""What the SDK loads of a shop."""

from typing import Any

import pytest

from tenants.models import Tenant
from tenants.types import KeyType, TenantRef
from tests.api import Answer, Api
from tests.conftest import new_key

SHOP = "https://shop.example"


@pytest.fixture
def page(edge: Any, tenant_a: TenantRef) -> Api:
    return Api(edge, new_key(tenant_a, KeyType.PUBLISHABLE, origins=[SHOP]))


def config(api: Api, **headers: str) -> Answer:
    return api.get("widgets/config", **headers)


def test_it_names_the_shop_and_its_placements(page: Api) -> None:
    found = config(page).json
    placements = found.pop("placements")
    assert found == {"tenant": "shop-a", "currency": "EUR", "locale": "en", "consent": "auto"}
    assert {"key": "home", "name": "Home page", "limit": 10} in placements
    assert [placement["key"] for placement in placements] == sorted(placement["key"] for placement in placements)


def test_each_shop_sees_its_own(page: Api, api_a: Api, api_b: Api) -> None:
    api_a.post("placements", {"key": "only-here", "name": "Only here", "cascade": ["popular"], "limit": 4})
    assert {"key": "only-here", "name": "Only here", "limit": 4} in config(page).json["placements"]
    other = config(api_b).json
    assert (other["tenant"], other["currency"]) == ("shop-b", "USD")
    assert "only-here" not in {placement["key"] for placement in other["placements"]}


def test_a_browser_asks_again_after_a_minute_and_is_told_that_nothing_changed(page: Api, api_a: Api) -> None:
    first = config(page, origin=SHOP)
    assert first.headers["cache-control"] == "max-age=60"
    again = config(page, origin=SHOP, if_none_match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert again.headers["access-control-allow-origin"] == SHOP
    api_a.call("PATCH", "placements/home", data={"name": "You may also like"})
    changed = config(page, origin=SHOP, if_none_match=first.headers["etag"])
    assert changed.status == 200
    assert changed.headers["etag"] != first.headers["etag"]


def test_caches_keep_keys_and_origins_apart(page: Api) -> None:
    vary = {name.strip().lower() for name in config(page, origin=SHOP).headers["vary"].split(",")}
    assert vary >= {"origin", "x-api-key", "authorization"}


def test_a_page_of_another_origin_may_not_even_read_that_it_is_refused(page: Api) -> None:
    answer = config(page, origin="https://elsewhere.example")
    assert (answer.status, answer.json["code"]) == (403, "origin_not_allowed")
    assert "access-control-allow-origin" not in answer.headers
    assert "origin" in answer.headers["vary"].lower()


def test_a_servers_key_gives_nothing_to_a_page(edge: Any, tenant_a: TenantRef) -> None:
    answer = config(Api(edge, new_key(tenant_a)), origin=SHOP)
    assert answer.status == 200
    assert "access-control-allow-origin" not in answer.headers


def test_it_needs_a_key(edge: Any, tenant_a: TenantRef) -> None:
    answer = config(Api(edge, None))
    assert (answer.status, answer.json["code"]) == (401, "authentication_required")


def test_a_suspended_shop_shows_nothing(page: Api, tenant_a: TenantRef) -> None:
    Tenant.objects.filter(slug=tenant_a.slug).update(status=Tenant.Status.SUSPENDED)
    answer = config(page)
    assert (answer.status, answer.json["code"]) == (403, "tenant_suspended")
