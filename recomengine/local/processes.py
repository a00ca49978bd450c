"""Finding, starting and stopping processes that outlive or accompany the caller.

A process is known by its number and its start, because numbers are used again. A process that has ended but has not
been reaped counts as gone: in a container nobody may ever reap it.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

_POLL_SECONDS = 0.05
_PROC = Path("/proc")


def started_at(pid: int) -> str | None:
    """A mark that changes when the number is used again; None when there is no such process."""
    if sys.platform == "linux":
        return _started_at_proc(pid)
    fields = _ps("-o", "stat=,lstart=", "-p", str(pid)).split(maxsplit=1)
    return fields[1].strip() if len(fields) == 2 and not fields[0].startswith("Z") else None


def find(*command: str) -> int | None:
    """The oldest running process whose command line begins with these words, in whichever directory the program is.

    The oldest, because for a moment after a fork a server's child shows the server's command line.
    """
    beginning = f"/{' '.join(command)} "
    listed = _commands_proc() if sys.platform == "linux" else _commands_ps()
    matches = [pid for pid, words in listed if beginning in f"{words} "]
    starts = [(mark, pid) for pid in matches if (mark := started_at(pid)) is not None]
    return min(starts, key=lambda start: (len(start[0]), start))[1] if starts else None


def spawn_daemon(command: Sequence[str], log: Path, identity: Mapping[str, Any]) -> int:
    """Start a process in a session of its own, its output appended to `log`, and give its number.

    It is adopted by init, so it neither dies with the caller nor becomes the caller's zombie. `identity` holds
    subprocess's `user`, `group` and `extra_groups`. The environment is not passed on: PG* variables would change
    what the server does.
    """
    script = '"$@" >&2 </dev/null & echo $!'
    with log.open("ab") as output:
        shell = subprocess.run(  # noqa: S603
            ["/bin/sh", "-c", script, "sh", *command],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=output,
            cwd="/",
            env=bare_environment(),
            start_new_session=True,
            **identity,
        )
    return int(shell.stdout)


def bare_environment() -> dict[str, str]:
    """An environment in which a server behaves the same for everybody and logs in English."""
    return {"PATH": os.defpath, "LC_ALL": "C"}


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait until the condition holds; whether it did in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def stop(pid: int, *steps: tuple[signal.Signals, float]) -> bool:
    """Send each signal in turn, waiting its number of seconds for the process to end; whether it has ended."""
    mark = started_at(pid)
    for number, seconds in steps:
        if mark is None or started_at(pid) != mark:
            return True
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return True
        if wait_until(lambda: started_at(pid) != mark, seconds):
            return True
    return mark is None


def stop_groups(leaders: Iterable[int], grace: float, in_a_hurry: Callable[[], bool] = lambda: False) -> None:
    """End whole process groups: SIGTERM, then SIGKILL for what is left after `grace` seconds or when hurried."""
    groups = list(leaders)
    for group in groups:
        signal_group(group, signal.SIGTERM)
    wait_until(lambda: in_a_hurry() or not any(group_exists(group) for group in groups), grace)
    for group in groups:
        signal_group(group, signal.SIGKILL)


def group_exists(group: int) -> bool:
    """Whether any process of the group is left."""
    return signal_group(group, 0)


def signal_group(group: int, number: int) -> bool:
    """Signal a process group; False when it is gone (macOS says "not permitted" of a group of zombies)."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _started_at_proc(pid: int) -> str | None:
    try:
        status = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = status.rpartition(")")[2].split()  # the name in front may hold spaces and brackets
    return None if fields[0] in "ZX" else fields[19]


def _commands_proc() -> Iterator[tuple[int, str]]:
    for entry in _PROC.iterdir():
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            if entry.name.isdigit():
                yield int(entry.name), os.fsdecode((entry / "cmdline").read_bytes()).replace("\0", " ")


def _commands_ps() -> Iterator[tuple[int, str]]:
    for line in _ps("-axww", "-o", "pid=,command=").splitlines():
        pid, _, words = line.strip().partition(" ")
        yield int(pid), words


def _ps(*options: str) -> str:
    return subprocess.run(  # noqa: S603
        ["/bin/ps", *options], check=False, capture_output=True, text=True, env=bare_environment()
    ).stdout
