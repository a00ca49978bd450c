"""The doors for other makers' formats over HTTP: keys, answers, ids, and what is stored and counted."""

import gzip
import json
from base64 import b64encode
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from events import tallies
from events.doors import segment
from recomengine.lib import clock
from tenants import keys
from tenants.models import Tenant
from tenants.types import KeyType, TenantRef
from tests.api import Api
from tests.conftest import new_key
from tests.edge.test_http import assert_problem
from tests.events.conftest import Stored

SHOP = "https://shop.example"
VIEW = {"type": "track", "event": "Product Viewed", "anonymousId": "v1", "properties": {"product_id": "mug"}}
HIT = {"name": "view_item", "params": {"items": [{"item_id": "mug"}]}}
GA4 = {"client_id": "v1", "events": [HIT]}
ORDER = {"transaction_id": "o1", "items": [{"item_id": "mug", "price": 9.95}]}


def basic(user: str, password: str = "") -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def counted(tenant: TenantRef) -> dict[str, int]:
    """The counts of today, and of yesterday if the day has just begun."""
    today, found = clock.now().date(), Counter[str]()
    for counts in tallies.between(tenant, today - timedelta(days=1), today).values():
        found.update(counts)
    return dict(found)


# --- Segment --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(segment.PATHS))
def test_every_address_takes_its_messages(api_a: Api, stored: Stored, path: str) -> None:
    kind = segment.PATHS[path]
    body = {"batch": [VIEW]} if kind == "batch" else VIEW | {"type": kind, "userId": "u1", "previousId": "v1"}
    answer = api_a.post(path, body)
    assert answer.status == 200
    assert answer.json["success"] is True
    expected = {"batch": "view", "track": "view", "identify": "login", "alias": "login"}
    assert [row[0] for row in stored("type")] == ([expected[kind]] if kind in expected else [])
    assert answer.json.get("ignored", {}) == ({} if kind in expected else {kind: 1})


@pytest.mark.parametrize("key_type", [KeyType.PUBLISHABLE, KeyType.READ_WRITE])
def test_the_key_may_come_as_the_libraries_send_it(
    edge: Any, tenant_a: TenantRef, stored: Stored, key_type: KeyType
) -> None:
    key, stranger = new_key(tenant_a, key_type), Api(edge, None)
    for headers in ({"authorization": basic(key)}, {"x_api_key": key}, {"authorization": f"Bearer {key}"}):
        assert stranger.post("/v1/batch", {"batch": [VIEW | {"messageId": str(uuid4())}]}, **headers).status == 200
    for path, body in (("/v1/track", VIEW), ("/v1/batch", {"batch": [VIEW | {"messageId": "m"}]})):
        assert stranger.post(path, body | {"writeKey": key}).json == {"success": True}
    compressed = gzip.compress(json.dumps(VIEW | {"writeKey": key, "messageId": "n"}).encode())
    assert stranger.post("/v1/track", compressed, content_encoding="gzip").json == {"success": True}
    assert len(stored("id")) == 6


def test_keys_that_open_nothing(edge: Any, tenants: tuple[Tenant, Tenant], tenant_a: TenantRef) -> None:
    stranger, key = Api(edge, None), new_key(tenant_a)
    assert_problem(stranger.post("/v1/track", VIEW), 401, "authentication_required")
    assert_problem(stranger.post("/v1/track", b"\xff{"), 401, "authentication_required")
    assert_problem(stranger.post("/v1/track", VIEW | {"writeKey": "abc"}), 401, "invalid_key")
    for wrong in (basic("abc"), basic(""), "Basic %%%", "Basic /w==", "Basic"):
        assert stranger.post("/v1/track", VIEW, authorization=wrong).status == 401, wrong
    assert_problem(
        stranger.post("/v1/track", VIEW, authorization=basic(new_key(tenant_a, KeyType.READ_ONLY))), 403, "forbidden"
    )
    assert_problem(stranger.post("/api/v1/events", {}, authorization=basic(key)), 401, "authentication_required")
    assert_problem(stranger.post("/api/v1/events", {"writeKey": key}), 401, "authentication_required")
    assert stranger.post("/v1/track", VIEW, authorization=basic(key)).status == 200
    keys.revoke_key(tenants[0], key.split("_")[2])
    edge.application.edge.states._states.clear()
    assert_problem(stranger.post("/v1/track", VIEW, authorization=basic(key)), 401, "invalid_key")


def test_a_message_id_makes_retries_harmless(api_a: Api, stored: Stored) -> None:
    ids = [str(uuid4()), "node-next-1700000000-abc", "é" * 300, 17, "ffffffff-ffff-8fff-bfff-ffffffffffff"]
    messages = [VIEW | {"messageId": each} for each in ids]
    for _ in range(2):
        assert api_a.post("/v1/batch", {"batch": messages}).json == {"success": True}
    assert len(stored("event_id")) == len(ids)
    assert str(stored("event_id")[0][0]) == ids[0]


