"""The page to try the SDK on."""

from typing import Any

import pytest

from tenants.types import KeyType, TenantRef
from tests.api import Api
from tests.conftest import new_key

HOSTILE = "\"><script>alert('x')</script>"


@pytest.fixture
def key(api_a: Api, tenant_a: TenantRef) -> str:
    api_a.post("catalog/items", {"item_id": "mug", "title": "Mug <i>blue</i>", "price": "9.95"})
    return new_key(tenant_a, KeyType.PUBLISHABLE, origins=["*"])


def show(api: Api, **params: str) -> Any:
    answer = Api(api.edge, None).get("/sdk/demo/", params)
    return answer.status, answer.body.decode()


def test_it_asks_for_a_key(api_a: Api) -> None:
    status, html = show(api_a)
    assert status == 200
    assert 'name="key"' in html
    assert "recom-widget" not in html


def test_it_is_a_shop_with_products(api_a: Api, key: str) -> None:
    status, start = show(api_a, key=key)
    assert status == 200
    assert '<recom-widget placement="home"' in start
    assert f'data-key="{key}"' in start
    _, product = show(api_a, key=key, item="mug")
    assert "<h1>Mug &lt;i&gt;blue&lt;/i&gt;</h1>" in product
    assert '<recom-widget placement="pdp-similar" item="mug"' in product
    assert "item={item_id}" in product


@pytest.mark.parametrize("wrong", ["", "x", HOSTILE])
def test_a_wrong_key_is_named(api_a: Api, wrong: str) -> None:
    status, html = show(api_a, key=wrong)
    assert status == 401
    assert 'role="alert"' in html
    assert "<script" not in html


def test_a_secret_key_is_not_taken(api_a: Api, tenant_a: TenantRef) -> None:
    secret = new_key(tenant_a)
    status, html = show(api_a, key=secret)
    assert status == 401
    assert secret not in html


def test_whatever_the_address_says_stays_text(api_a: Api, key: str) -> None:
    for item in (HOSTILE, "\x00", "'</code>"):
        status, html = show(api_a, key=key, item=item)
        assert status == 200
        assert "<script>alert" not in html
        assert "'</code>" not in html


def test_another_shops_products_are_unknown(api_a: Api, api_b: Api, key: str) -> None:
    api_b.post("catalog/items", {"item_id": "theirs", "title": "Their product"})
    assert "Their product" not in show(api_a, key=key, item="theirs")[1]
