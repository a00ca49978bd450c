"""Trainings that are killed, lose their servers or their room: the live version stays, and the next one goes on."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project
from django.db import InterfaceError, OperationalError, connection
from redis import Redis

from recomengine.lib import naming, postgres, redis
from recomengine.lib.errors import DomainError
from recommendations import trainings
from recommendations.models import ModelRun
from recommendations.releases import modelstore, publishing, versions
from recommendations.training import building, running, workdir
from recommendations.training.stages import STAGES
from tenants import tenancy
from tenants.types import TenantRef
from tests.api import Api
from tests.lib.redis_server import address, start
from tests.recommendations.conftest import lasting, notice, slate

Status = ModelRun.Status


def environment() -> dict[str, str]:
    """The test's own servers, for a process of its own."""
    params = connection.get_connection_params()
    names = {"dbname": "dbname", "user": "user", "password": "password", "host": "host", "port": "port"}
    url = " ".join(f"{name}='{params[key]}'" for name, key in names.items() if params.get(key))
    return {
        **os.environ,
        "DATABASE_URL": url,
        "REDIS_URL": project.REDIS_URL,
        "RECOMENGINE_MODEL_STORE": str(project.MODEL_STORE),
        "RECOMENGINE_TRAINING_DIR": str(project.TRAINING_DIR),
        "DJANGO_SETTINGS_MODULE": "recomengine.settings",
    }


def answers(api: Api, item_id: str = "mug") -> Any:
    notice(api)
    return lasting(slate(api, placement="pdp", item_id=item_id))


def runs(tenant: TenantRef) -> list[ModelRun]:
    with tenancy.use(tenant):
        return list(ModelRun.objects.order_by("id"))


@pytest.fixture
def twinned(busy: Api, tenant_a: TenantRef) -> Api:
    """The shop of many visits, trained: a tenth of them is held out, so that its models have twins."""
    assert running.train(tenant_a).split_at is not None
    return busy


@pytest.mark.slow
@pytest.mark.parametrize("stage", [*STAGES, "flipping"])
def test_a_killed_training_changes_nothing_and_is_gone_on_with(twinned: Api, tenant_a: TenantRef, stage: str) -> None:
    shop = twinned
    before = answers(shop, "g3-1")
    command = [sys.executable, "-m", "tests.recommendations.killed", tenant_a.slug, stage]
    done = subprocess.run(command, env=environment(), capture_output=True, check=False, timeout=300)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2000:]
    assert answers(shop, "g3-1") == before
    [_, killed] = runs(tenant_a)
    assert killed.status == Status.RUNNING
    complete = [name for name in STAGES if workdir.of(tenant_a, killed.version).has(name)]
    assert complete == list(STAGES)[: list(STAGES).index(stage) if stage in STAGES else None]
    run = running.train(tenant_a)
    assert run.status == Status.PUBLISHED
    assert (run.version == killed.version) == (stage != "reading")  # nothing to go on with
    assert run.quality
    assert run.decision["code"] == "as_good"
    assert modelstore.load_twin(tenant_a, run.version)
    assert answers(shop, "g3-1") == before | {"model_version": run.version}
    assert not list(Path(project.TRAINING_DIR).glob("*/*"))


BREAKABLE = {
    "holding_out": (building, "build"),
    "judging": (modelstore, "load_twin"),
    "saving": (modelstore, "save"),
    "publishing": (versions, "write_table"),
}


