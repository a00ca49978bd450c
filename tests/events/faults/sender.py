"""A client that sends numbered events until each is accepted, as the SDK and careful servers do."""

import http.client
import json
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from typing import Any, Final
from uuid import UUID

from tests.events.faults.stack import eventually

VISITORS: Final = 40
APART: Final = timedelta(milliseconds=10)  # slow enough that no visitor is taken for a bot
PAUSE: Final = 0.01  # seconds between requests
BATCH: Final = 5


def event_id(number: int) -> UUID:
    return UUID(int=number, version=4)


@dataclass(frozen=True)
class Refusal:
    """An answer that is no 202, or none at all (status 0)."""

    status: int
    code: str = ""
    content_type: str = ""
    retry_after: str = ""


AWAY: Final = Refusal(503, "store_unavailable", "application/problem+json", "2")


@dataclass
class Sender:
    """Threads with a connection each; one sends batches, the next single events, and so on."""

    port: int
    key: str
    threads: int = 4
    accepted: set[int] = field(default_factory=set)
    refusals: Counter[Refusal] = field(default_factory=Counter)
    duplicates: int = 0

    def __post_init__(self) -> None:
        self._numbers = count(1)
        self._lock = threading.Lock()
        self._stopping, self._given_up = threading.Event(), threading.Event()
        self._began = datetime.now(UTC)
        self._threads = [threading.Thread(target=self._send, args=[n % 2 == 0]) for n in range(self.threads)]

    def __enter__(self) -> "Sender":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        """Have every event that was begun accepted, unless the test has failed already."""
        self._stopping.set()
        if failure is not None:
            self._given_up.set()
        for thread in self._threads:
            thread.join(120)
        assert not any(thread.is_alive() for thread in self._threads), "an event is never accepted"

    def go_on(self, events: int = 300) -> None:
        """Wait until so many more are accepted."""
        wanted = len(self.accepted) + events
        eventually(lambda: len(self.accepted) >= wanted)

    def is_refused(self, status: int, times: int = 5) -> None:
        """Wait until so many more requests were answered with a status."""
        wanted = self.answered(status) + times
        eventually(lambda: self.answered(status) >= wanted)

    def answered(self, status: int) -> int:
        with self._lock:
            return sum(times for refusal, times in self.refusals.items() if refusal.status == status)

    def statuses(self) -> set[int]:
        with self._lock:
            return {refusal.status for refusal in self.refusals}

    def event(self, number: int) -> dict[str, Any]:
        occurred_at = self._began + number * APART
        return {
            "event_id": str(event_id(number)), "type": "view", "item_id": f"item-{number}",
            "visitor_id": f"visitor-{number % VISITORS}", "occurred_at": occurred_at.isoformat(),
        }  # fmt: skip

    def _send(self, in_batches: bool) -> None:
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        while not self._stopping.is_set():
            with self._lock:
                numbers = list(islice(self._numbers, BATCH if in_batches else 1))
            events = [self.event(number) for number in numbers]
            path, body = ("events/batch", {"events": events}) if in_batches else ("events", events[0])
            while not (self._is_accepted(client, path, json.dumps(body), numbers) or self._given_up.is_set()):
                time.sleep(PAUSE)
            time.sleep(PAUSE)
        client.close()

    def _is_accepted(self, client: http.client.HTTPConnection, path: str, body: str, numbers: list[int]) -> bool:
        try:
            client.request("POST", f"/api/v1/{path}", body, {"X-API-Key": self.key, "Content-Type": "application/json"})
            answer = client.getresponse()
            found = answer.read()
        except (OSError, http.client.HTTPException):
            client.close()
            self._note(Refusal(0))
            return False
        if answer.status != 202:
            self._note(refusal(answer, found))
            return False
        outcome = json.loads(found)
        assert outcome["accepted"] + outcome["duplicates"] == len(numbers), outcome
        with self._lock:
            self.accepted.update(numbers)
            self.duplicates += outcome["duplicates"]
        return True

    def _note(self, refused: Refusal) -> None:
        with self._lock:
            self.refusals[refused] += 1


def refusal(answer: http.client.HTTPResponse, body: bytes) -> Refusal:
    kind = answer.headers.get("Content-Type", "")
    code = json.loads(body)["code"] if kind == "application/problem+json" else ""
    return Refusal(answer.status, code, kind, answer.headers.get("Retry-After", ""))
