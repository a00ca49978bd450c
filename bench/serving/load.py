"""Load: connections that ask as fast as they are answered, or at a rate that does not care how fast that is."""

import selectors
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.harness import Connection


@dataclass
class Result:
    """What came of it: seconds, the latency of each answer in seconds, and what was answered otherwise than by 200."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    refused: list[bytes] = field(default_factory=list)
    bytes: int = 0

    @property
    def rate(self) -> float:
        return len(self.latencies) / self.seconds

    def quantile(self, share: float) -> float:
        """Milliseconds."""
        return sorted(self.latencies)[min(len(self.latencies) - 1, int(len(self.latencies) * share))] * 1000

    def told(self) -> str:
        quantiles = " / ".join(f"{self.quantile(share):.1f}" for share in (0.5, 0.9, 0.99))
        size = self.bytes / max(len(self.latencies), 1)
        return (
            f"{self.rate:,.0f} requests/s, p50 / p90 / p99 {quantiles} ms, {size:,.0f} bytes an answer, "
            f"refused {len(self.refused)}"
        )


def closed(port: int, make: Iterator[bytes], connections: int, seconds: float) -> Result:
    """Each connection sends its next request when the last one was answered."""
    result, began = Result(), time.perf_counter()
    ready = selectors.DefaultSelector()
    for _ in range(connections):
        connection = Connection(port)
        ready.register(connection.socket, selectors.EVENT_READ, connection)
        connection.send(next(make))
    under_way = connections
    while under_way:
        for found, _ in ready.select(1):
            if _noted(result, found.data, time.perf_counter()):
                if time.perf_counter() - began < seconds:
                    found.data.send(next(make))
                else:
                    under_way -= 1
    result.seconds = time.perf_counter() - began
    _close(ready)
    return result


def open_loop(port: int, make: Iterator[bytes], rate: float, seconds: float, connections: int = 64) -> Result:
    """Requests at fixed moments; one that had to wait for a free connection has waited from its moment on."""
    result, began = Result(), time.perf_counter()
    ready, idle = selectors.DefaultSelector(), deque[Connection]()
    for _ in range(connections):
        connection = Connection(port)
        ready.register(connection.socket, selectors.EVENT_READ, connection)
        idle.append(connection)
    due: deque[float] = deque()
    sent, total = 0, int(rate * seconds)
    while sent < total or len(idle) < connections:
        now = time.perf_counter()
        while len(due) + sent < total and began + (len(due) + sent) / rate <= now:
            due.append(began + (len(due) + sent) / rate)
        while due and idle:
            connection = idle.popleft()
            connection.send(next(make))
            connection.sent_at = due.popleft()
            sent += 1
        following = began + (sent + len(due)) / rate
        for found, _ in ready.select(max(0.0, min(following - time.perf_counter(), 0.1))):
            if _noted(result, found.data, time.perf_counter()):
                idle.append(found.data)
    result.seconds = time.perf_counter() - began
    _close(ready)
    return result


def _noted(result: Result, connection: Connection, now: float) -> bool:
    answer = connection.answer()
    if answer is None:
        return False
    result.latencies.append(now - connection.sent_at)
    result.bytes += len(answer)
    if not answer.startswith(b"HTTP/1.1 200"):
        result.refused.append(answer)
    return True


def _close(ready: selectors.BaseSelector) -> None:
    for key in list(ready.get_map().values()):
        key.data.socket.close()
