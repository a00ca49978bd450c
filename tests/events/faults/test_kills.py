"""What was answered 202 is stored once, and what was not is accepted when it is sent again, whatever is killed."""

import os
import signal
import time
from collections.abc import Iterator

import pytest

from tests.events.faults.checks import assert_each_stored_once, assert_made_good
from tests.events.faults.sender import AWAY, Sender
from tests.events.faults.stack import SHOP, Stack, children, eventually, installed

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("faults")]


@pytest.fixture(scope="module")
def installation() -> Iterator[Stack]:
    with installed() as stack:
        stack.serve()
        stack.run("tests.events.faults.make_good", SHOP)  # so that Redis counts as whole
        yield stack


@pytest.fixture
def stack(installation: Stack) -> Stack:
    """The module's installation, whole again and without events, whatever the last test left."""
    installation.start_servers()
    assert installation.web is not None
    if installation.web.poll() is not None:
        installation.serve()
    installation.redis.config_set("maxmemory", 0)
    installation.forget_events()
    eventually(installation.answers)
    return installation


def workers(stack: Stack) -> list[int]:
    assert stack.web is not None
    return children(stack.web.pid)


def test_a_web_worker_is_killed(stack: Stack) -> None:
    before = workers(stack)
    with Sender(stack.port, stack.key) as sender:
        sender.go_on()
        os.kill(before[-1], signal.SIGKILL)
        eventually(lambda: len(workers(stack)) == len(before) and set(workers(stack)) != set(before))
        sender.go_on()
    assert_each_stored_once(stack, sender)
    assert_made_good(stack)
    assert sender.statuses() <= {0}


def test_the_whole_web_server_is_killed(stack: Stack) -> None:
    with Sender(stack.port, stack.key) as sender:
        sender.go_on()
        stack.kill_web()
        sender.is_refused(0)
        stack.serve()
        sender.go_on()
    assert_each_stored_once(stack, sender)


def test_the_worker_is_killed(stack: Stack) -> None:
    command = ("celery", "-A", "recomengine.celery", "worker", "--pool", "solo", "--without-mingle")
    worker = stack.spawn(*command)
    eventually(lambda: stack.redis.exists("_kombu.binding.celery"))
    with Sender(stack.port, stack.key) as sender:
        sender.go_on()
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait(60)
        sender.go_on()
    assert_each_stored_once(stack, sender)
    assert not sender.refusals


def test_postgresql_is_killed(stack: Stack) -> None:
    with Sender(stack.port, stack.key) as sender:
        for _ in range(3):
            sender.go_on()
            stack.kill(stack.postgres_server)
            sender.is_refused(503)
            stack.start_servers()
        sender.go_on()
    assert_each_stored_once(stack, sender)
    assert_made_good(stack)
    assert set(sender.refusals) == {AWAY}


def test_one_of_postgresqls_processes_is_killed(stack: Stack) -> None:
    """It then ends all its connections and recovers by itself."""
    checkpointer = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'"
    [(pid,)] = stack.rows(checkpointer, user="postgres")
    with Sender(stack.port, stack.key) as sender:
        sender.go_on()
        os.kill(pid, signal.SIGKILL)
        sender.is_refused(503)
        sender.go_on()
    assert_each_stored_once(stack, sender)
    assert set(sender.refusals) <= {AWAY}


def test_postgresql_hangs(stack: Stack) -> None:
    postmaster = stack.postgres_server.pid()
    assert postmaster is not None
    with Sender(stack.port, stack.key) as sender:
        sender.go_on()
        stopped = [postmaster, *children(postmaster)]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(1)
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
        sender.go_on()
    assert_each_stored_once(stack, sender)
    assert not sender.refusals


def test_valkey_is_killed(stack: Stack) -> None:
    with Sender(stack.port, stack.key) as sender:
        sender.go_on()
        stack.kill(stack.valkey_server)
        sender.go_on()
        stack.start_servers()
        sender.go_on()
    assert_each_stored_once(stack, sender)
    assert_made_good(stack)
    assert not sender.refusals


def test_an_api_that_starts_while_valkey_is_away_takes_events(stack: Stack) -> None:
    """A key seen for the first time needs PostgreSQL alone."""
    stack.kill(stack.valkey_server)
    stack.kill_web()
    stack.serve(ready="/healthz")
    with Sender(stack.port, stack.key) as sender:
        sender.go_on()
    assert_each_stored_once(stack, sender)
    assert not sender.refusals


def test_valkey_hangs(stack: Stack) -> None:
    pid = stack.valkey_server.pid()
    assert pid is not None
    with Sender(stack.port, stack.key) as sender:
        sender.go_on()
        os.kill(pid, signal.SIGSTOP)
        try:
            sender.go_on(100)
        finally:
            os.kill(pid, signal.SIGCONT)
        sender.go_on()
    assert_each_stored_once(stack, sender)
    assert not sender.refusals


def test_redis_is_full(stack: Stack) -> None:
    with Sender(stack.port, stack.key) as sender:
        sender.go_on()
        stack.redis.config_set("maxmemory", 1)
        sender.go_on()
        assert stack.redis.info("errorstats")["errorstat_OOM"]["count"] > 0
        stack.redis.config_set("maxmemory", 0)
        sender.go_on()
    assert_each_stored_once(stack, sender)
    assert_made_good(stack)
    assert not sender.refusals


def test_redis_is_emptied(stack: Stack) -> None:
    with Sender(stack.port, stack.key) as sender:
        sender.go_on()
        stack.redis.flushall()
        sender.go_on()
    assert_each_stored_once(stack, sender)
    assert_made_good(stack)
    assert not sender.refusals
