"""Running the product's processes together: all of them, or none.

with Supervisor(root, [Child("api", [...]), Child("worker", [...])], echo=print_line) as running:
    if running.wait_for(lambda: not port_is_free("127.0.0.1", 5009), seconds=30):
        print("ready")
    running.wait()
"""

import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import BinaryIO, Self

from recomengine.local import logs, paths, processes
from recomengine.local.errors import LocalServicesError

Echo = Callable[[str, str], None]

GRACE_SECONDS = 8.0
_POLL_SECONDS = 0.1
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class AlreadySupervised(LocalServicesError):
    """The processes of this checkout run already, under another supervisor."""


class ChildStopped(LocalServicesError):
    """A process ended that should have gone on."""


@dataclass(frozen=True)
class Child:
    """A process to run: its name (also that of its log), its command, and what it adds to the environment."""

    name: str
    command: Sequence[str | Path]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass
class _Running:
    child: Child
    process: subprocess.Popen[bytes]
    log: Path
    logged: int
    output: BinaryIO
    partial_line: bytes = b""

    def new_lines(self) -> list[str]:
        """The lines completed since the last call."""
        *lines, self.partial_line = (self.partial_line + self.output.read()).split(b"\n")
        return [line.decode(errors="replace") for line in lines]


def end_left_over(root: Path) -> None:
    """End the children of a supervisor that was killed, so that their ports are free; raises AlreadySupervised."""
    records = _make_records(root)
    with _acquire_lock(records):
        _end_recorded(records, GRACE_SECONDS)


class Supervisor:
    """Runs the children while its `with` block lasts; each has a process group and a log of its own.

    Ctrl-C, SIGTERM and SIGHUP are noted, and end `wait` and `wait_for`: call only these in the block. On leaving, all
    children get SIGTERM and, `grace` seconds later or at a second signal, SIGKILL. `echo` receives (name, line) for
    every line that a child writes. Children left over from a supervisor that was killed are ended first.
    """

    def __init__(
        self, root: Path, children: Sequence[Child], echo: Echo | None = None, grace: float = GRACE_SECONDS
    ) -> None:
        self._root, self._children, self._echo, self._grace = root, children, echo, grace
        self._running: list[_Running] = []
        self._signals = 0
        self._handlers: dict[signal.Signals, signal._HANDLER] = {}

    def __enter__(self) -> Self:
        self._records = _make_records(self._root)
        self._lock = _acquire_lock(self._records)
        heeded = [number for number in _STOP_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]  # as by nohup
        self._handlers = {number: signal.signal(number, self._note_signal) for number in heeded}
        try:
            _end_recorded(self._records, self._grace, self._in_a_hurry)
            for child in self._children:
                self._start(child)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        groups = [running.process.pid for running in self._running]
        processes.stop_groups(groups, self._grace, self._in_a_hurry)
        self._forward_output()
        for running in self._running:
            running.process.wait()
            running.output.close()
            self._record(running.child.name).unlink(missing_ok=True)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._lock.close()

    def wait(self) -> None:
        """Wait until a signal asks to stop; raises ChildStopped if a child ends before that."""
        self.wait_for(lambda: False, float("inf"))

    def wait_for(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until the condition holds; False if it did not in time or a signal asked to stop meanwhile."""
        deadline = time.monotonic() + seconds
        while not self._signals:
            self._forward_output()
            self._check_children()
            if condition():
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return False

    @property
    def asked_to_stop(self) -> bool:
        """Whether a signal asked to stop."""
        return self._signals > 0

    def _start(self, child: Child) -> None:
        log = paths.log_file(self._root, child.name)
        logged = logs.open_log(log)
        process = self._spawn(child, log)
        output = log.open("rb")
        output.seek(logged)
        self._running.append(_Running(child, process, log, logged, output))
        record = {"pid": process.pid, "started_at": processes.started_at(process.pid)}
        self._record(child.name).write_text(json.dumps(record))

    def _spawn(self, child: Child, log: Path) -> subprocess.Popen[bytes]:
        """Its output goes straight to the log, so that it can still write should the supervisor be killed."""
        try:
            with log.open("ab") as file:
                return subprocess.Popen(  # noqa: S603
                    child.command,
                    cwd=self._root,
                    env={**os.environ, "PYTHONUNBUFFERED": "1", **child.environment},
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            raise ChildStopped(f"'{child.name}' cannot be started: {error}.") from error

    def _check_children(self) -> None:
        for running in self._running:
            if (code := running.process.poll()) is not None:
                self._forward_output()
                how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
                raise ChildStopped(
                    f"'{running.child.name}' stopped unexpectedly ({how}); {running.log} ends with:\n"
                    f"{logs.last_lines(running.log, running.logged)}"
                )

    def _forward_output(self) -> None:
        if self._echo is None:
            return
        for running in self._running:
            for line in running.new_lines():
                self._echo(running.child.name, line)

    def _in_a_hurry(self) -> bool:
        """Reap what has ended, so that its group can vanish; whether stopping was asked for twice."""
        for running in self._running:
            running.process.poll()
        return self._signals > 1

    def _note_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._signals += 1

    def _record(self, name: str) -> Path:
        return self._records / f"{name}.json"


def _make_records(root: Path) -> Path:
    """The directory of one record per child, by which the next supervisor knows what this one may leave over."""
    records = paths.local_dir(root) / "supervised"
    records.mkdir(parents=True, exist_ok=True)
    return records


def _acquire_lock(records: Path) -> BinaryIO:
    """Hold the checkout's only supervision; the kernel releases it should this process be killed."""
    lock = (records / "lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        checkout = records.parent.parent
        raise AlreadySupervised(f"RecomEngine runs already in {checkout}: stop it there first.") from None
    return lock


def _end_recorded(records: Path, grace: float, in_a_hurry: Callable[[], bool] = lambda: False) -> None:
    """End every recorded process; one that only has the same number is spared."""
    files = list(records.glob("*.json"))
    found = [json.loads(file.read_text() or "{}") for file in files]
    known = [child for child in found if child.get("started_at")]
    alive = [child["pid"] for child in known if processes.started_at(child["pid"]) == child["started_at"]]
    processes.stop_groups(alive, grace, in_a_hurry)
    for file in files:
        file.unlink()
