"""A full disk under PostgreSQL: events are refused and nothing is half-done; with room again all is as before."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import psycopg
import pytest

from recomengine.local import lifecycle, paths, processes
from recomengine.local.errors import LocalServicesError
from tests.disks import small_disk
from tests.events.faults.checks import assert_each_stored_once
from tests.events.faults.sender import AWAY, Sender
from tests.events.faults.stack import Stack, eventually, installed

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("faults")]
MEGABYTES: Final = 400
HANGS: Final = 30.0  # seconds of recovery, which has two seconds' work to do again


@pytest.fixture(scope="module")
def installation() -> Iterator[Stack]:
    """An installation whose PostgreSQL has a small disk to itself."""
    with installed() as stack:
        lifecycle.stop(stack.root)
        with small_disk(paths.postgres_data(stack.root).resolve(), MEGABYTES):
            stack.start_servers()
            stack.serve()
            yield stack
            lifecycle.stop(stack.root)


@pytest.fixture
def stack(installation: Stack) -> Stack:
    installation.forget_events()
    return installation


def fill(stack: Stack) -> Path:
    """Leave no free block on PostgreSQL's disk."""
    ballast = paths.postgres_data(stack.root) / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for block in (bytes(2**20), bytes(2**12)):
            with suppress(OSError):
                while file.write(block):
                    pass
    assert shutil.disk_usage(ballast.parent).free < 2**16
    return ballast


def use_up_the_log(stack: Stack) -> None:
    """Have PostgreSQL begin another file of its log, for which there is no room, until it gives up."""
    with suppress(psycopg.OperationalError):
        while True:
            stack.rows("SELECT pg_switch_wal()", user="postgres")


def is_started(stack: Stack) -> bool:
    """As who watches over a server sees to it: one that ended is started; one that hangs in its recovery ends first."""
    server = stack.postgres_server
    if not processes.wait_until(lambda: server.answers() or server.pid() is None, HANGS):
        stack.kill(server)
    try:
        stack.start_servers()
    except LocalServicesError:
        return False
    return True


def test_a_full_disk(stack: Stack) -> None:
    with Sender(stack.port, stack.key) as sender:
        sender.go_on()
        ballast = fill(stack)
        sender.is_refused(503, times=20)
        ballast.unlink()
        sender.go_on()
    assert_each_stored_once(stack, sender)
    assert set(sender.refusals) == {AWAY}


def test_no_room_for_the_log(stack: Stack) -> None:
    """PostgreSQL crashes then; finding no room for recovering either, it mostly ends, and seldom hangs."""
    with Sender(stack.port, stack.key) as sender:
        sender.go_on()
        ballast = fill(stack)
        sender.is_refused(503)
        use_up_the_log(stack)
        sender.is_refused(503, times=20)
        ballast.unlink()
        eventually(lambda: is_started(stack), 120)
        sender.go_on()
    assert_each_stored_once(stack, sender)
    assert set(sender.refusals) == {AWAY}
