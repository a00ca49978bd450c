"""The supervisor with real processes, small shell scripts."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from recomengine.local import paths, processes
from recomengine.local.supervisor import AlreadySupervised, Child, ChildStopped, Supervisor, end_left_over

SCRIPT = """
import sys
from pathlib import Path
from recomengine.local.supervisor import Child, Supervisor

children = [Child(*pair.split("=", 1)) for pair in sys.argv[2:]]
children = [Child(child.name, ["/bin/sh", "-c", child.command]) for child in children]
echo = lambda name, line: print(f"{name} | {line}", flush=True)
with Supervisor(Path(sys.argv[1]), children, echo, grace=1) as running:
    running.wait()
print("stopped in order")
"""
STUBBORN = "trap '' TERM; echo ready; while :; do sleep 0.1; done"


def shell(name: str, script: str) -> Child:
    return Child(name, ["/bin/sh", "-c", script])


@contextmanager
def supervising(root: Path, *children: str) -> Iterator[subprocess.Popen[str]]:
    """A supervisor in a process of its own, with what it echoes on stdout; each child is name=script."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(root), *children], cwd=paths.CHECKOUT, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def next_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


def is_gone(pid: int) -> bool:
    return processes.wait_until(lambda: processes.started_at(pid) is None, 5)


def records(root: Path) -> list[Path]:
    return list((root / ".local" / "supervised").glob("*.json"))


def test_leaving_the_block_ends_every_child(tmp_path: Path) -> None:
    children = [shell("api", "echo serving; exec sleep 100"), shell("worker", "sleep 100 & echo $!; wait")]
    heard: list[tuple[str, str]] = []
    with Supervisor(tmp_path, children, echo=lambda *line: heard.append(line)) as running:
        assert running.wait_for(lambda: len(heard) == 2, 5)
        pids = [json.loads(record.read_text())["pid"] for record in records(tmp_path)]
        assert len(pids) == 2
    said = dict(heard)
    assert said["api"] == "serving"
    assert all(is_gone(pid) for pid in [*pids, int(said["worker"])])
    assert records(tmp_path) == []
    assert paths.log_file(tmp_path, "api").read_text() == "serving\n"


def test_a_child_that_dies_is_named_with_its_last_words(tmp_path: Path) -> None:
    children = [shell("beat", "exec sleep 100"), shell("worker", "echo out of luck >&2; exit 3")]
    with Supervisor(tmp_path, children) as running:
        beat = json.loads((tmp_path / ".local/supervised/beat.json").read_text())["pid"]
        with pytest.raises(ChildStopped) as caught:
            running.wait()
    assert "'worker' stopped unexpectedly (exit code 3)" in str(caught.value)
    assert str(paths.log_file(tmp_path, "worker")) in str(caught.value)
    assert "out of luck" in str(caught.value)
    assert is_gone(beat)


def test_the_signal_that_killed_a_child_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(ChildStopped, match="killed by SIGKILL"),
        Supervisor(tmp_path, [shell("worker", "kill -9 $$")]) as running,
    ):
        running.wait()


def test_only_the_words_of_this_run_are_quoted(tmp_path: Path) -> None:
    for word in ("first", "second"):
        with pytest.raises(ChildStopped) as caught, Supervisor(tmp_path, [shell("api", f"echo {word}; exit 1")]) as it:
            it.wait()
    assert "second" in str(caught.value)
    assert "first" not in str(caught.value)


def test_a_command_that_does_not_exist_stops_the_others(tmp_path: Path) -> None:
    children = [shell("api", "exec sleep 100"), Child("worker", ["/no/such/program"])]
    with pytest.raises(ChildStopped, match="'worker' cannot be started"), Supervisor(tmp_path, children):
        pytest.fail("the block must not be entered")
    assert records(tmp_path) == []


def test_waiting_ends_when_the_time_is_over(tmp_path: Path) -> None:
    with Supervisor(tmp_path, [shell("api", "exec sleep 100")]) as running:
        assert not running.wait_for(lambda: False, 0)
        assert not running.asked_to_stop


def test_children_get_their_environment(tmp_path: Path) -> None:
    heard: list[str] = []
    child = Child("api", ["/bin/sh", "-c", "echo $PORT; exec sleep 100"], {"PORT": "5009"})
    with Supervisor(tmp_path, [child], echo=lambda _, line: heard.append(line)) as running:
        assert running.wait_for(lambda: heard == ["5009"], 5)


def test_a_checkout_has_one_supervisor_at_a_time(tmp_path: Path) -> None:
    with Supervisor(tmp_path, [shell("api", "exec sleep 100")]) as first:
        with pytest.raises(AlreadySupervised, match="stop it there first"), Supervisor(tmp_path, []):
            pytest.fail("the block must not be entered")
        assert not first.wait_for(lambda: False, 0)


def test_a_process_that_only_has_the_number_of_a_left_over_child_is_spared(tmp_path: Path) -> None:
    with subprocess.Popen(["/bin/sleep", "100"], start_new_session=True) as unrelated:
        (tmp_path / ".local/supervised").mkdir(parents=True)
        record = {"pid": unrelated.pid, "started_at": "1"}
        (tmp_path / ".local/supervised/api.json").write_text(json.dumps(record))
        with Supervisor(tmp_path, []):
            pass
        assert unrelated.poll() is None
        unrelated.kill()
    assert records(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_in_order(tmp_path: Path, number: signal.Signals) -> None:
    with supervising(tmp_path, "api=echo $$; exec sleep 100") as supervisor:
        name, _, pid = next_line(supervisor).partition(" | ")
        supervisor.send_signal(number)
        assert next_line(supervisor) == "stopped in order"
        assert supervisor.wait() == 0
    assert name == "api"
    assert is_gone(int(pid))


@pytest.mark.slow
def test_a_child_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    with supervising(tmp_path, f"api=echo $$; {STUBBORN}") as supervisor:
        pid = int(next_line(supervisor).removeprefix("api | "))
        assert next_line(supervisor) == "api | ready"
        supervisor.terminate()
        assert next_line(supervisor) == "stopped in order"
    assert is_gone(pid)


@pytest.mark.slow
def test_children_of_a_killed_supervisor_are_ended_by_the_next(tmp_path: Path) -> None:
    with supervising(tmp_path, "api=echo $$; sleep 100 & echo $!; wait") as supervisor:
        leader, grandchild = (int(next_line(supervisor).removeprefix("api | ")) for _ in range(2))
        supervisor.kill()
        supervisor.wait()
    assert processes.started_at(leader) is not None
    os.killpg(leader, 0)
    with Supervisor(tmp_path, [shell("api", "exec sleep 100")]):
        assert is_gone(leader)
        assert is_gone(grandchild)


@pytest.mark.slow
def test_left_over_children_can_be_ended_before_anything_is_started(tmp_path: Path) -> None:
    with supervising(tmp_path, "api=echo $$; exec sleep 100") as supervisor:
        pid = int(next_line(supervisor).removeprefix("api | "))
        with pytest.raises(AlreadySupervised):
            end_left_over(tmp_path)
        supervisor.kill()
        supervisor.wait()
    assert processes.started_at(pid) is not None
    end_left_over(tmp_path)
    assert is_gone(pid)