def test_a_repeated_request_without_ids_counts_once_although_its_times_are_corrected_anew(
    api_a: Api, stored: Stored
) -> None:
    message = VIEW | {"timestamp": "2026-01-01T00:00:00Z"}
    for second in range(3):
        api_a.post("/v1/batch", {"batch": [message, message], "sentAt": f"2026-01-01T00:00:0{second}Z"})
    assert len(stored("id")) == 2  # what one request repeats is meant


def test_what_is_not_taken_is_told_with_its_place_in_the_senders_list(
    api_a: Api, stored: Stored, tenant_a: TenantRef
) -> None:
    page = {"type": "page", "userId": "u1"}
    bad = VIEW | {"anonymousId": None}
    worse = VIEW | {"anonymousId": {}}
    answer = api_a.post("/v1/batch", {"batch": [page, bad, VIEW, worse, page, bad]})
    assert answer.status == 200
    told = answer.json
    assert (told["success"], told["ignored"]) == (True, {"page": 2})
    assert [(each["index"], each["code"], each["pointer"]) for each in told["rejected"]] == [
        (1, "missing_visitor", "/anonymousId"), (3, "invalid", "/anonymousId"), (5, "missing_visitor", "/anonymousId"),
    ]  # fmt: skip
    assert len(stored("id")) == 1
    assert counted(tenant_a) == {
        "accepted": 1, "ignored:page": 2, "rejected:invalid": 1, "rejected:missing_visitor": 2,
    }  # fmt: skip


def test_types_of_the_shops_own(edge: Any, tenants: tuple[Tenant, Tenant], stored: Stored) -> None:
    Tenant.objects.filter(pk=tenants[0].pk).update(event_types=["quiz_finished"])
    api = Api(edge, new_key(Tenant.objects.get(pk=tenants[0].pk).ref))
    quiz = {"type": "track", "event": "Quiz Finished", "userId": "u1", "properties": {"score": 3}}
    assert api.post("/v1/track", quiz).json == {"success": True}
    assert api.post("/mp/collect", GA4 | {"events": [{"name": "quiz_finished", "params": {"score": 4}}]}).status == 204
    assert stored("type", "properties") == [("quiz_finished", '{"score": 3}'), ("quiz_finished", '{"score": 4}')]


def test_the_browser_named_in_a_message_tells_crawlers(api_a: Api, stored: Stored) -> None:
    crawler = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
    person = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
    batch = [VIEW | {"context": {"userAgent": person}}, VIEW]
    assert api_a.post("/v1/batch", {"batch": batch, "context": {"userAgent": crawler}}).status == 200
    assert api_a.post("/mp/collect", GA4 | {"user_agent": crawler}).status == 204
    assert [row[0] for row in stored("flag")] == [None, "crawler", "crawler"]


def test_properties_beyond_the_limit_are_left_out_and_counted(api_a: Api, stored: Stored, tenant_a: TenantRef) -> None:
    properties = {"product_id": "mug", "text": "x" * 9_000}
    assert api_a.post("/v1/track", VIEW | {"properties": properties}).json == {"success": True}
    assert stored("item_id", "properties") == [("mug", None)]
    assert counted(tenant_a) == {"accepted": 1, "properties_left_out": 1}


def test_a_batch_is_as_large_as_segments(api_a: Api, stored: Stored) -> None:
    answer = api_a.post("/v1/batch", {"batch": [VIEW] * segment.MAX_BATCH})
    assert answer.json == {"success": True}
    assert stored("count(*) OVER ()")[0] == (segment.MAX_BATCH,)
    assert_problem(api_a.post("/v1/batch", {"batch": [VIEW] * (segment.MAX_BATCH + 1)}), 400, "batch_too_large")


@pytest.mark.parametrize("path", ["/v1/track", "/v1/batch", "/mp/collect", "/debug/mp/collect"])
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed_json"), (b"{", "malformed_json"), (b"\xff", "malformed_json"),
        (b'{"a":' * 50_000, "malformed_json"), (b"[" * 100_000, "invalid"),
        (b"[]", "invalid"), (b"3", "invalid"), (b"null", "invalid"), (b'"x"', "invalid"),
    ],
)  # fmt: skip
def test_a_body_that_is_none_is_a_problem(api_a: Api, path: str, body: bytes, code: str) -> None:
    assert_problem(api_a.post(path, body), 400, code)


@pytest.mark.parametrize(("path", "name"), [("/v1/batch", "batch"), ("/mp/collect", "events")])
def test_a_body_without_its_list_is_a_problem_that_names_the_place(api_a: Api, path: str, name: str) -> None:
    for body, code in (({}, "missing_field"), ({name: {}}, "invalid"), ({name: None}, "invalid")):
        answer = api_a.post(path, body)
        assert_problem(answer, 400, "invalid")
        assert [(each["pointer"], each["code"]) for each in answer.json["errors"]] == [(f"/{name}", code)]


