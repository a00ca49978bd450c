"""Events in: what is accepted, what is refused and how the answer says so."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.api import Api
from tests.events.conftest import Stored

pytestmark = pytest.mark.smoke
RETENTION_DAYS = 396

VIEW = {"type": "view", "visitor_id": "v1", "item_id": "mug"}
PURCHASE = {
    "type": "purchase",
    "visitor_id": "v1",
    "order_id": "o1",
    "items": [{"item_id": "mug", "quantity": 2, "price": "9.95"}, {"item_id": "cup", "price": 4}],
}


def ago(**span: float) -> str:
    return (datetime.now(UTC) - timedelta(**span)).isoformat()


def send(api: Api, *events: Any) -> Any:
    answer = api.post("events/batch", {"events": list(events)})
    assert answer.status == 202, answer.body
    return answer.json


def rejection(api: Api, event: Any) -> tuple[str, str]:
    """Code and pointer of an event's refusal, which leaves the good events around it alone."""
    good = [VIEW | {"event_id": str(uuid4())} for _ in range(2)]
    answer = send(api, good[0], event, good[1])
    assert (answer["accepted"], answer["duplicates"]) == (2, 0)
    [rejected] = answer["rejected"]
    assert rejected["index"] == 1
    assert rejected["message"]
    return rejected["code"], rejected["pointer"]


def test_one_event_is_accepted(api_a: Api, stored: Stored) -> None:
    answer = api_a.post("events", VIEW)
    assert (answer.status, answer.json) == (202, {"accepted": 1, "duplicates": 0, "rejected": []})
    assert stored("type", "visitor_id", "item_id", "line") == [("view", "v1", "mug", 0)]


def test_every_field_is_stored_as_sent(api_a: Api, stored: Stored) -> None:
    sent = {
        "event_id": "6f1f6ac1-9b0d-4b0c-8c5a-111111111111", "type": "add_to_cart", "occurred_at": ago(minutes=5),
        "visitor_id": "v1", "user_id": "u1", "session_id": "s1", "item_id": "mug", "quantity": 3, "price": 9.95,
        "currency": "USD", "recommendation_id": "r1", "placement": "pdp", "position": 4,
        "properties": {"colour": "bleu é", "nested": [1, {"a": None}]},
    }  # fmt: skip
    assert send(api_a, sent)["accepted"] == 1
    [row] = stored("*")
    columns = dict(zip(stored_columns(), row, strict=True))
    assert columns["occurred_at"] == datetime.fromisoformat(sent["occurred_at"])
    assert columns["event_id"] == UUID(sent["event_id"])
    assert columns["price"] == Decimal("9.95")
    for name in ("type", "visitor_id", "user_id", "session_id", "item_id", "quantity", "currency", "recommendation_id"):
        assert columns[name] == sent[name]
    for name in ("placement", "position"):
        assert columns[name] == sent[name]
    assert json.loads(columns["properties"]) == sent["properties"]


def stored_columns() -> list[str]:
    return [
        "id", "event_id", "line", "type", "occurred_at", "received_at", "visitor_id", "user_id", "session_id",
        "item_id", "quantity", "price", "currency", "order_id", "recommendation_id", "placement", "position",
        "properties", "consent", "flag",
    ]  # fmt: skip


def test_a_purchase_is_one_row_a_line(api_a: Api, stored: Stored) -> None:
    send(api_a, {**PURCHASE, "properties": {"coupon": "X"}})
    columns = ("line", "item_id", "quantity", "price", "currency", "order_id", "properties")
    assert stored(*columns) == [
        (0, "mug", 2, Decimal("9.9500"), "EUR", "o1", '{"coupon": "X"}'),
        (1, "cup", 1, Decimal("4.0000"), "EUR", "o1", None),
    ]
    assert len({row[0] for row in stored("event_id")}) == 1


def test_a_slate_seen_is_one_row_without_an_item(api_a: Api, stored: Stored) -> None:
    send(api_a, {"type": "impression", "visitor_id": "v1", "recommendation_id": "r1"})
    assert stored("type", "item_id", "recommendation_id") == [("impression", None, "r1")]