@pytest.mark.slow
@pytest.mark.parametrize("stage", BREAKABLE)
def test_a_training_that_fails_keeps_what_it_found_out(
    twinned: Api, tenant_a: TenantRef, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = answers(twinned, "g3-1")
    with monkeypatch.context() as patched:
        patched.setattr(*BREAKABLE[stage], broken_off)
        with pytest.raises(SystemError):
            running.train(tenant_a)
    failed = runs(tenant_a)[-1]
    assert (failed.status, failed.stage, failed.error) == (Status.FAILED, stage, "SystemError: broken off")
    assert answers(twinned, "g3-1") == before
    run = running.train(tenant_a)
    assert (run.version, run.attempts, run.status) == (failed.version, 2, Status.PUBLISHED)
    assert (run.split_at, run.parameters) == (failed.split_at, failed.parameters)
    assert run.decision["code"] == "as_good"


def test_what_was_read_too_long_ago_is_read_again(
    shop: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(building, "build", broken_off)
        with pytest.raises(SystemError):
            running.train(tenant_a)
    with tenancy.use(tenant_a):
        ModelRun.objects.filter(status=Status.FAILED).update(started_at="2026-01-01T00:00Z")
    run = running.train(tenant_a)
    assert (run.attempts, run.status) == (1, Status.PUBLISHED)
    assert [each.status for each in runs(tenant_a)] == [Status.SUPERSEDED, Status.FAILED, Status.PUBLISHED]


def test_what_fails_again_and_again_begins_anew(
    shop: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "build", broken_off)
    for _ in range(trainings.ATTEMPTS + 1):
        with pytest.raises(SystemError):
            running.train(tenant_a)
    assert [each.attempts for each in runs(tenant_a)] == [1, trainings.ATTEMPTS, 1]


def broken_off(*_: Any, **__: Any) -> Any:
    raise SystemError("broken off")


@pytest.fixture
def full_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A server of this test's own: the other workers use the tests' server."""
    server = start(tmp_path_factory.mktemp("full"), maxmemory=1, **{"maxmemory-policy": "noeviction"})
    with Redis.from_url(address(server), decode_responses=False) as client:
        yield client
    server.stop()


@pytest.mark.slow
def test_redis_is_full(shop: Api, tenant_a: TenantRef, full_redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    before, write = answers(shop), versions.write_table

    def write_full(*arguments: Any) -> int:
        with monkeypatch.context() as full:
            full.setattr(redis, "client", lambda: full_redis)
            return write(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(versions, "write_table", write_full)
        with pytest.raises(publishing.RedisFull):
            running.train(tenant_a)
    failed = runs(tenant_a)[-1]
    assert (failed.status, failed.stage) == (Status.FAILED, "publishing")
    assert failed.error.startswith("Redis is full")
    assert not redis.client().keys(naming.key(tenant_a.slug, "m", failed.version, "*"))
    assert answers(shop) == before
    monkeypatch.setattr(building, "build", broken_off)  # it is not built again
    run = running.train(tenant_a)
    assert (run.version, run.status, run.attempts) == (failed.version, Status.PUBLISHED, 2)


def no_room(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_the_disk_of_the_work_is_full(shop: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch) -> None:
    before = answers(shop)
    with monkeypatch.context() as patched:
        patched.setattr(workdir.parquet, "write_table", no_room)
        with pytest.raises(OSError, match="No space"):
            running.train(tenant_a)
    failed = runs(tenant_a)[-1]
    assert failed.error.startswith("The disk is full on which trainings work")
    assert not list(Path(project.TRAINING_DIR).glob("*/*"))
    assert answers(shop) == before
    assert running.train(tenant_a).status == Status.PUBLISHED


@pytest.mark.slow
def test_small_disks_are_full(shop: Api, tenant_a: TenantRef, settings: Any, tmp_path: Path) -> None:
    """Real file systems of a few kilobytes, under the work and under the store."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only Linux's root can mount a small file system")
    before = answers(shop)
    for name in ("TRAINING_DIR", "MODEL_STORE"):
        usual, small = getattr(settings, name), tmp_path / name
        small.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(small)]
        if subprocess.run(mount, check=False, capture_output=True).returncode:
            pytest.skip("a small file system cannot be mounted here")
        try:
            setattr(settings, name, str(small))
            with pytest.raises((OSError, DomainError), match=r"space|full"):
                running.train(tenant_a)
            assert not [path for path in small.rglob("*") if path.is_file()]
        finally:
            setattr(settings, name, usual)
            subprocess.run(["umount", "--lazy", str(small)], check=True)
        assert answers(shop) == before
    assert running.train(tenant_a).status == Status.PUBLISHED


_MINE = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database()
    AND pid <> pg_backend_pid() AND (pid = %s OR pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory'))
"""


def test_the_database_goes_away_and_comes_back(shop: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends the training's connections, that of the lock too."""
    before, build = answers(shop), building.build

    def lose(*arguments: Any) -> Any:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            [mine] = cursor.fetchone()
        with postgres.connect(autocommit=True) as other:
            other.execute(_MINE, [mine])
        return build(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(building, "build", lose)
        with pytest.raises((OperationalError, InterfaceError)):
            running.train(tenant_a)
    connection.close()
    connection.set_schema_to_public()
    assert answers(shop) == before
    run = running.train(tenant_a)
    assert (run.status, run.attempts) == (Status.PUBLISHED, 2)


def test_a_process_that_was_overtaken_writes_nothing(
    shop: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lock went with the database's connection, and another process has taken the run over."""
    before, build = answers(shop), building.build

    def overtaken(*arguments: Any) -> Any:
        with tenancy.use(tenant_a):
            ModelRun.objects.filter(status=Status.RUNNING).update(attempts=2)
        return build(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(building, "build", overtaken)
        with pytest.raises(running.Overtaken):
            running.train(tenant_a)
    assert runs(tenant_a)[-1].status == Status.RUNNING
    assert answers(shop) == before


def test_the_store_is_away(shop: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch) -> None:
    before = answers(shop)
    with monkeypatch.context() as patched:
        patched.setattr(modelstore, "_fill", no_room)
        with pytest.raises(DomainError) as refused:
            running.train(tenant_a)
    failed = runs(tenant_a)[-1]
    assert refused.value.code == "model_store_unavailable"
    assert failed.error.startswith("The model store at ")
    assert not modelstore.has(tenant_a, failed.version)
    assert answers(shop) == before
    assert running.train(tenant_a).version == failed.version
