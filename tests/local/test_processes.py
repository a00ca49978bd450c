import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from recomengine.local import processes


def ignoring(number: str) -> list[str]:
    """A command that announces itself and then cannot be stopped by that signal."""
    return ["/bin/sh", "-c", f"trap '' {number}; echo ready; sleep 100 & wait; sleep 100"]


def test_a_process_keeps_its_mark_while_it_lives() -> None:
    assert processes.started_at(os.getpid()) == processes.started_at(os.getpid()) is not None


def test_a_process_that_ended_is_gone_even_if_nobody_reaped_it() -> None:
    with subprocess.Popen(["/bin/true"]) as ended:
        assert processes.wait_until(lambda: processes.started_at(ended.pid) is None, 5)
        assert ended.returncode is None
    assert processes.started_at(ended.pid) is None


def test_a_process_is_found_by_the_beginning_of_its_command_line() -> None:
    with subprocess.Popen(["/bin/sleep", "98.7654321", "1"]) as sleeper:
        assert processes.wait_until(lambda: processes.find("sleep", "98.7654321") == sleeper.pid, 5)
        assert processes.find("sleep", "98.765432") is None
        sleeper.kill()
    assert processes.find("sleep", "98.7654321") is None


def test_a_daemon_leaves_its_starter_and_its_environment_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "1")
    log = tmp_path / "a log"
    pid = processes.spawn_daemon(["/bin/sh", "-c", 'echo "$1" $PGPORT; exec sleep 100', "sh", "a 'b' $HOME"], log, {})
    assert processes.wait_until(lambda: log.read_text() == "a 'b' $HOME\n", 5)
    assert os.getsid(pid) != os.getsid(0)
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    assert processes.stop(pid, (signal.SIGTERM, 5.0))
    assert processes.started_at(pid) is None


def test_stopping_goes_on_to_the_next_signal() -> None:
    with subprocess.Popen(ignoring("TERM"), stdout=subprocess.PIPE, start_new_session=True) as stubborn:
        assert stubborn.stdout is not None
        stubborn.stdout.readline()
        assert not processes.stop(stubborn.pid, (signal.SIGTERM, 0.2))
        assert processes.stop(stubborn.pid, (signal.SIGTERM, 0.2), (signal.SIGKILL, 5.0))
        os.killpg(stubborn.pid, signal.SIGKILL)


def test_a_group_is_stopped_with_everything_in_it() -> None:
    script = "sleep 100 & echo $!; wait"
    with subprocess.Popen(["/bin/sh", "-c", script], stdout=subprocess.PIPE, start_new_session=True) as leader:
        assert leader.stdout is not None
        grandchild = int(leader.stdout.readline())
        processes.stop_groups(
            [leader.pid], 5.0, lambda: leader.poll() == 1
        )  # polling reaps it, so that its group can vanish
        assert processes.wait_until(lambda: processes.started_at(grandchild) is None, 5)


def test_stopping_what_is_gone_succeeds() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    assert processes.stop(ended.pid, (signal.SIGTERM, 0.1))
    processes.stop_groups([ended.pid], 0.1)
