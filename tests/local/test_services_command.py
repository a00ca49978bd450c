import signal
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from recomengine.local import valkey
from recomengine.local.errors import LocalServicesError
from recomengine.management.commands import services


@pytest.fixture
def valkey_alone(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout for which the command needs only Valkey, which starts in no time."""
    monkeypatch.setattr(services, "CHECKOUT", checkout)
    monkeypatch.setenv("DATABASE_URL", "postgresql://somewhere/else")
    monkeypatch.delenv("REDIS_URL", raising=False)
    return checkout


def run(*arguments: str) -> tuple[int, str]:
    """Exit code and output of `manage.py services`."""
    output = StringIO()
    try:
        call_command("services", *arguments, stdout=output, stderr=output)
    except SystemExit as ended:
        return int(ended.code or 0), output.getvalue()
    return 0, output.getvalue()


@pytest.mark.slow
def test_start_status_stop_reset(valkey_alone: Path) -> None:
    server = valkey.server(valkey_alone)
    assert run("start") == (0, "Starting Valkey\n")
    assert run("start") == (0, "The local services run already.\n")
    code, output = run("status")
    assert code == 0
    assert "postgres does not run (not used: the environment names another server)" in output
    assert f"valkey runs as process {server.pid()}; data in {server.data}, log in {server.log}" in output
    assert run("stop") == (0, "")
    assert run("stop") == (0, "The local services do not run.\n")
    assert run("status")[0] == 1
    assert run("reset") == (0, "Deleting the data\n")
    assert not server.data.exists()


@pytest.mark.slow
def test_run_starts_runs_and_stops(valkey_alone: Path) -> None:
    server = valkey.server(valkey_alone)
    assert run("run", "--", "/bin/sh", "-c", f"test -S {server.socket}") == (0, "Starting Valkey\n")
    assert server.pid() is None
    assert run("run", "/bin/sh", "-c", "exit 7")[0] == 7
    run("start")
    assert run("run", "--", "/bin/sh", "-c", "kill -9 $$") == (137, "")
    assert server.pid() is not None


@pytest.mark.slow
def test_run_passes_signals_on_and_still_stops_the_services(valkey_alone: Path) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    code, _ = run("run", "--", "/bin/sh", "-c", "trap 'exit 5' TERM; kill -TERM $PPID; sleep 5 & wait")
    assert code == 5
    assert valkey.server(valkey_alone).pid() is None
    assert signal.getsignal(signal.SIGTERM) is handler


def test_nothing_is_started_where_the_environment_names_servers(
    valkey_alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://somewhere")
    assert run("start") == (0, "DATABASE_URL and REDIS_URL are set: there is nothing to start.\n")
    assert run("status")[0] == 0
    assert run("run", "--", "/bin/sh", "-c", "exit 3") == (3, "")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [(["run"], "Say what to run"), (["run", "--"], "Say what to run"), (["stop", "postgres"], "takes no arguments")],
)
def test_misuse_is_explained(arguments: list[str], sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence):
        run(*arguments)


def test_a_command_that_does_not_exist_is_explained(valkey_alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://somewhere")
    with pytest.raises(CommandError, match="/no/such/program cannot be run"):
        run("run", "--", "/no/such/program")


def test_an_error_of_the_services_is_a_sentence(valkey_alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> bool:
        raise LocalServicesError("Free some space.")

    monkeypatch.setattr(services.lifecycle, "start", fail)
    with pytest.raises(CommandError, match=r"^Free some space\.$"):
        run("start")
