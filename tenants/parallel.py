"""One job on many things in several processes."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from itertools import islice
from typing import TypeVar

import django
from django.db import DEFAULT_DB_ALIAS, connections

Thing = TypeVar("Thing")
Result = TypeVar("Result")


def each(job: Callable[[Thing], Result], things: Sequence[Thing], processes: int) -> Iterator[Result]:
    """The results in the order in which they come; the first error is raised when all that had begun have ended.

    Whoever stops asking (Ctrl-C, say) waits for those that have begun, and the others are left.
    """
    if min(processes, len(things)) <= 1:
        yield from map(job, things)
        return
    left, error = iter(things), None
    with _pool(processes) as pool:
        begun = {pool.submit(job, thing) for thing in islice(left, processes)}
        while begun:
            done, begun = wait(begun, return_when=FIRST_COMPLETED)
            failed = [problem for future in done if (problem := future.exception())]
            error = error or (failed[0] if failed else None)
            yield from (future.result() for future in done if not future.exception())
            begun |= set() if error else {pool.submit(job, thing) for thing in islice(left, len(done))}
    if error:
        raise error


def _pool(processes: int) -> ProcessPoolExecutor:
    """Processes begun anew: a copy of this one would share its connections' sockets and locks."""
    database = connections[DEFAULT_DB_ALIAS].settings_dict["NAME"]
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(processes, mp_context=context, initializer=_begin, initargs=(database,))


def _begin(database: str) -> None:
    """Make a process ready: a test's database has another name than the settings say."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the first process decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    django.setup()
    connections[DEFAULT_DB_ALIAS].settings_dict["NAME"] = database


def _end_with_parent() -> None:
    """Do not wait for ever for what a killed process can no longer send."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)
