"""Complaints that would be thousands a second while a server is away: told now and then, with how many there were."""

import time
from typing import Any, Final

EVERY: Final = 10.0  # seconds


class Seldom:
    """One kind of complaint of one process; for one thread."""

    def __init__(self, log: Any, event: str) -> None:
        self._log, self._event = log, event
        self._times, self._told_at = 0, float("-inf")

    def warn(self, **values: Any) -> None:
        """Tell it, with `times` since it was told last, unless that was just now: then only count it."""
        self._times += 1
        now = time.monotonic()
        if now - self._told_at >= EVERY:
            self._log.warning(self._event, times=self._times, **values)
            self._times, self._told_at = 0, now
