"""The services for real: PostgreSQL and Valkey are started, killed and deleted in checkouts made for it."""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import traceback
from pathlib import Path

import psycopg
import pytest
import redis

from recomengine.local import installation, lifecycle, paths, postgres, processes, valkey
from recomengine.local.errors import LocalServicesError
from tests.local.conftest import BOTH

START = "from pathlib import Path; from recomengine.local import lifecycle; lifecycle.start(Path({!r}), print, {!r})"


def postgres_says(root: Path, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(paths.database_url(root), autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


def valkey_at(root: Path) -> redis.Redis:
    return redis.Redis.from_url(paths.redis_url(root), decode_responses=True)


def pids(root: Path) -> dict[str, int | None]:
    return {state.name: state.pid for state in lifecycle.status(root)}


def test_services_named_by_the_environment_are_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://somewhere/else")
    monkeypatch.delenv("REDIS_URL", raising=False)
    assert lifecycle.needed() == ["valkey"]


def test_nothing_runs_before_the_start_and_stopping_says_so(tmp_path: Path) -> None:
    assert pids(tmp_path) == {"postgres": None, "valkey": None}
    assert not lifecycle.stop(tmp_path)


def test_a_machine_without_the_programs_is_told_what_to_do(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "find_spec", lambda _: None)
    with pytest.raises(LocalServicesError, match=r"make setup.*DATABASE_URL and REDIS_URL"):
        lifecycle.start(checkout, services=BOTH)


def test_a_full_disk_is_named(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    with pytest.raises(LocalServicesError, match="not enough free space"):
        lifecycle.start(checkout, services=["postgres"])


def test_a_checkout_that_cannot_be_written_is_an_explained_error(tmp_path: Path) -> None:
    with pytest.raises(LocalServicesError, match="No such file"):
        lifecycle.start(tmp_path / "missing" / "checkout", services=BOTH)


@pytest.mark.slow
class TestRunning:
    def test_the_addresses_lead_to_the_servers(self, running_checkout: Path) -> None:
        assert postgres_says(running_checkout, "SELECT current_user, current_database()") == [
            ("recomengine", "recomengine")
        ]
        with valkey_at(running_checkout) as client:
            assert client.ping()

    def test_the_database_is_utf8_and_its_role_like_one_in_production(self, running_checkout: Path) -> None:
        query = "SELECT pg_encoding_to_char(encoding), datlocale FROM pg_database WHERE datname = current_database()"
        assert postgres_says(running_checkout, query) == [("UTF8", "C.UTF-8")]
        query = "SELECT rolsuper, rolcreatedb FROM pg_roles WHERE rolname = current_user"
        assert postgres_says(running_checkout, query) == [(False, True)]

    def test_nothing_is_lost_and_nobody_else_can_connect(self, running_checkout: Path) -> None:
        for setting, value in {"fsync": "on", "synchronous_commit": "on", "listen_addresses": ""}.items():
            assert postgres_says(running_checkout, f"SHOW {setting}") == [(value,)]
        with valkey_at(running_checkout) as client:
            wanted = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "port": "0"}
            assert client.config_get(*wanted) == wanted
        for directory in (paths.socket_dir(running_checkout), paths.postgres_data(running_checkout)):
            assert stat.S_IMODE(directory.stat().st_mode) == 0o700

    def test_a_second_start_changes_nothing(self, running_checkout: Path) -> None:
        before = pids(running_checkout)
        said: list[str] = []
        assert not lifecycle.start(running_checkout, said.append, BOTH)
        assert pids(running_checkout) == before
        assert said == []

    def test_a_command_that_found_them_running_leaves_them_running(
        self, running_checkout: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(lifecycle, "needed", lambda: BOTH)
        before = pids(running_checkout)
        with lifecycle.running(running_checkout):
            pass
        assert pids(running_checkout) == before

    def test_killed_services_come_back_with_their_data(self, running_checkout: Path) -> None:
        postgres_says(running_checkout, "CREATE TABLE kept AS SELECT 42 AS answer")
        with valkey_at(running_checkout) as client:
            client.set("kept", 42)
            assert client.execute_command("WAITAOF", 1, 0, 5000)[0] == 1
        for pid in pids(running_checkout).values():
            os.kill(pid or 0, signal.SIGKILL)
        # The killed server's number now belongs to somebody else.
        lock = paths.postgres_data(running_checkout) / "postmaster.pid"
        lock.write_text(lock.read_text().replace(lock.read_text().split()[0], str(os.getpid()), 1))
        assert lifecycle.start(running_checkout, services=BOTH)
        assert postgres_says(running_checkout, "SELECT answer FROM kept") == [(42,)]
        with valkey_at(running_checkout) as client:
            assert client.get("kept") == "42"

    def test_services_whose_sockets_were_deleted_are_replaced(self, running_checkout: Path) -> None:
        before = pids(running_checkout)
        shutil.rmtree(paths.socket_dir(running_checkout))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("recomengine.local.server._SOCKET_SECONDS", 0.1)
            assert lifecycle.start(running_checkout, services=BOTH)
        assert before.keys() == pids(running_checkout).keys()
        assert not before.items() & pids(running_checkout).items()

    def test_services_whose_data_were_deleted_are_replaced(self, running_checkout: Path) -> None:
        before = pids(running_checkout)
        shutil.rmtree(paths.local_dir(running_checkout))
        assert lifecycle.start(running_checkout, services=BOTH)
        assert all(processes.started_at(pid or 0) is None for pid in before.values())
        assert postgres_says(running_checkout, "SELECT 1") == [(1,)]

    def test_a_start_that_fails_quotes_the_log(self, running_checkout: Path) -> None:
        lifecycle.stop(running_checkout)
        configuration = paths.postgres_data(running_checkout) / "postgresql.conf"
        sound = configuration.read_text()
        configuration.write_text(f"{sound}\nno_such_setting = on\n")
        with pytest.raises(LocalServicesError, match=r"postgres\.log ends with:(?s:.*)no_such_setting"):
            lifecycle.start(running_checkout, services=["postgres"])
        configuration.write_text(sound)

    def test_data_of_another_version_are_left_alone(self, running_checkout: Path) -> None:
        lifecycle.stop(running_checkout)
        version = paths.postgres_data(running_checkout) / "PG_VERSION"
        found = version.read_text()
        version.write_text("9\n")
        with pytest.raises(LocalServicesError, match=r"made by PostgreSQL 9, but PostgreSQL \d+ is installed"):
            lifecycle.start(running_checkout, services=["postgres"])
        version.write_text(found)

    def test_stop_and_reset(self, running_checkout: Path) -> None:
        lifecycle.start(running_checkout, services=BOTH)
        assert lifecycle.stop(running_checkout)
        assert pids(running_checkout) == {"postgres": None, "valkey": None}
        lifecycle.reset(running_checkout)
        assert not paths.postgres_data(running_checkout).exists()
        assert not paths.valkey_data(running_checkout).exists()
        assert not paths.socket_dir(running_checkout).exists()


@pytest.mark.slow
def test_two_processes_may_start_them_at_once(checkout: Path) -> None:
    command = [sys.executable, "-c", START.format(str(checkout), BOTH)]
    starts = [subprocess.Popen(command, cwd=paths.CHECKOUT) for _ in range(2)]
    assert [start.wait() for start in starts] == [0, 0]
    assert postgres_says(checkout, "SELECT 1") == [(1,)]
    log = paths.log_file(checkout, "postgres").read_text()
    assert log.count("ready to accept connections") == 1


@pytest.mark.slow
def test_only_the_last_of_those_who_use_them_stops_them(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "needed", lambda: ["valkey"])
    with lifecycle.running(checkout):
        pass
    assert valkey.server(checkout).pid() is None
    with lifecycle.running(checkout):
        other = lifecycle.running(checkout)
        other.__enter__()
    assert valkey.server(checkout).pid() is not None
    other.__exit__(None, None, None)


@pytest.mark.slow
def test_a_long_path_with_spaces(checkout: Path) -> None:
    root = checkout / ("a path, with spaces " * 6) / "checkout"
    root.mkdir(parents=True)
    lifecycle.start(root, services=BOTH)
    assert postgres_says(root, "SELECT 1") == [(1,)]
    with valkey_at(root) as client:
        assert client.ping()
    lifecycle.reset(root)


@pytest.mark.slow
@pytest.mark.usefixtures("as_root")
def test_root_where_nobody_else_can_enter(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout.chmod(0o700)
    is_open = paths.open_to_everyone
    monkeypatch.setattr(paths, "open_to_everyone", lambda path: "pginstall" not in path.parts and is_open(path))
    lifecycle.start(checkout, services=BOTH)
    state, data = paths.state_dir(checkout), paths.postgres_data(checkout)
    assert postgres_says(checkout, "SELECT 1") == [(1,)]
    assert checkout not in data.parents
    assert (checkout / ".local" / "postgres").resolve() == data
    assert state in Path(os.readlink(f"/proc/{postgres.server(checkout).pid()}/exe")).parents
    assert stat.S_IMODE(checkout.stat().st_mode) == 0o700
    lifecycle.reset(checkout)
    assert not state.exists()


@pytest.mark.slow
@pytest.mark.usefixtures("as_root", "running_checkout")
def test_an_ordinary_user(checkout: Path) -> None:
    """In a fork, for the interpreter may lie where only root can read; what it needs is loaded by the fixture."""
    shutil.chown(checkout, "nobody")
    child = os.fork()
    if not child:
        os._exit(start_as_nobody(checkout))
    assert os.waitpid(child, 0)[1] == 0
    assert postgres_says(checkout, "SELECT 1") == [(1,)]
    assert paths.valkey_data(checkout).stat().st_uid == pwd.getpwnam("nobody").pw_uid
    with pytest.raises(LocalServicesError, match="belongs to another account"):
        lifecycle.start(checkout, services=["valkey"])


def start_as_nobody(root: Path) -> int:
    """The exit code of a process that gives up being root and starts the services."""
    account = pwd.getpwnam("nobody")
    os.umask(0o077)
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    try:
        started = lifecycle.start(root, services=BOTH)
    except BaseException:  # noqa: BLE001 - nothing may escape into a second run of the tests
        traceback.print_exc()
        return 1
    return 0 if started and {state.name for state in lifecycle.status(root) if state.pid} == set(BOTH) else 2
