"""Files of past events, and the requests that import them."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

from events.importing import running
from tenants.types import TenantRef
from tests.api import Api
from tests.catalog.imports import feeds

DAY = (datetime.now(UTC) - timedelta(days=40)).replace(hour=12, minute=0, second=0, microsecond=0)


def at(hours: float = 0) -> str:
    return (DAY + timedelta(hours=hours)).isoformat()


def table(*rows: dict[str, Any]) -> bytes:
    """Rows as CSV, with all columns that any of them has."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def views(numbers: Any) -> list[dict[str, Any]]:
    return [{"type": "view", "occurred_at": at(n / 60), "visitor_id": f"v{n % 7}", "item_id": f"i{n}"} for n in numbers]


def upload(api: Api, content: bytes, **fields: Any) -> int:
    return feeds.upload(api, content, path="events/imports", **fields)


def imported(api: Api, tenant: TenantRef, content: bytes, **fields: Any) -> dict[str, Any]:
    """Import a file as a worker would; returns the import when it is over."""
    number = upload(api, content, **fields)
    running.run_pending(tenant)
    return of(api, number)


def of(api: Api, number: int) -> dict[str, Any]:
    return feeds.of(api, number, "events/imports")


def counts(shown: dict[str, Any]) -> tuple[int, ...]:
    """Events, and rows that were stored, duplicates and rejected; the rows are the sum of those."""
    found = tuple(shown[name] for name in ("events", "stored", "duplicates", "rejected"))
    assert sum(found[1:]) == shown["progress"]["rows"]
    return found


def errors(api: Api, number: int) -> list[tuple[Any, ...]]:
    results = api.get(f"events/imports/{number}/errors").json["results"]
    return [(each["line"], each["field"], each["code"], each["value"]) for each in results]
