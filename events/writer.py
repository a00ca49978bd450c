"""Group commit: concurrent requests of a process share one COPY and one fsync, and each learns its own outcome.

A request's future resolves only after its rows are committed with synchronous commit. A fsync takes milliseconds, so
requests that arrive while one is under way are written together by the next; nothing waits on a timer.
"""

import asyncio
import queue
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from uuid import UUID

import psycopg
import structlog

from events import store
from events.content_ids import claims
from recomengine.lib.errors import DomainError

T = TypeVar("T")
MAX_WAITING: Final = 1_000
MAX_GROUP: Final = 200
log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class Job:
    """One request's events on their way to the store; the future gets those that were not stored before."""

    schema: str
    events: Sequence[store.Event]
    loop: asyncio.AbstractEventLoop
    done: "asyncio.Future[list[store.Event]]"

    def resolve(self, new: list[store.Event]) -> None:
        self._settle(self.done.set_result, new)

    def fail(self, error: Exception) -> None:
        self._settle(self.done.set_exception, error)

    def _settle(self, how: Callable[[T], None], outcome: T) -> None:
        def settle() -> None:
            if not self.done.done():  # the request may have been given up
                how(outcome)

        try:
            self.loop.call_soon_threadsafe(settle)
        except RuntimeError:
            if not self.loop.is_closed():  # closed: nobody waits any more, and this thread has others to serve
                raise


class Writer:
    """Threads that each own a connection and take all waiting jobs at once."""

    def __init__(self, connect: Callable[[], "psycopg.Connection[Any]"], threads: int = 2) -> None:
        self._connect = connect
        self._jobs: queue.Queue[Job | None] = queue.Queue(MAX_WAITING)
        names = [f"event-writer-{n}" for n in range(threads)]
        self._threads = [threading.Thread(target=self._run, daemon=True, name=name) for name in names]
        for thread in self._threads:
            thread.start()

    async def write(self, schema: str, events: Sequence[store.Event]) -> list[store.Event]:
        """Store events durably; returns those that are no duplicates. Raises `overloaded` or `store_unavailable`."""
        loop = asyncio.get_running_loop()
        job = Job(schema, events, loop, loop.create_future())
        try:
            self._jobs.put_nowait(job)
        except queue.Full:
            raise DomainError("overloaded", retry_after=1) from None
        return await job.done

    def close(self) -> None:
        """Write what waits, then end the threads."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join(10)

    def _run(self) -> None:
        connection: psycopg.Connection[Any] | None = None
        while (jobs := self._take()) is not None:
            by_schema: dict[str, list[Job]] = defaultdict(list)
            for job in jobs:
                by_schema[job.schema].append(job)
            for schema, group in by_schema.items():
                connection = self._write_group(connection, schema, group)
        if connection is not None:
            connection.close()

    def _take(self) -> list[Job] | None:
        """All jobs that wait, at least one; None when the writer is closed."""
        jobs = []
        job = self._jobs.get()
        while job is not None:
            jobs.append(job)
            if len(jobs) >= MAX_GROUP:
                return jobs
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return jobs
        if jobs:
            self._jobs.put(None)  # finish these first, then close
        return jobs or None

    def _write_group(
        self, connection: "psycopg.Connection[Any] | None", schema: str, group: list[Job]
    ) -> "psycopg.Connection[Any] | None":
        """Write one tenant's jobs in one commit and tell each its outcome; returns the connection if still good."""
        kept = connection
        try:
            connection = connection or self._connect()
            settle(group, store.write(connection, schema, distinct(group)))
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            if connection is not None:
                connection.close()
            if kept is not None:  # it may have ended while idle; the events' ids make it safe to write them again
                return self._write_group(None, schema, group)
            log.warning("event store unavailable", schema=schema, error=str(error))
            for job in group:
                job.fail(DomainError("store_unavailable", retry_after=2))
            return None
        except Exception as error:
            if len(group) > 1:  # what one request sent must not fail the others
                return self._write_each(connection, schema, group)
            log.exception("events not stored", schema=schema)
            group[0].fail(error)
        return connection

    def _write_each(
        self, connection: "psycopg.Connection[Any] | None", schema: str, group: list[Job]
    ) -> "psycopg.Connection[Any] | None":
        for job in group:
            connection = self._write_group(connection, schema, [job])
        return connection


def distinct(group: Sequence[Job]) -> list[store.Event]:
    """The group's events, each id once, the first to come winning."""
    seen: set[UUID] = set()
    return [event for job in group for event in unclaimed(job.events, seen)]


def settle(group: Sequence[Job], stored_before: set[UUID]) -> None:
    """Tell each job which of its events are new: neither in the store before nor earlier in the group."""
    seen = set(stored_before)
    for job in group:
        job.resolve(unclaimed(job.events, seen))


def unclaimed(events: Iterable[store.Event], seen: set[UUID]) -> list[store.Event]:
    """Those of the events that nobody has claimed yet; from now on they are."""
    new = []
    for event in events:
        if event[0].event_id not in seen:
            seen.update(claims(event[0].event_id))
            new.append(event)
    return new
