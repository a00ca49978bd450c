"""Hearing that the process is told to end, beside the server that runs it.

A server waits for its requests before it tells the application that it shuts down (the lifespan's message), and an
answer without an end would keep it waiting until it is killed.
"""

import asyncio
import signal
import threading
from collections.abc import Callable
from types import FrameType


def when_told_to_end(act: Callable[[], None]) -> None:
    """Have the running loop call `act` on SIGTERM or SIGINT; what the server does then it goes on to do.

    The loop's own handlers hang on a file descriptor and not on Python's, which this one takes the place of. Where the
    loop is not the main thread's, or nobody handles the signal, nothing is changed.
    """
    loop = asyncio.get_running_loop()
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)
        if callable(before):
            signal.signal(number, _both(loop, act, before))


def _both(
    loop: asyncio.AbstractEventLoop, act: Callable[[], None], before: Callable[[int, FrameType | None], object]
) -> Callable[[int, FrameType | None], None]:
    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(act)
        before(number, frame)

    return handle