@pytest.mark.parametrize("path", ["/v1/track", "/mp/collect"])
def test_only_post_is_served_there(api_a: Api, path: str) -> None:
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        answer = api_a.call(method, path)
        assert (answer.status, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(("path", "body"), [("/v1/t", VIEW), ("/mp/collect", GA4)])
def test_a_page_may_send_and_read_the_answer(edge: Any, tenant_a: TenantRef, path: str, body: Any) -> None:
    key = new_key(tenant_a, KeyType.PUBLISHABLE, origins=[SHOP])
    asked = Api(edge, None).call("OPTIONS", path, origin=SHOP, access_control_request_method="POST")
    assert (asked.status, asked.headers["access-control-allow-methods"]) == (204, "POST")
    assert "Authorization" in asked.headers["access-control-allow-headers"]
    answer = Api(edge, key).post(path, body, origin=SHOP)
    assert answer.status in {200, 204}
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert_problem(Api(edge, key).post(path, body, origin="https://evil.example"), 403, "origin_not_allowed")


def test_a_browser_that_asks_not_to_be_followed_is_not(api_a: Api, stored: Stored) -> None:
    [rejected] = api_a.post("/v1/track", VIEW, sec_gpc="1").json["rejected"]
    assert rejected["code"] == "no_consent"
    assert stored("id") == []


# --- GA4 ------------------------------------------------------------------------------------------------------------


def test_ga4_is_answered_with_nothing(edge: Any, tenant_a: TenantRef, stored: Stored) -> None:
    stranger = Api(edge, None)
    for key_type in (KeyType.PUBLISHABLE, KeyType.READ_WRITE):
        params = {"api_secret": new_key(tenant_a, key_type), "measurement_id": "G-1"}
        body = json.dumps(GA4 | {"client_id": key_type}).encode()
        answer = stranger.call("POST", "/mp/collect", params=params, data=body)
        assert (answer.status, answer.body) == (204, b"")
    assert stored("type", "visitor_id", "item_id") == [("view", "pub", "mug"), ("view", "rw", "mug")]
    assert_problem(stranger.post("/mp/collect", GA4), 401, "authentication_required")
    assert_problem(stranger.call("POST", "/mp/collect", params={"api_secret": "x"}, data=GA4), 401, "invalid_key")
    twice = f"api_secret={new_key(tenant_a)}&api_secret=x"
    assert_problem(stranger.call("POST", "/mp/collect", params=twice, data=GA4), 401, "invalid_key")


def test_two_browsers_that_do_the_same_are_two_events_and_one_that_repeats_itself_is_one(
    api_a: Api, stored: Stored
) -> None:
    for client in ("v1", "v2", "v1"):
        assert api_a.post("/mp/collect", GA4 | {"client_id": client}).status == 204
    assert [row[0] for row in stored("visitor_id")] == ["v1", "v2"]


def test_an_order_is_bought_once_and_given_back_in_parts(api_a: Api, stored: Stored) -> None:
    def send(name: str, **params: Any) -> None:
        hit = {"name": name, "params": ORDER | params}
        assert api_a.post("/mp/collect", {"client_id": "v1", "events": [hit]}).status == 204

    send("purchase")
    send("purchase", tax=1)
    send("refund", items=[{"item_id": "mug", "quantity": 1}])
    send("refund", items=[{"item_id": "mug", "quantity": 1}], reason="x")
    send("refund", items=[{"item_id": "cup", "quantity": 1}])
    assert stored("type", "item_id") == [("purchase", "mug"), ("refund", "mug"), ("refund", "cup")]


def test_a_request_of_ga4_holds_a_hundred_events(api_a: Api) -> None:
    assert api_a.post("/mp/collect", GA4 | {"events": [HIT] * 100}).status == 204
    assert_problem(api_a.post("/mp/collect", GA4 | {"events": [HIT] * 101}), 400, "batch_too_large")


def test_the_validation_server_tells_what_is_wrong_and_keeps_nothing(
    api_a: Api, stored: Stored, tenant_a: TenantRef
) -> None:
    assert api_a.post("/debug/mp/collect", GA4).json == {"validationMessages": []}
    items = [{"item_id": "mug", "price": 1}, {"item_id": "cup"}]
    order = {"name": "purchase", "params": {"transaction_id": "o1", "items": items}}
    answer = api_a.post("/debug/mp/collect", GA4 | {"events": [HIT, order]})
    assert (answer.status, answer.json) == (200, {"validationMessages": [{
        "fieldPath": "events[1].params.items[1].price",
        "description": "Item cup of the purchase has no `price`.",
        "validationCode": "VALUE_REQUIRED",
    }]})  # fmt: skip
    nobody = api_a.post("/debug/mp/collect", {"events": [HIT]}).json["validationMessages"]
    assert [each["fieldPath"] for each in nobody] == ["client_id"]
    assert stored("id") == []
    assert counted(tenant_a) == {}
