"""Events without an id: what a transport repeats is stored once, and what a request repeats itself is meant."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from events.content_ids import WINDOW, Contents, claims, is_content_id
from events.writer import unclaimed
from tests.api import Api
from tests.events.conftest import Stored
from tests.events.test_posting import VIEW, send

BEGINNING = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)  # a window begins here
AN_EVENT = json.dumps(VIEW).encode()


def sent(content: bytes, moment: datetime) -> UUID:
    return Contents(moment).id_of(content)


def test_a_request_that_is_repeated_is_stored_once_and_the_answer_says_so(api_a: Api, stored: Stored) -> None:
    batch = [VIEW, VIEW | {"item_id": "cup"}]
    assert send(api_a, *batch) == {"accepted": 2, "duplicates": 0, "rejected": []}
    assert send(api_a, *batch) == {"accepted": 0, "duplicates": 2, "content_duplicates": 2, "rejected": []}
    alone = VIEW | {"item_id": "pot"}
    assert [api_a.post("events", alone).json["accepted"] for _ in range(2)] == [1, 0]
    assert len(stored("id")) == 3


def test_a_request_may_hold_the_same_event_twice(api_a: Api, stored: Stored) -> None:
    assert send(api_a, VIEW, VIEW, VIEW)["accepted"] == 3
    assert send(api_a, VIEW, VIEW, VIEW)["duplicates"] == 3
    assert len(stored("id")) == 3


def test_an_id_of_the_sender_outranks_the_content(api_a: Api, stored: Stored) -> None:
    answer = send(api_a, *(VIEW | {"event_id": str(uuid4())} for _ in range(2)))
    assert answer == {"accepted": 2, "duplicates": 0, "rejected": []}
    again = VIEW | {"event_id": str(uuid4())}
    send(api_a, again)
    assert send(api_a, again) == {"accepted": 0, "duplicates": 1, "rejected": []}


def test_the_same_content_in_two_shops_is_two_events(api_a: Api, api_b: Api) -> None:
    assert send(api_a, VIEW)["accepted"] == send(api_b, VIEW)["accepted"] == 1


@pytest.mark.parametrize(("later", "accepted"), [(WINDOW, 0), (2 * WINDOW + 1, 1)])
def test_it_is_remembered_for_seconds_only(api_a: Api, later: int, accepted: int) -> None:
    with time_machine.travel(BEGINNING + timedelta(seconds=WINDOW - 1), tick=False):
        send(api_a, VIEW)
    with time_machine.travel(BEGINNING + timedelta(seconds=WINDOW - 1 + later), tick=False):
        assert send(api_a, VIEW)["accepted"] == accepted


def test_repetitions_do_not_prolong_it(api_a: Api) -> None:
    """Somebody who sends the same every four seconds is stored again after the window, and not never."""
    accepted = []
    for seconds in range(0, 40, 4):
        with time_machine.travel(BEGINNING + timedelta(seconds=seconds), tick=False):
            accepted.append(send(api_a, VIEW)["accepted"])
    assert accepted == [1, 0, 0, 1, 0, 0, 1, 0, 0, 1] or sum(accepted) >= 4


@given(st.binary(), st.floats(0, 10_000), st.floats(0, WINDOW))
def test_a_repetition_within_the_window_is_found_wherever_its_border_lies(
    content: bytes, start: float, later: float
) -> None:
    first = sent(content, BEGINNING + timedelta(seconds=start))
    second = sent(content, BEGINNING + timedelta(seconds=start + later))
    assert second in claims(first)


@given(st.binary(), st.binary(), st.floats(0, 10_000))
def test_other_content_has_another_id(one: bytes, other: bytes, start: float) -> None:
    moment = BEGINNING + timedelta(seconds=start)
    assert (sent(one, moment) == sent(other, moment)) == (one == other)


@given(st.binary())
def test_ids_are_uuids_of_version_8(content: bytes) -> None:
    made = sent(content, BEGINNING)
    assert made.version == 8
    assert made.variant == "specified in RFC 4122"
    assert is_content_id(made)
    assert not is_content_id(uuid4())
    assert [claim.version for claim in claims(made)] == [8, 8]
    assert sent(content, BEGINNING + timedelta(seconds=WINDOW)) == claims(made)[1]


def test_two_requests_of_one_commit_claim_for_each_other() -> None:
    """They came just before and just after the border of a window."""
    from events import ingest
    from events.types import EventIn

    context = ingest.Context(BEGINNING, "EUR")
    before = sent(AN_EVENT, BEGINNING - timedelta(seconds=0.001))
    after = sent(AN_EVENT, BEGINNING)
    events = [ingest.to_rows(EventIn(**VIEW), event_id, context) for event_id in (before, after)]
    assert unclaimed(events, set()) == events[:1]
