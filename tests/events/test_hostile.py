"""Whatever is posted, the answer is 202 or a problem, every event is accounted for, and what is accepted is stored."""

import json
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api import Api
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


@FUZZ
@given(st.binary(max_size=60) | VALUES.map(json.dumps).map(str.encode))
def test_any_body_is_answered(api_a: Api, body: bytes) -> None:
    for path in ("events", "events/batch", "recommendations"):
        answer = api_a.post(path, body)
        assert answer.status in {200, 202, 400, 404}, answer.body
        if answer.status >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json["status"] == answer.status


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
