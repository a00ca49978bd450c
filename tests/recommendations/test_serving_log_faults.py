"""The serving log when processes are killed and PostgreSQL goes: how much may be lost, and that no answer is."""

import os
import signal
import time
from collections.abc import Iterator

import pytest

from tests.events.faults.stack import Stack, children, eventually, installed
from tests.recommendations.asker import Asker

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("faults")]
LOST: float = 1.0  # seconds: half a one until the next write, and the write itself


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with installed() as made:
        made.serve()
        yield made


def logged(stack: Stack) -> set[str]:
    found = stack.rows("SELECT replace(recommendation_id::text, '-', '') FROM {schema}.recommendations_servedslate")
    return {number for (number,) in found}


def test_who_is_told_to_end_writes_everything_first(stack: Stack) -> None:
    with Asker(stack.port, stack.key) as asker:
        asker.go_on(2.0)
    assert stack.web is not None
    stack.web.send_signal(signal.SIGTERM)
    stack.web.wait(60)
    assert set(asker.answered) - logged(stack) == set()
    stack.serve()


def test_a_kill_costs_the_last_half_second_at_most(stack: Stack) -> None:
    with Asker(stack.port, stack.key) as asker:
        asker.go_on(3.0)
        killed_at = time.time()
        stack.kill_web()
    missing = set(asker.answered) - logged(stack)
    assert len(asker.answered) > 100
    assert all(killed_at - asker.answered[number] < LOST for number in missing)
    stack.serve()


def test_slates_wait_while_postgresql_is_away_and_every_request_is_answered(stack: Stack) -> None:
    with Asker(stack.port, stack.key) as asker:
        asker.go_on(2.0)
        gone_at = time.time()
        stack.kill(stack.postgres_server)  # what it had not on disk, of half a second at most, goes with it
        asker.go_on(3.0)
        back_at = time.time()
        stack.start_servers()
        asker.go_on(2.0)
    assert asker.refused == []
    eventually(lambda: max(asker.answered, key=lambda number: asker.answered[number]) in logged(stack))
    there = logged(stack)
    missing = [asker.answered[number] for number in set(asker.answered) - there]
    assert all(-LOST < at - gone_at < LOST for at in missing)
    assert sum(gone_at + LOST < at < back_at for at in asker.answered.values()) > 50


def test_postgresql_that_hangs_keeps_nobody_waiting(stack: Stack) -> None:
    postmaster = stack.postgres_server.pid()
    assert postmaster is not None
    with Asker(stack.port, stack.key) as asker:
        asker.go_on(1.0)
        stopped = [postmaster, *children(postmaster)]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        asker.go_on(4.0)
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
        asker.go_on(1.0)
    assert asker.refused == []
    assert asker.slowest < 1.5
    eventually(lambda: set(asker.answered) <= logged(stack))
