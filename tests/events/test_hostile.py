"""Whatever is posted, the answer is 202 or a problem, every event is accounted for, and what is accepted is stored."""

import gzip
import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events import hot
from recomengine.lib.asgi import MAX_BODY
from tests.api import Answer, Api
from tests.events.conftest import Stored

FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["v1", "1e-99999", "\ud83d"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
IDS = st.sampled_from(["v1", "a,b", 'q"', "\\N", "{}", "é", "", "x" * 128]) | VALUES
LINES = st.fixed_dictionaries(
    {"item_id": IDS}, optional={"quantity": VALUES | st.just(2), "price": VALUES | st.just("9.95")}
)
EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from(["view", "purchase", "impression", "refund"]) | VALUES, "visitor_id": IDS},
    optional={
        "event_id": st.uuids().map(str) | st.just(str(UUID(int=7))) | VALUES,
        "occurred_at": st.datetimes(timezones=st.timezones()).map(str) | VALUES,
        "user_id": IDS,
        "session_id": IDS,
        "items": st.lists(LINES | VALUES, max_size=3) | VALUES,
        "item_id": IDS,
        "quantity": VALUES,
        "price": VALUES,
        "order_id": IDS,
        "currency": st.just("USD") | VALUES,
        "position": st.integers(-1, 5) | VALUES,
        "properties": st.dictionaries(st.text(max_size=4), VALUES, max_size=4) | VALUES,
    },
)
ADDRESSES = ["events", "events/batch", "/v1/track", "/v1/identify", "/v1/batch", "/mp/collect", "/debug/mp/collect"]
PRODUCTS = st.fixed_dictionaries(
    {},
    optional={name: IDS | VALUES | st.just("9.95") for name in ("product_id", "sku", "item_id", "quantity", "price")},
)
TIMES = st.datetimes(timezones=st.timezones()).map(str) | st.just("0001-01-01T00:00:00+23:59") | VALUES
MESSAGES = st.fixed_dictionaries(
    {"type": st.sampled_from(["track", "track", "identify", "alias", "page"]) | VALUES},
    optional={
        "event": st.sampled_from(["Product Viewed", "Product List Viewed", "Order Completed", "Cart Viewed"]) | VALUES,
        "properties": st.fixed_dictionaries(
            {},
            optional={
                **dict.fromkeys(("product_id", "order_id", "list_id", "placement", "position", "currency"), IDS),
                "products": st.lists(PRODUCTS | VALUES, max_size=3) | VALUES,
                "more": VALUES,
            },
        )
        | VALUES,
        **dict.fromkeys(("anonymousId", "userId", "previousId", "messageId", "writeKey"), IDS),
        **dict.fromkeys(("timestamp", "originalTimestamp", "sentAt"), TIMES),
        "context": st.fixed_dictionaries({}, optional={"userAgent": VALUES}) | VALUES,
    },
)
HITS = st.fixed_dictionaries(
    {"name": st.sampled_from(["view_item", "purchase", "refund", "login", "page_view"]) | VALUES},
    optional={
        "params": st.fixed_dictionaries(
            {},
            optional={
                **dict.fromkeys(("transaction_id", "currency", "session_id", "item_list_id", "more"), IDS),
                "items": st.lists(PRODUCTS | VALUES, max_size=3) | VALUES,
            },
        )
        | VALUES,
        "timestamp_micros": st.integers() | st.integers().map(str) | VALUES,
    },
)


def check(answer: Answer) -> None:
    """A success, or a problem that is no fault of ours."""
    assert answer.status in {200, 202, 204, 400, 404}, answer.body
    if answer.status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json["status"] == answer.status
        assert answer.json["detail"]


def test_every_way_of_reading_is_tried_here() -> None:
    tried = {path if path.startswith("/") else f"/api/v1/{path}" for path in ADDRESSES}
    assert {door.read for door in hot.DOORS.values()} == {hot.DOORS[path].read for path in tried}


@FUZZ
@given(st.binary(max_size=60) | VALUES.map(json.dumps).map(str.encode))
def test_any_body_is_answered(api_a: Api, body: bytes) -> None:
    for path in (*ADDRESSES, "recommendations"):
        check(api_a.post(path, body))


@FUZZ
@given(st.lists(EVENTS | VALUES, max_size=6))
def test_any_events_are_accounted_for(api_a: Api, stored: Stored, events: list[Any]) -> None:
    before = len(set(stored("event_id")))
    answer = api_a.post("events/batch", json.dumps({"events": events}).encode())
    if answer.status == 400:
        assert "NaN" in json.dumps(events) or "Infinity" in json.dumps(events), answer.body
        return
    assert answer.status == 202, answer.body
    result = answer.json
    assert result["accepted"] + result["duplicates"] + len(result["rejected"]) == len(events)
    assert len(set(stored("event_id"))) == before + result["accepted"]
    assert all(rejected["code"] and rejected["message"] for rejected in result["rejected"])


@FUZZ
@given(st.binary(max_size=40))
def test_any_query_string_is_answered(api_a: Api, query: bytes) -> None:
    text = query.decode("latin-1")
    assert api_a.get("recommendations", text).status in {200, 400, 404}
    assert api_a.get("recommendations", "placement=home&visitor_id=" + text).status in {200, 400}


