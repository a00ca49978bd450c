"""Group commit: concurrent requests of a process share one COPY and one fsync, and each learns its own outcome.

A request's future resolves only after its rows are committed with synchronous commit. A fsync takes milliseconds, so
requests that arrive while one is under way are written together by the next; nothing waits on a timer.
"""

import asyncio
import queue
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from uuid import UUID

import psycopg
import structlog

from events import store
from events.types import EventRow
from recomengine.lib.errors import DomainError

T = TypeVar("T")
MAX_WAITING: Final = 1_000
MAX_GROUP: Final = 200
log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class Job:
    """One request's events on their way to the store; the future gets the number of duplicates among them."""

    schema: str
    events: Sequence[Sequence[EventRow]]
    loop: asyncio.AbstractEventLoop
    done: "asyncio.Future[int]"

    def resolve(self, duplicates: int) -> None:
        self._settle(self.done.set_result, duplicates)

    def fail(self, error: Exception) -> None:
        self._settle(self.done.set_exception, error)

    def _settle(self, how: Callable[[T], None], outcome: T) -> None:
        def settle() -> None:
            if not self.done.done():  # the request may have been given up
                how(outcome)

        self.loop.call_soon_threadsafe(settle)


class Writer:
    """Threads that each own a connection and take all waiting jobs at once."""

    def __init__(self, connect: Callable[[], "psycopg.Connection[Any]"], threads: int = 2) -> None:
        self._connect = connect
        self._jobs: queue.Queue[Job | None] = queue.Queue(MAX_WAITING)
        self._threads = [threading.Thread(target=self._run, daemon=True, name=f"event-writer-{n}") for n in range(threads)]
        for thread in self._threads:
            thread.start()

    async def write(self, schema: str, events: Sequence[Sequence[EventRow]]) -> int:
        """Store events durably; returns how many were duplicates. Raises `overloaded` or `store_unavailable`."""
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
        """Write one tenant's jobs in one commit and tell each its outcome; returns the connection if it is still good."""
        try:
            connection = connection if connection and not connection.broken else self._connect()
            settle(group, store.write(connection, schema, distinct(group)))
        except psycopg.OperationalError as error:
            log.warning("event store unavailable", schema=schema, error=str(error))
            for job in group:
                job.fail(DomainError("store_unavailable", retry_after=2))
            if connection is not None:
                connection.close()
            return None
        except Exception as error:
            log.exception("events not stored", schema=schema)
            for job in group:
                job.fail(error)
        return connection


def distinct(group: Sequence[Job]) -> list[Sequence[EventRow]]:
    """The group's events, each id once, the first to come winning."""
    first: dict[UUID, Sequence[EventRow]] = {}
    for job in group:
        for event in job.events:
            first.setdefault(event[0].event_id, event)
    return list(first.values())


def settle(group: Sequence[Job], stored_before: set[UUID]) -> None:
    """Tell each job how many of its events were duplicates, of the store or of an earlier job."""
    seen = set(stored_before)
    for job in group:
        duplicates = 0
        for event in job.events:
            duplicates += event[0].event_id in seen
            seen.add(event[0].event_id)
        job.resolve(duplicates)
