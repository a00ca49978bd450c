"""A publishable key as the parameter `key`: what a browser sends so that it need not ask permission first."""

from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from recomengine.lib.asgi import MAX_BODY
from tenants.types import KeyType, TenantRef
from tests.api import Api
from tests.conftest import new_key

VIEW = {"type": "view", "item_id": "mug", "visitor_id": "v-1"}
SHOP = "https://shop.example"


@pytest.fixture
def browser(edge: Any, tenant_a: TenantRef) -> Api:
    """A page of the shop: no key in its headers."""
    return Api(edge, None)


@pytest.fixture
def key(tenant_a: TenantRef) -> str:
    return new_key(tenant_a, KeyType.PUBLISHABLE, origins=[SHOP])


def test_it_opens_every_endpoint_of_the_sdk(browser: Api, key: str) -> None:
    assert browser.get("recommendations", {"placement": "home", "key": key}, origin=SHOP).status == 200
    assert browser.get("widgets/config", {"key": key}, origin=SHOP).status == 200
    question = {"placement": "pdp", "item_id": ["mug"]}
    for path, data in (("recommendations", question), ("events", VIEW), ("events/batch", {"events": [VIEW]})):
        answer = browser.call("POST", path, params={"key": key}, data=data, origin=SHOP, content_type="text/plain")
        assert answer.status in (200, 202), answer.body
        assert answer.headers["access-control-allow-origin"] == SHOP


@pytest.mark.parametrize("path", ["recommendations", "widgets/config"])
@pytest.mark.parametrize("key_type", [KeyType.READ_ONLY, KeyType.READ_WRITE])
def test_other_keys_stay_out_of_addresses(browser: Api, tenant_a: TenantRef, path: str, key_type: KeyType) -> None:
    answer = browser.get(path, {"key": new_key(tenant_a, key_type)})
    assert (answer.status, answer.json["code"]) == (401, "invalid_key")
    assert "publishable" in answer.json["detail"]


@pytest.mark.parametrize("path", ["recommendations", "widgets/config"])
@pytest.mark.parametrize("wrong", ["", "x", "rec_pub_", f"rec_pub_{'0' * 12}_{'0' * 48}", "%00", "rec_pub_é"])
def test_a_wrong_one_is_refused(browser: Api, path: str, wrong: str) -> None:
    answer = browser.get(path, f"key={quote(wrong, safe='%')}")
    assert (answer.status, answer.json["code"]) == (401, "invalid_key")


@pytest.mark.parametrize("path", ["recommendations", "widgets/config"])
def test_it_is_tied_to_its_origins(browser: Api, key: str, path: str) -> None:
    answer = browser.get(path, {"key": key}, origin="https://elsewhere.example")
    assert (answer.status, answer.json["code"]) == (403, "origin_not_allowed")


def test_the_header_wins(edge: Any, api_a: Api, key: str) -> None:
    assert api_a.get("recommendations", {"key": "nonsense"}).status == 200
    assert api_a.get("catalog/items", {"key": key}).status == 200
    assert Api(edge, "nonsense").get("recommendations", {"key": key}).status == 401


def test_it_reads_and_writes_nothing_else(browser: Api, key: str) -> None:
    for path in ("catalog/items", "events", "models", "placements"):
        assert browser.get(path, {"key": key}).status == 403
    assert browser.call("POST", "catalog/items", params={"key": key}, data={"item_id": "x", "title": "X"}).status == 403


def test_it_is_no_parameter_of_the_question(browser: Api, key: str) -> None:
    misspelt = browser.get("recommendations", {"key": key, "keys": "x"})
    assert (misspelt.status, misspelt.json["code"]) == (400, "unknown_parameter")


def test_a_retried_batch_counts_once(browser: Api, key: str) -> None:
    event = {**VIEW, "event_id": str(uuid4())}
    for expected in (1, 0):
        answer = browser.call("POST", "events/batch", params={"key": key}, data={"events": [event]}, origin=SHOP)
        assert (answer.status, answer.json["accepted"]) == (202, expected)


def test_a_page_may_read_why_it_is_refused(browser: Api, key: str) -> None:
    too_large = browser.call("POST", "events/batch", params={"key": key}, data=b" " * (MAX_BODY + 1), origin=SHOP)
    unknown = browser.call("POST", "events", params={"key": "nonsense"}, data=VIEW, origin=SHOP)
    assert (too_large.status, unknown.status) == (413, 401)
    for answer in (too_large, unknown):
        assert answer.headers["access-control-allow-origin"] == SHOP
