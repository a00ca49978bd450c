"""Stored once, in the right month, whatever is repeated and whoever else writes."""

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from events import partitions
from events.tasks import make_partitions
from recomengine.lib.postgres import connect
from tenants.models import Tenant
from tenants.types import TenantRef
from tests.api import Api
from tests.events.conftest import Stored
from tests.events.test_posting import VIEW, ago, send

pytestmark = pytest.mark.smoke


def identified(count: int = 1, **fields: Any) -> list[dict[str, Any]]:
    return [VIEW | {"event_id": str(uuid4())} | fields for _ in range(count)]


@pytest.fixture
def months(tenant_a: TenantRef) -> Callable[[], list[str]]:
    """Shop A's partitions by name; tests begin with none."""

    def names() -> list[str]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass ORDER BY 1",
                [f"{tenant_a.schema}.events_event"],
            )
            return [row[0].removeprefix(f"{tenant_a.schema}.events_event_") for row in cursor.fetchall()]

    with connection.cursor() as cursor:
        for name in names():
            cursor.execute(f"DROP TABLE {tenant_a.schema}.events_event_{name}")
    return names


def test_a_retry_in_the_same_request(api_a: Api, stored: Stored) -> None:
    [event] = identified()
    assert send(api_a, event, VIEW, event) == {"accepted": 2, "duplicates": 1, "rejected": []}
    assert len(stored("id")) == 2


def test_a_retry_in_another_request(api_a: Api, stored: Stored) -> None:
    old, new = identified(2)
    assert send(api_a, old)["accepted"] == 1
    assert send(api_a, new, old) == {"accepted": 1, "duplicates": 1, "rejected": []}
    assert api_a.post("events", old).json == {"accepted": 0, "duplicates": 1, "rejected": []}
    assert len(stored("id")) == 2


def test_a_retry_with_a_time_in_another_month(api_a: Api, stored: Stored) -> None:
    [event] = identified(occurred_at=ago(days=3))
    send(api_a, event)
    for days in (40, 80):
        assert send(api_a, event | {"occurred_at": ago(days=days)})["duplicates"] == 1
    assert len(stored("id")) == 1


def test_the_same_ids_in_two_shops_are_two_events(api_a: Api, api_b: Api) -> None:
    [event] = identified()
    assert send(api_a, event)["accepted"] == send(api_b, event)["accepted"] == 1


def test_an_event_that_was_rejected_may_be_sent_again_mended(api_a: Api) -> None:
    [event] = identified()
    assert send(api_a, event | {"type": "vew"})["accepted"] == 0
    assert send(api_a, event)["accepted"] == 1


def test_retries_at_the_same_moment(api_a: Api, stored: Stored) -> None:
    """Overlapping batches in every order from many threads: every id is stored once and accepted once."""
    events = identified(60)

    def deliver(seed: int) -> Any:
        return send(api_a, *random.Random(seed).sample(events, 50))

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(deliver, range(48)))
    ids = [row[0] for row in stored("event_id")]
    assert sum(answer["accepted"] for answer in answers) == len(ids) == len(set(ids)) == 60
    assert all(answer["accepted"] + answer["duplicates"] == 50 for answer in answers)


def test_two_processes_that_share_ids_never_wait_in_a_circle(tenant_a: TenantRef) -> None:
    """Two connections, as of two processes, write the same ids in opposite orders."""
    from events import ingest, store

    context = ingest.Context(datetime.now(UTC), "EUR")
    for _ in range(10):
        events = [ingest.to_rows(ingest.EventIn(**VIEW), uuid4(), context) for _ in range(300)]
        barrier = threading.Barrier(2)

        def write(ordered: Any, barrier: threading.Barrier = barrier) -> int:
            with connect() as mine:
                barrier.wait()
                return len(store.write(mine, tenant_a.schema, ordered))

        with ThreadPoolExecutor(2) as pool:
            assert sum(pool.map(write, [events, events[::-1]])) == 300