def test_a_user_without_a_visitor_stands_for_both(api_a: Api, stored: Stored) -> None:
    send(api_a, {"type": "view", "user_id": "u1", "item_id": "mug"})
    assert stored("visitor_id", "user_id") == [("u1", "u1")]


def test_a_bare_array_is_a_batch_and_an_empty_batch_is_fine(api_a: Api) -> None:
    assert api_a.post("events/batch", [VIEW, VIEW]).json["accepted"] == 2
    assert send(api_a) == {"accepted": 0, "duplicates": 0, "rejected": []}


def test_times_without_an_event_time_are_now(api_a: Api, stored: Stored) -> None:
    send(api_a, VIEW)
    [(occurred_at, received_at)] = stored("occurred_at", "received_at")
    assert occurred_at == received_at
    assert abs(datetime.now(UTC) - occurred_at) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"type": "wave"}, "unknown_type", "/type"),
        ({"type": 3}, "invalid", "/type"),
        ({"visitor_id": None}, "missing_visitor", "/visitor_id"),
        ({"item_id": None}, "missing_item", "/items"),
        ({"items": [{"item_id": "cup"}]}, "invalid", "/item_id"),
        ({"item_id": None, "quantity": 2}, "invalid", "/item_id"),
        ({"occurred_at": ago(hours=-49)}, "in_future", "/occurred_at"),
        ({"occurred_at": ago(days=RETENTION_DAYS + 1)}, "too_old", "/occurred_at"),
        ({"occurred_at": "0001-01-01T00:00:00+23:59"}, "too_old", "/occurred_at"),
        ({"occurred_at": "9999-12-31T23:59:59-23:59"}, "in_future", "/occurred_at"),
        ({"occurred_at": "2026-11-23T10:00:00"}, "invalid", "/occurred_at"),
        ({"occurred_at": 1700000000}, "invalid", "/occurred_at"),
        ({"event_id": "42"}, "invalid", "/event_id"),
        ({"prise": 3}, "unknown_field", "/prise"),
        ({"visitor_id": "naïve"}, "invalid", "/visitor_id"),
        ({"visitor_id": ""}, "invalid", "/visitor_id"),
        ({"visitor_id": " v1"}, "invalid", "/visitor_id"),
        ({"visitor_id": "v1\n"}, "invalid", "/visitor_id"),
        ({"visitor_id": "v\u0000"}, "invalid", "/visitor_id"),
        ({"visitor_id": "x" * 129}, "invalid", "/visitor_id"),
        ({"item_id": "é"}, "invalid", "/item_id"),
        ({"quantity": 0}, "invalid", "/quantity"),
        ({"quantity": 10**30}, "invalid", "/quantity"),
        ({"price": -1}, "invalid", "/price"),
        ({"price": "NaN"}, "invalid", "/price"),
        ({"price": "1e10"}, "invalid", "/price"),
        ({"price": "0.00001"}, "invalid", "/price"),
        ({"currency": "euro"}, "invalid", "/currency"),
        ({"position": 0}, "invalid", "/position"),
        ({"properties": [1]}, "invalid", "/properties"),
        ({"properties": "text"}, "invalid", "/properties"),
        ({"properties": {"a": "\u0000"}}, "invalid", "/properties"),
        ({"properties": {"\u0000": 1}}, "invalid", "/properties"),
        ({"visitor_id": "\ud800"}, "invalid", "/visitor_id"),
        ({"properties": {"a": "x" * 9000}}, "properties_too_large", "/properties"),
    ],
)
def test_each_reason_to_drop_an_event(api_a: Api, change: Any, code: str, pointer: str) -> None:
    assert rejection(api_a, VIEW | change) == (code, pointer)


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"order_id": None}, "missing_order_id", "/order_id"),
        ({"items": []}, "missing_item", "/items"),
        ({"items": [{"item_id": "mug", "price": 1}, {"item_id": "cup"}]}, "missing_price", "/items/1/price"),
        ({"items": [{"item_id": "mug", "price": 1, "color": "red"}]}, "unknown_field", "/items/0/color"),
        ({"items": [{"price": 1}]}, "missing_field", "/items/0/item_id"),
        ({"items": [{"item_id": "mug", "price": 1, "quantity": -1}]}, "invalid", "/items/0/quantity"),
    ],
)
def test_each_reason_to_drop_a_purchase(api_a: Api, change: Any, code: str, pointer: str) -> None:
    assert rejection(api_a, PURCHASE | change) == (code, pointer)


