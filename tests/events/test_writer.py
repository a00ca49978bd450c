"""Group commit: who shares a commit, who shares a failure, and what a request hears when the store is away."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from events import ingest, writer
from events.types import EventIn
from events.writer import Writer
from recomengine.lib import clock
from recomengine.lib.errors import DomainError
from recomengine.lib.postgres import connect
from recomengine.lib.redis_mux import RedisMux, RedisUnavailable
from tenants.types import TenantRef
from tests.api import Api
from tests.events.conftest import Stored
from tests.events.test_posting import VIEW, ago, send

NAME = "writer under test"


def event(**fields: Any) -> Any:
    return ingest.to_rows(EventIn(**VIEW | fields), uuid4(), ingest.Context(clock.now(), "EUR"))


def named() -> "psycopg.Connection[Any]":
    return connect(application_name=NAME)


def away() -> "psycopg.Connection[Any]":
    raise psycopg.OperationalError("connection refused")


@contextmanager
def running(connecting: Callable[[], "psycopg.Connection[Any]"] = named, threads: int = 1) -> Iterator[Writer]:
    made = Writer(connecting, threads)
    try:
        yield made
    finally:
        made.close()
        while end_connections(NAME):  # PostgreSQL notices a moment later that they are gone
            pass


@contextmanager
def held(tenant: TenantRef) -> Iterator[Callable[[], None]]:
    """Within the block nothing can be written to the tenant's store, until what is yielded is called."""
    with connect() as connection:
        connection.execute(f"LOCK TABLE {tenant.schema}.events_eventkey")
        yield connection.rollback


def outcomes(made: Writer, jobs: Sequence[tuple[str, Any]], meanwhile: Callable[[], None] = lambda: None) -> list[Any]:
    """What each of several concurrent requests hears; `meanwhile` runs when all have been handed over."""

    async def main() -> list[Any]:
        tasks = []
        for schema, events in jobs:
            tasks.append(asyncio.create_task(made.write(schema, events)))
            await asyncio.sleep(0)
            while len(tasks) == 1 and made._jobs.qsize():
                await asyncio.sleep(0.01)  # until the first is under way; the others find it so
        await asyncio.to_thread(meanwhile)
        return await asyncio.gather(*tasks, return_exceptions=True)

    return asyncio.run(asyncio.wait_for(main(), 60))


def end_connections(name: str) -> int:
    with connect() as connection:
        found = connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
            " WHERE application_name = %s AND datname = current_database()",  # other test processes share the server
            [name],
        ).fetchall()
        return len(found)


def is_unavailable(error: Any) -> bool:
    return isinstance(error, DomainError) and error.code == "store_unavailable" and bool(error.retry_after)


def test_requests_that_come_together_share_a_commit(tenant_a: TenantRef, stored: Stored) -> None:
    with running() as made, held(tenant_a) as release:
        results = outcomes(made, [(tenant_a.schema, [event(), event()]) for _ in range(20)], release)
    assert [len(result) for result in results] == [2] * 20
    assert len(stored("id")) == 40
    assert len({row[0] for row in stored("xmin::text")}) == 2


def test_each_request_learns_which_of_its_events_are_new(tenant_a: TenantRef, stored: Stored) -> None:
    once, twice, before = event(), event(), event()
    with running() as made:
        outcomes(made, [(tenant_a.schema, [before])])
        with held(tenant_a) as release:
            jobs = [[event()], [once, twice, once], [twice, before], [before]]
            results = outcomes(made, [(tenant_a.schema, job) for job in jobs], release)
    assert results[1:] == [[once, twice], [], []]
    assert len(stored("id")) == 4


def test_a_shops_failure_is_its_own(tenant_a: TenantRef, tenant_b: TenantRef, stored: Stored) -> None:
    with running() as made, held(tenant_a) as release:
        schemas = [tenant_a.schema, "t_gone", tenant_a.schema, tenant_b.schema, "t_gone"]
        results = outcomes(made, [(schema, [event()]) for schema in schemas], release)
    assert [isinstance(result, list) for result in results] == [True, False, True, True, False]
    assert isinstance(results[1], psycopg.errors.InvalidSchemaName)
    assert len(stored("id")) == 2


def test_a_requests_failure_is_its_own(tenant_a: TenantRef, stored: Stored) -> None:
    """Rows that PostgreSQL refuses should never come this far; if they do, only their request fails."""
    bad = [row._replace(visitor_id="\x00") for row in event()]
    with running() as made, held(tenant_a) as release:
        jobs = [[event()], [event()], [bad], [event()]]
        results = outcomes(made, [(tenant_a.schema, job) for job in jobs], release)
    assert [isinstance(result, list) for result in results] == [True, True, False, True]
    assert len(stored("id")) == 3