def test_rows_lie_in_the_month_in_which_they_occurred(
    api_a: Api, stored: Stored, months: Callable[[], list[str]]
) -> None:
    edges = ["2026-02-01T00:00:00Z", "2026-01-31T23:59:59.999999Z", "2026-02-01T00:30:00+01:00"]
    now = datetime.now(UTC)
    edges = [edge.replace("2026", str(now.year if now.month > 2 else now.year - 1)) for edge in edges]
    answer = send(api_a, *[VIEW | {"occurred_at": edge} for edge in edges])
    assert answer == {"accepted": 3, "duplicates": 0, "rejected": []}
    assert [row[0].split("event_")[-1][-2:] for row in stored("tableoid::regclass::text")] == ["02", "01", "01"]
    assert [name[-2:] for name in months()] == ["01", "02"]


def test_late_and_future_events_find_a_partition(api_a: Api, months: Callable[[], list[str]]) -> None:
    spans: list[dict[str, float]] = [{"days": 395}, {"days": 100}, {"hours": -47}, {}]
    assert send(api_a, *[VIEW | {"occurred_at": ago(**span)} for span in spans])["accepted"] == 4
    moments = [datetime.now(UTC) - timedelta(**span) for span in spans]
    assert months() == sorted({f"{moment:%Y_%m}" for moment in moments})


def test_a_duplicate_beside_the_first_event_of_a_month(
    api_a: Api, stored: Stored, months: Callable[[], list[str]]
) -> None:
    [old] = identified()
    send(api_a, old)
    assert send(api_a, old, VIEW | {"occurred_at": ago(days=70)}) == {"accepted": 1, "duplicates": 1, "rejected": []}
    assert len(stored("id")) == 2


def test_many_threads_at_once_make_a_month_once(tenant_a: TenantRef, months: Callable[[], list[str]]) -> None:
    month = partitions.month_of(datetime.now(UTC))
    barrier = threading.Barrier(4)

    def make(_: int) -> None:
        with connect() as mine:
            barrier.wait()
            partitions.ensure(mine, tenant_a.schema, [month, partitions.following(month)])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(make, range(4)))
    assert len(months()) == 2


def test_events_of_a_new_month_do_not_wait_for_a_reader(api_a: Api, tenant_a: TenantRef, months: Any) -> None:
    """A training that reads the whole store holds a lock on it for as long as it reads."""
    send(api_a, VIEW)
    with connect() as reader:
        reader.execute(f"SELECT count(*) FROM {tenant_a.schema}.events_event")
        assert send(api_a, VIEW | {"occurred_at": ago(days=60)})["accepted"] == 1
    assert len(months()) == 2


def test_a_made_partition_has_every_index_of_the_table(api_a: Api, tenant_a: TenantRef, months: Any) -> None:
    send(api_a, VIEW)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tablename, count(*) FROM pg_indexes WHERE schemaname = %s AND tablename LIKE 'events_event%%'"
            " AND tablename <> 'events_eventkey' GROUP BY 1",
            [tenant_a.schema],
        )
        counts = {count for _, count in cursor.fetchall()}
    assert len(counts) == 1


def test_the_coming_months_are_made_ahead_for_every_tenant(
    tenants: tuple[Tenant, Tenant], tenant_b: TenantRef, months: Callable[[], list[str]]
) -> None:
    make_partitions()
    make_partitions()
    assert months() == [f"{month:%Y_%m}" for month in partitions.upcoming(datetime.now(UTC))]
    assert len(months()) == 1 + partitions.AHEAD


def test_months_follow_one_another_over_the_year() -> None:
    december = partitions.month_of(datetime(2026, 12, 31, 23, 30, tzinfo=UTC))
    assert [f"{month:%Y-%m}" for month in partitions.upcoming(datetime(2026, 11, 30, tzinfo=UTC))] == [
        "2026-11", "2026-12", "2027-01",
    ]  # fmt: skip
    assert partitions.following(december).isoformat() == "2027-01-01"
