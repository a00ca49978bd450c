"""`manage.py services`: the local PostgreSQL and Valkey."""

import signal
import subprocess
import sys
from argparse import REMAINDER
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from recomengine.local import lifecycle
from recomengine.local.errors import LocalServicesError
from recomengine.local.paths import CHECKOUT


class Command(BaseCommand):
    help = (
        "Start, stop, show or delete the local PostgreSQL and Valkey, or run a command while they run. "
        "A service for which DATABASE_URL or REDIS_URL names a server is left alone."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["start", "stop", "status", "reset", "run"])
        parser.add_argument("command", nargs=REMAINDER, help="for run: the command and its arguments, after --")

    def handle(self, *_: Any, action: str, command: list[str], **__: Any) -> None:
        if command and action != "run":
            raise CommandError(f"`services {action}` takes no arguments.")
        try:
            code = self._run(command) if action == "run" else getattr(self, f"_{action}")()
        except LocalServicesError as error:
            raise CommandError(str(error)) from error
        if code:
            sys.exit(code)

    def _start(self) -> None:
        if not lifecycle.needed():
            self.stdout.write("DATABASE_URL and REDIS_URL are set: there is nothing to start.")
        elif not lifecycle.start(CHECKOUT, self.stdout.write):
            self.stdout.write("The local services run already.")

    def _stop(self) -> None:
        if not lifecycle.stop(CHECKOUT, self.stdout.write):
            self.stdout.write("The local services do not run.")

    def _reset(self) -> None:
        lifecycle.reset(CHECKOUT, self.stdout.write)

    def _status(self) -> int:
        """Exit code 1 when a service that is needed does not run."""
        needed = lifecycle.needed()
        states = lifecycle.status(CHECKOUT)
        for state in states:
            running = f"runs as process {state.pid}" if state.pid else "does not run"
            unused = "" if state.name in needed else " (not used: the environment names another server)"
            self.stdout.write(f"{state.name} {running}{unused}; data in {state.data}, log in {state.log}")
        return int(any(state.pid is None for state in states if state.name in needed))

    def _run(self, command: list[str]) -> int:
        arguments = command[1:] if command[:1] == ["--"] else command
        if not arguments:
            raise CommandError("Say what to run: manage.py services run -- COMMAND …")
        with lifecycle.running(CHECKOUT, self._say_aside):
            return _exit_code_of(arguments)

    def _say_aside(self, message: str) -> None:
        """Speak on stderr, uncoloured: stdout is the command's, and this is no error."""
        self.stderr.write(message, str)


def _exit_code_of(command: Sequence[str]) -> int:
    """Run a command in the foreground as a shell would: Ctrl-C is the command's to handle, other signals are passed on.

    The handlers are in place before there is a process to pass anything to, and unlike an ignored signal they are not
    inherited by it.
    """
    process: subprocess.Popen[bytes] | None = None
    early: list[int] = []

    def pass_on(number: int, _frame: FrameType | None) -> None:
        if process is None:
            early.append(number)
        elif number != signal.SIGINT:
            process.send_signal(number)

    with _handling((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), pass_on):
        try:
            process = subprocess.Popen(command)  # noqa: S603
        except OSError as error:
            raise CommandError(f"{command[0]} cannot be run: {error.strerror}.") from error
        for number in early:
            process.send_signal(number)
        code = process.wait()
    return code if code >= 0 else 128 - code


@contextmanager
def _handling(numbers: Iterable[signal.Signals], handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    former = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, before in former.items():
            signal.signal(number, before)