def test_a_connection_that_ended_while_idle_costs_nobody_anything(tenant_a: TenantRef, stored: Stored) -> None:
    with running() as made:
        outcomes(made, [(tenant_a.schema, [event()])])
        assert end_connections(NAME) == 1
        assert [len(result) for result in outcomes(made, [(tenant_a.schema, [event()])])] == [1]
    assert len(stored("id")) == 2


def test_a_connection_lost_in_the_middle_of_a_write(tenant_a: TenantRef, stored: Stored) -> None:
    with running() as made:
        outcomes(made, [(tenant_a.schema, [event()])])
        with held(tenant_a) as release:

            def lose() -> None:
                assert end_connections(NAME) == 1
                release()

            results = outcomes(made, [(tenant_a.schema, [event()]), (tenant_a.schema, [event()])], lose)
    assert [len(result) for result in results] == [1, 1]
    assert len(stored("id")) == 3


def test_a_store_that_is_away_is_said_and_comes_back(tenant_a: TenantRef, stored: Stored) -> None:
    doors = [named]

    def connecting() -> "psycopg.Connection[Any]":
        return doors[-1]()

    with running(connecting) as made:
        outcomes(made, [(tenant_a.schema, [event()])])
        doors.append(away)
        end_connections(NAME)
        assert all(map(is_unavailable, outcomes(made, [(tenant_a.schema, [event()])] * 3)))
        doors.append(named)
        assert [len(result) for result in outcomes(made, [(tenant_a.schema, [event()])])] == [1]
    assert len(stored("id")) == 2


def test_more_than_can_wait_is_refused_at_once(
    tenant_a: TenantRef, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "MAX_WAITING", 2)
    with running() as made, held(tenant_a) as release:
        results = outcomes(made, [(tenant_a.schema, [event()]) for _ in range(5)], release)
    assert [isinstance(result, list) for result in results] == [True, True, True, False, False]
    assert (results[4].code, results[4].status, results[4].retry_after) == ("overloaded", 503, 1)
    assert len(stored("id")) == 3


def test_a_writer_that_closes_writes_what_waits(tenant_a: TenantRef, stored: Stored) -> None:
    with running(threads=2) as made, held(tenant_a) as release:

        def close() -> None:
            release()
            made.close()

        results = outcomes(made, [(tenant_a.schema, [event()]) for _ in range(30)], close)
    assert [len(result) for result in results] == [1] * 30
    assert len(stored("id")) == 30


def test_a_request_that_was_given_up_harms_no_other(tenant_a: TenantRef, stored: Stored) -> None:
    async def main(made: Writer, release: Callable[[], None]) -> list[Any]:
        tasks = [asyncio.create_task(made.write(tenant_a.schema, [event()])) for _ in range(3)]
        await asyncio.sleep(0.05)
        tasks[1].cancel()
        release()
        return await asyncio.gather(*tasks, return_exceptions=True)

    with running() as made, held(tenant_a) as release:
        results = asyncio.run(main(made, release))
    assert [isinstance(result, list) for result in results] == [True, False, True]
    assert len(stored("id")) == 3


def test_clients_hear_that_the_store_is_away_and_when_to_try_again(
    api_a: Api, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(api_a, VIEW)
    with running(away, threads=2) as unreachable, monkeypatch.context() as patched:
        patched.setattr(api_a.edge.application.edge, "writer", unreachable)
        answer = api_a.post("events", VIEW)
        assert (answer.status, answer.json["code"]) == (503, "store_unavailable")
        assert answer.headers["content-type"] == "application/problem+json"
        assert int(answer.headers["retry-after"]) > 0
    send(api_a, VIEW | {"item_id": "cup"})
    assert len(stored("id")) == 2


def test_what_is_sent_again_until_the_store_is_back_is_no_bots(
    api_a: Api, stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = {"events": [VIEW | {"event_id": str(uuid4()), "occurred_at": ago(minutes=1)} for _ in range(30)]}
    send(api_a, VIEW | {"visitor_id": "v2"})
    with running(away) as unreachable, monkeypatch.context() as patched:
        patched.setattr(api_a.edge.application.edge, "writer", unreachable)
        assert {api_a.post("events/batch", events).status for _ in range(5)} == {503}
    assert api_a.post("events/batch", events).json["accepted"] == 30
    assert set(stored("flag")) == {(None,)}


def test_events_outlive_a_redis_that_is_away(api_a: Api, stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: Any) -> None:
        raise RedisUnavailable("away")

    send(api_a, VIEW)
    monkeypatch.setattr(RedisMux, "pipeline", refuse)
    assert send(api_a, VIEW | {"item_id": "cup"})["accepted"] == 1
    assert len(stored("id")) == 2
