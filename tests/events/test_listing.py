"""GET events: filters, pages, and parameters that make no sense."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.api import Api
from tests.events.test_posting import PURCHASE, VIEW, send

NOON = (datetime.now(UTC) - timedelta(days=2)).replace(hour=12, minute=0, second=0, microsecond=0)


def at(hours: float) -> str:
    return (NOON + timedelta(hours=hours)).isoformat()


def listed(api: Api, **params: Any) -> list[Any]:
    answer = api.get("events", params)
    assert answer.status == 200, answer.body
    results: list[Any] = answer.json["results"]
    return results


def all_pages(api: Api, **params: Any) -> list[Any]:
    page = api.get("events", params).json
    rows: list[Any] = page["results"]
    while page["next"]:
        page = api.get("events", urlsplit(page["next"]).query).json
        rows += page["results"]
    return rows


def test_the_newest_come_first_with_every_field(api_a: Api) -> None:
    send(api_a, VIEW | {"occurred_at": at(0)}, PURCHASE | {"occurred_at": at(1), "properties": {"a": [1]}})
    cup, mug, view = listed(api_a)
    assert (view["type"], view["order_id"], view["price"]) == ("view", None, None)
    assert (mug["line"], mug["item_id"], mug["quantity"], mug["price"]) == (0, "mug", 2, "9.9500")
    assert (cup["line"], cup["order_id"], cup["currency"]) == (1, "o1", "EUR")
    assert mug["properties"] == {"a": [1]}
    assert datetime.fromisoformat(mug["occurred_at"]) == NOON + timedelta(hours=1)


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({}, ["d", "c", "b", "a"]),
        ({"type": "click"}, ["c"]),
        ({"visitor_id": "v2"}, ["b"]),
        ({"user_id": "u1"}, ["d"]),
        ({"item_id": "a"}, ["a"]),
        ({"item_id": "a", "visitor_id": "v2"}, []),
        ({"from": at(1)}, ["d", "c", "b"]),
        ({"to": at(1)}, ["a"]),
        ({"from": at(1), "to": at(3)}, ["c", "b"]),
        ({"from": at(3.5).replace("+00:00", "Z")}, []),
        ({"item_id": "é" * 200}, []),
    ],
)
def test_filters(api_a: Api, params: dict[str, str], found: list[str]) -> None:
    send(
        api_a,
        VIEW | {"item_id": "a", "occurred_at": at(0)},
        VIEW | {"item_id": "b", "occurred_at": at(1), "visitor_id": "v2"},
        VIEW | {"item_id": "c", "occurred_at": at(2), "type": "click"},
        VIEW | {"item_id": "d", "occurred_at": at(3), "user_id": "u1"},
    )
    assert [event["item_id"] for event in listed(api_a, **params)] == found


@pytest.mark.parametrize("limit", [1, 2, 7, 50])
def test_pages_hold_every_event_once(api_a: Api, limit: int) -> None:
    send(api_a, *[VIEW | {"item_id": f"i{n}", "occurred_at": at(n // 3)} for n in range(15)])
    assert [event["item_id"] for event in all_pages(api_a, limit=limit)] == [f"i{n}" for n in range(14, -1, -1)]


def test_pages_go_back_as_well(api_a: Api) -> None:
    send(api_a, *[VIEW | {"item_id": f"i{n}", "occurred_at": at(n // 2)} for n in range(6)])
    first = api_a.get("events", {"limit": 4}).json
    second = api_a.get("events", urlsplit(first["next"]).query).json
    again = api_a.get("events", urlsplit(second["previous"]).query).json
    assert first["previous"] is None
    assert second["next"] is None
    assert again["results"] == first["results"]


def test_pages_keep_the_filters(api_a: Api) -> None:
    send(api_a, *[VIEW | {"item_id": f"i{n}", "visitor_id": f"v{n % 2}"} for n in range(10)])
    assert {event["visitor_id"] for event in all_pages(api_a, limit=2, visitor_id="v1")} == {"v1"}


def test_thousands_of_events_of_one_moment_page_like_any_others(api_a: Api) -> None:
    """Imports know the day of an event, not the moment."""
    for batch in range(25):
        send(api_a, *[VIEW | {"item_id": f"i{batch * 100 + n}", "occurred_at": at(0)} for n in range(100)])
    assert len({event["item_id"] for event in all_pages(api_a, limit=500)}) == 2500


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"visitor": "v1"}, 400),
        ({"from": "yesterday"}, 400),
        ({"from": "2026-11-23T10:00:00"}, 400),
        ({"from": "2026-11-23"}, 400),
        ({"to": "2026-13-45T10:00:00Z"}, 400),
        ({"from": "0001-01-01T00:00:00+14:00"}, 200),
        ({"to": "9999-12-31T23:59:59-14:00"}, 200),
        ({"visitor_id": "v\x00"}, 400),
        ({"cursor": "xyz"}, 400),
        ({"cursor": "\x00"}, 400),
        ({"cursor": ""}, 400),
        ({"limit": "many"}, 400),
        ({"limit": "0"}, 400),
        ({"limit": "501"}, 400),
        ({"limit": "٣"}, 400),
        ({"limit": "9" * 5000}, 400),
    ],
)
def test_parameters_that_make_no_sense_are_problems(api_a: Api, params: dict[str, str], status: int) -> None:
    answer = api_a.get("events", params)
    assert answer.status == status, answer.body
    if status != 200:
        assert answer.headers["content-type"] == "application/problem+json"