def has_no_number(value: Any) -> bool:
    """Whether JSON cannot say it: Python writes NaN and Infinity all the same."""
    return any(word in json.dumps(value) for word in ("NaN", "Infinity"))


@FUZZ
@given(st.lists(MESSAGES | VALUES, max_size=5), st.fixed_dictionaries({}, optional={"sentAt": TIMES}))
def test_any_messages_of_segment_are_accounted_for(
    api_a: Api, stored: Stored, messages: list[Any], envelope: dict[str, Any]
) -> None:
    before = len(set(stored("event_id")))
    answer = api_a.post("/v1/batch", json.dumps({"batch": messages} | envelope).encode())
    check(answer)
    if answer.status == 400:
        assert has_no_number(messages) or answer.json["errors"][0]["pointer"] == "/sentAt", answer.body
        return
    told = answer.json
    found = len(set(stored("event_id"))) - before
    assert found + len(told.get("rejected", [])) + sum(told.get("ignored", {}).values()) <= len(messages)
    places = [rejected["index"] for rejected in told.get("rejected", [])]
    assert places == sorted(set(places))
    assert all(rejected["code"] and rejected["message"] for rejected in told.get("rejected", []))


@FUZZ
@given(
    st.lists(HITS | VALUES, max_size=5),
    st.fixed_dictionaries({"client_id": IDS}, optional={"timestamp_micros": VALUES}),
)
def test_any_events_of_ga4_are_checked_as_they_are_taken(
    api_a: Api, stored: Stored, hits: list[Any], envelope: dict[str, Any]
) -> None:
    body = json.dumps({"events": hits} | envelope).encode()
    checked, before = api_a.post("/debug/mp/collect", body), len(set(stored("event_id")))
    taken = api_a.post("/mp/collect", body)
    check(checked)
    check(taken)
    assert (checked.status, taken.status) in {(200, 204), (400, 400)}
    if checked.status == 200:
        wrong = checked.json["validationMessages"]
        assert len(set(stored("event_id"))) - before <= len(hits) - len(wrong)


HOSTILE = {
    "no JSON": b"\x00\xff\xfe",
    "deep lists": b'{"batch": ' + b"[" * 200_000,
    "deep objects": b'{"a":' * 200_000,
    "deep and complete": b'{"events": [' + b'{"properties":' * 50_000 + b"{}" + b"}" * 50_000 + b"]}",
    "no number": b'{"events": [{"price": NaN}], "batch": [{"price": NaN}]}',
    "a number beyond all": b'{"events": [{"price": 1e999999}], "batch": [{"price": 1e999999}]}',
    "many digits": b'{"sentAt": ' + b"9" * 100_000 + b"}",
    "a NUL": b'{"events": "\\u0000", "batch": "\\u0000"}',
    "a bare NUL": b'{"events": "\x00", "batch": "\x00"}',
    "half a character": b'{"events": "\\ud800", "batch": "\\ud800"}',
    "half a character of UTF-8": b'{"events": "\xc3", "batch": "\xc3"}',
    "another encoding": '{"events": [], "batch": []}'.encode("utf-16"),
    "two documents": b'{"events": []} {"batch": []}',
    "ten megabytes": b"x" * 10 * 1024 * 1024,
}


@pytest.mark.parametrize("path", ADDRESSES)
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_bodies_are_problems(api_a: Api, stored: Stored, path: str, name: str) -> None:
    answer = api_a.post(path, HOSTILE[name])
    expected = {413} if name == "ten megabytes" else {400}
    if path in {"events", "/v1/track", "/v1/identify"}:  # there the body is an event: no batch, and rejected as such
        expected |= {200, 202}
    if name == "a number beyond all":  # which sinks the one event that holds it
        expected |= {200, 204}
    assert answer.status in expected, answer.body
    if answer.status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json["code"] in {"malformed_json", "invalid", "payload_too_large"}
    assert stored("id") == []


@pytest.mark.parametrize("path", ["events", "events/batch", "/v1/batch", "/mp/collect", "recommendations"])
def test_compressed_bodies(api_a: Api, path: str) -> None:
    view = {"type": "view", "visitor_id": "v1", "item_id": "mug"}
    body = json.dumps({"events": [view], "batch": [view]} if path.startswith("/") else view).encode()
    if path == "events/batch":
        body = json.dumps({"events": [view]}).encode()
    if path == "recommendations":
        body = b'{"item_id": "mug"}'
    plain = api_a.post(path, body)
    assert plain.status < 300
    assert api_a.post(path, gzip.compress(body), content_encoding="gzip").status == plain.status
    for sent, encoding, status, code in [
        (body, "gzip", 400, "malformed_encoding"),
        (gzip.compress(body)[:-4], "gzip", 400, "malformed_encoding"),
        (gzip.compress(body), "br", 415, "unsupported_encoding"),
        (gzip.compress(bytes(50 * MAX_BODY)), "gzip", 413, "payload_too_large"),
        (gzip.compress(b"[" * MAX_BODY), "gzip", 400, None),
    ]:
        answer = api_a.post(path, sent, content_encoding=encoding)
        assert answer.status == status, answer.body
        assert answer.json["code"] == code or (code is None and answer.json["code"] in {"malformed_json", "invalid"})
