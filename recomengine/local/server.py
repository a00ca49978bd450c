"""What both servers have in common: being found, awaited, launched and stopped."""

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from recomengine.local import logs, processes
from recomengine.local.accounts import Account
from recomengine.local.errors import LocalServicesError

Progress = Callable[[str], None]

_START_SECONDS = 300.0  # recovery after a crash can take minutes; a server that dies is noticed at once
_SOCKET_SECONDS = 5.0


@dataclass(frozen=True)
class Server:
    """One server of one checkout.

    `command` is how its command line begins; `data` exists and is not empty while it runs; `answers` tells whether it
    executes commands yet; `stop_signals` are sent in turn, each with the seconds it is given to take effect.
    """

    name: str
    command: tuple[str, ...]
    data: Path
    socket: Path
    log: Path
    answers: Callable[[], bool]
    stop_signals: tuple[tuple[signal.Signals, float], ...]

    def pid(self) -> int | None:
        """The number of its main process, if it runs (ready or not)."""
        return processes.find(*self.command)

    def is_up(self) -> bool:
        """Whether it runs; waits until one that is starting is ready."""
        pid = self.pid()
        return pid is not None and self._becomes_ready(pid)

    def launch(self, program: Path, options: Sequence[str], account: Account) -> str | None:
        """Start it and wait until it answers: None, or what it logged if it ended instead."""
        logged = logs.open_log(self.log)
        pid = processes.spawn_daemon([str(program), *self.command[1:], *options], self.log, account.identity)
        return None if self._becomes_ready(pid) else logs.last_lines(self.log, logged)

    def stop(self) -> bool:
        """Stop it if it runs, its data written; whether it ran."""
        pid = self.pid()
        if pid is None:
            return False
        if not processes.stop(pid, *self.stop_signals):
            raise LocalServicesError(f"{self.name} (process {pid}) does not stop: look at {self.log}.")
        return True

    def stop_if_unreachable(self) -> None:
        """Stop it if somebody deleted its data or its socket while it ran: no client can use it any more."""
        if self.pid() is None:
            return
        if not any(self.data.glob("*")) or not processes.wait_until(self.socket.exists, _SOCKET_SECONDS):
            self.stop()

    def _becomes_ready(self, pid: int) -> bool:
        if not processes.wait_until(lambda: self.answers() or processes.started_at(pid) is None, _START_SECONDS):
            raise LocalServicesError(f"{self.name} (process {pid}) does not answer: look at {self.log}.")
        return processes.started_at(pid) is not None
