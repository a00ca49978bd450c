"""What has to be true once a fault is over and the periodic tasks ran."""

from collections import Counter, defaultdict
from typing import Any

import pytest

from events.interest import EVENT_WEIGHTS, forward_weight, landmark_of
from events.moving import microseconds
from events.types import HISTORY_LENGTH, trend_key, visitor_key
from tests.events.faults.sender import Sender, event_id
from tests.events.faults.stack import SHOP, Stack


def assert_each_stored_once(stack: Stack, sender: Sender) -> None:
    """Every number was accepted in the end, none was passed over, and each is one row."""
    stored = [row[0] for row in stack.rows("SELECT event_id FROM {schema}.events_event")]
    assert sender.accepted == set(range(1, max(sender.accepted) + 1))
    assert len(stored) == len(set(stored))
    assert set(stored) == {event_id(number) for number in sender.accepted}
    assert stack.rows("SELECT count(*) FROM {schema}.events_event WHERE flag IS NOT NULL") == [(0,)]


def assert_made_good(stack: Stack) -> None:
    """One run of the tasks later the histories and what is trending are those of the stored events."""
    stack.run("tests.events.faults.make_good", SHOP)
    histories: defaultdict[str, Any] = defaultdict(list)
    trending: Counter[str] = Counter()
    columns = "visitor_id, item_id, occurred_at, received_at"
    for visitor, item, at, received_at in stack.rows(f"SELECT {columns} FROM {{schema}}.events_event"):
        histories[visitor].append((f"v{item}", microseconds(at)))
        trending[item] += forward_weight(EVENT_WEIGHTS["view"], min(at, received_at), landmark_of(received_at))  # type: ignore[assignment]
    for visitor, entries in histories.items():
        newest = sorted(entries, key=lambda entry: entry[1])[-HISTORY_LENGTH:]
        assert stack.redis.zrange(visitor_key(SHOP, visitor), 0, -1, withscores=True) == newest
    assert dict(stack.redis.zrange(trend_key(SHOP), 0, -1, withscores=True)) == pytest.approx(trending)
