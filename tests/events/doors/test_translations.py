"""Each foreign message with the rows that it is stored as, in the JSON files beside this one."""

import json
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from events import hot
from events.ingest import Batch, Context
from events.types import BUILT_IN, EventRow
from recomengine.lib.asgi import Request

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CONTEXT = Context(NOW, "EUR", types={"quiz_finished": False, **BUILT_IN})
DEFAULTS = EventRow(
    event_id=None, line=0, type="", occurred_at=NOW, received_at=NOW, visitor_id="", user_id=None, session_id=None,
    item_id=None, quantity=1, price=None, currency=None, order_id=None, recommendation_id=None, placement=None,
    position=None, properties=None, consent=None, flag=None,
)._asdict()  # type: ignore[arg-type]  # fmt: skip


def cases(name: str) -> Any:
    found = json.loads(Path(__file__).with_name(name).read_text())
    return pytest.mark.parametrize("case", found, ids=lambda case: case["name"])


def read(path: str, body: Any, context: Context = CONTEXT) -> Batch:
    return hot.DOORS[path].read(Request("POST", path, b"", {}, json.dumps(body).encode()), context)


def check(batch: Batch, case: Any) -> None:
    rows = [row._asdict() for event in batch.events for row in event]
    assert rows == [row | expected(fields) for row, fields in zip(rows, case.get("rows", []), strict=True)]
    assert [[each.code, each.pointer] for each in batch.rejected] == ([case["rejected"]] if "rejected" in case else [])
    ignored = Counter({name: count for name, count in batch.notes.items() if name.startswith("ignored:")})
    assert ignored == Counter([f"ignored:{case['ignored']}"] if "ignored" in case else [])


def expected(fields: Any) -> dict[str, Any]:
    """A row with the case's fields and defaults for all others but the id, which only some cases name."""
    row = {name: value for name, value in DEFAULTS.items() if name != "event_id"} | fields
    if "price" in fields:
        row["price"] = Decimal(fields["price"])
    if "event_id" in fields:
        row["event_id"] = UUID(fields["event_id"])
    if "occurred_at" in fields:
        row["occurred_at"] = datetime.fromisoformat(fields["occurred_at"])
    if "properties" in fields:
        row["properties"] = json.dumps(fields["properties"], separators=(",", ":"))
    return row


@cases("segment.json")
def test_segment(case: Any) -> None:
    check(read("/v1/batch", {"batch": [case["message"]], "writeKey": "k"}), case)


@cases("ga4.json")
def test_ga4(case: Any) -> None:
    check(read("/mp/collect", case["body"]), case)
