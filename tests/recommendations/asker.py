"""Somebody who asks for recommendations without a pause, and remembers what was answered and when."""

import http.client
import json
import threading
import time
from types import TracebackType
from typing import Any


class Asker:
    """`answered`: each recommendation_id with the moment it was asked for; `refused`: other answers than 200.

    A request without any answer (the server was killed) is asked again and counts as neither.
    """

    def __init__(self, port: int, key: str) -> None:
        self.answered: dict[str, float] = {}
        self.refused: list[tuple[int, Any]] = []
        self.slowest = 0.0
        self._port, self._key = port, key
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def __enter__(self) -> "Asker":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        self._ending.set()
        self._thread.join(20)

    def go_on(self, seconds: float) -> None:
        """Let it ask for some time, in which it is answered."""
        before = len(self.answered)
        time.sleep(seconds)
        assert len(self.answered) > before

    def _ask(self) -> None:
        number = 0
        while not self._ending.is_set():
            client = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
            try:
                while not self._ending.wait(0.005):
                    number += 1
                    self._once(client, f"v{number % 50}")
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)
            finally:
                client.close()

    def _once(self, client: http.client.HTTPConnection, visitor: str) -> None:
        asked_at = time.time()
        client.request("GET", f"/api/v1/recommendations?visitor_id={visitor}", headers={"X-API-Key": self._key})
        response = client.getresponse()
        body = response.read()
        self.slowest = max(self.slowest, time.time() - asked_at)
        if response.status == 200:
            self.answered[json.loads(body)["recommendation_id"]] = asked_at
        else:
            self.refused.append((response.status, body))