@pytest.mark.parametrize("event", [3, "view", None, [], [VIEW]])
def test_what_is_no_event_is_dropped(api_a: Api, event: Any) -> None:
    assert rejection(api_a, event) == ("invalid", "")


@pytest.mark.parametrize(
    "properties",
    [
        '{"a": "\\\\u0000"}',
        '{"a": 1e308}',
        '{"a": 1e-400}',
        '{"a": 1e-99999}',
        '{"a": 12345678901234567890123}',
        '{"a": -0.0}',
        "{}",
        "null",
        '{"a":1,"a":2}',
        '{"": "\\u00e9"}',
    ],
)
def test_odd_properties_that_are_fine(api_a: Api, stored: Stored, properties: str) -> None:
    body = b'{"type": "view", "visitor_id": "v1", "item_id": "mug", "properties": %s}' % properties.encode()
    answer = api_a.post("events", body)
    assert (answer.status, answer.json["accepted"]) == (202, 1), answer.body
    assert len(stored("id")) == 1


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("0E+999999999", "0"),
        ("1E+9", "1000000000"),
        ("9999999999.9999", "9999999999.9999"),
        ("-0", "0"),
        (1e-4, "0.0001"),
    ],
)
def test_odd_prices_that_are_fine(api_a: Api, stored: Stored, sent: str | float, kept: str) -> None:
    assert send(api_a, VIEW | {"price": sent})["accepted"] == 1
    assert stored("price") == [(Decimal(kept),)]


def test_a_text_cut_inside_an_emoji_sinks_nothing(api_a: Api, stored: Stored) -> None:
    assert send(api_a, VIEW, VIEW | {"properties": {"title": "Mug \ud83d"}})["accepted"] == 2
    assert api_a.post("events", VIEW | {"properties": {"title": "Mug \ude00 \U0001f600"}}).json["accepted"] == 1
    titles = [json.loads(row[0])["title"] for row in stored("properties") if row[0]]
    assert titles == ["Mug \ufffd", "Mug \ufffd \U0001f600"]


@pytest.mark.parametrize("body", [b"", b"{", b"3", b'"x"', b"null", b"[1", b"\xff", b"[" * 100_000, b'{"a":' * 50_000])
def test_a_body_that_is_no_event_is_a_problem(api_a: Api, body: bytes) -> None:
    for path in ("events", "events/batch"):
        answer = api_a.post(path, body)
        assert answer.status == 400
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json["code"] in {"malformed_json", "invalid"}


@pytest.mark.parametrize("body", [{}, {"event": []}, {"events": {}}, {"events": None}, {"events": [], "more": 1}])
def test_a_body_that_is_no_batch_is_a_problem(api_a: Api, body: Any) -> None:
    answer = api_a.post("events/batch", body)
    assert (answer.status, answer.json["code"]) == (400, "invalid")


def test_a_hundred_events_are_a_batch_and_one_more_is_too_many(api_a: Api) -> None:
    assert send(api_a, *[VIEW] * 100)["accepted"] == 100
    answer = api_a.post("events/batch", {"events": [VIEW] * 101})
    assert (answer.status, answer.json["code"]) == (400, "batch_too_large")
    assert "101" in answer.json["detail"]


def test_events_go_to_the_tenant_of_the_key(api_a: Api, api_b: Api, stored: Stored) -> None:
    send(api_b, VIEW | {"price": 1})
    assert stored("id") == []
    [event] = api_b.get("events").json["results"]
    assert event["currency"] == "USD"
