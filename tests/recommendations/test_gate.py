"""A model is judged on what neither it nor the live one has seen; people publish and go back over the gate's head."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from django.core.management import call_command
from django.db import connection

from recomengine.lib import redis
from recommendations import restoring
from recommendations.models import ModelRun
from recommendations.releases import modelstore, versions
from recommendations.training import building, running
from tenants.models import AuditEntry
from tenants.types import TenantRef
from tests.api import Api
from tests.recommendations.conftest import GROUPS, SIZE, ids, notice, slate

pytestmark = pytest.mark.slow
Status = ModelRun.Status


@pytest.fixture
def spoil(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Have trainings from now on build lists of what belongs to other groups."""
    build = building.build

    def spoilt(*arguments: Any) -> Any:
        tables, report = build(*arguments)
        items = tables["coview"]["item"].to_numpy()
        wrong = items.min() + (items - items.min() + 3 * SIZE) % (GROUPS * SIZE)
        return {**tables, "coview": tables["coview"].set_column(1, "item", pa.array(wrong))}, report

    return lambda: monkeypatch.setattr(building, "build", spoilt)


def served(api: Api) -> Any:
    notice(api)
    return slate(api, strategy="also_viewed", item_id="g3-1")["model_version"]


def shown(api: Api, version: str) -> Any:
    answer = api.get(f"models/{version}")
    assert answer.status == 200
    return answer.json


def test_a_model_is_measured_on_what_its_twin_has_not_seen(busy: Api, tenant_a: TenantRef) -> None:
    run = shown(busy, running.train(tenant_a).version)
    found = {each["strategy"]: each for each in run["quality"] if each["asked"] == "visits"}
    assert run["data_from"] < run["split_at"] < run["data_to"]
    assert found["session"]["units"] >= 50
    assert found["session"]["hit_rate_interval"][0] > found["popular"]["hit_rate_interval"][1]
    assert (run["decision"]["publish"], run["decision"]["code"]) == (True, "first_model")
    assert run["parameters"]["chosen"]["coview"]
    assert run["published_at"] is not None
    again = shown(busy, running.train(tenant_a).version)
    assert (again["decision"]["code"], again["decision"]["live"]) == ("as_good", run["version"])
    twin = modelstore.load_twin(tenant_a, again["version"])
    assert twin is not None
    assert twin.split_at.isoformat()[:19] == again["split_at"][:19]


def test_a_worse_model_is_held_back_and_the_reason_is_shown(
    busy: Api, tenant_a: TenantRef, spoil: Callable[[], None]
) -> None:
    good = running.train(tenant_a).version
    spoil()
    run = shown(busy, running.train(tenant_a).version)
    assert (run["status"], run["decision"]["code"], run["decision"]["publish"]) == ("held_back", "worse", False)
    assert run["decision"]["text"].startswith("Not published")
    assert served(busy) == good
    assert not any(run["version"].encode() in name for name in redis.client().keys("*"))
    assert running.train(tenant_a, force=True).status == Status.PUBLISHED


def test_a_held_back_model_is_published_by_hand_and_taken_back(
    busy: Api, tenant_a: TenantRef, spoil: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    good = running.train(tenant_a).version
    with monkeypatch.context():
        spoil()
        bad = running.train(tenant_a).version
    assert busy.post(f"models/{good}/publish").json["code"] == "conflict"  # it is live
    assert busy.post(f"models/{bad}/publish").json["status"] == "published"
    assert served(busy) == bad
    assert shown(busy, good)["status"] == "superseded"
    assert busy.post(f"models/{good}/rollback").status == 409  # not the live one
    back = busy.post(f"models/{bad}/rollback").json
    assert (back["version"], back["status"], back["is_pinned"]) == (good, "published", True)
    assert served(busy) == good
    assert shown(busy, bad)["status"] == "rolled_back"
    assert busy.post(f"models/{good}/rollback").json["code"] == "conflict"  # there is nothing before it
    entries = AuditEntry.objects.filter(object_type="model").order_by("-pk")[:2][::-1]
    assert [(each.action, each.before, each.after) for each in entries] == [
        ("model.published", {"version": good}, {"version": bad}),
        ("model.rolled_back", {"version": bad}, {"version": good}),
    ]


def test_after_going_back_the_clock_publishes_nothing_until_a_person_does(busy: Api, tenant_a: TenantRef) -> None:
    first, second = (running.train(tenant_a).version for _ in range(2))
    call_command("rollback", tenant_a.slug, verbosity=0)
    assert served(busy) == first
    run = running.train(tenant_a, by_clock=True)
    assert (run.status, run.decision["code"]) == (Status.HELD_BACK, "pinned")
    assert first in run.decision["text"]
    assert served(busy) == first
    third = running.train(tenant_a)
    assert (third.status, served(busy)) == (Status.PUBLISHED, third.version)
    assert running.train(tenant_a, by_clock=True).status == Status.PUBLISHED
    assert busy.post(f"models/{second}/publish").status == 409  # its tables went when newer ones came


def test_a_version_gone_back_to_is_restored_after_a_loss(busy: Api, tenant_a: TenantRef) -> None:
    first, _ = (running.train(tenant_a).version for _ in range(2))
    call_command("rollback", tenant_a.slug, verbosity=0)
    before = ids(slate(busy, strategy="also_viewed", item_id="g3-1"))
    redis.client().flushdb()
    restoring.restore(tenant_a)
    assert served(busy) == first
    assert ids(slate(busy, strategy="also_viewed", item_id="g3-1")) == before


def test_what_is_changed_by_hand_during_a_training_stays(
    busy: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (running.train(tenant_a).version for _ in range(2))
    write = versions.write_table

    def go_back() -> None:
        call_command("rollback", tenant_a.slug, verbosity=0)
        connection.close()

    def meanwhile(tenant: TenantRef, version: str, *rest: Any) -> int:
        if version not in (first, second) and served(busy) == second:
            with ThreadPoolExecutor(1) as pool:
                pool.submit(go_back).result(120)
        return write(tenant, version, *rest)

    monkeypatch.setattr(versions, "write_table", meanwhile)
    run = running.train(tenant_a)
    assert (run.status, run.decision["code"]) == (Status.HELD_BACK, "live_changed")
    assert served(busy) == first


def test_a_live_version_without_its_twin_is_compared_by_its_record(busy: Api, tenant_a: TenantRef) -> None:
    first = running.train(tenant_a).version
    Path(modelstore.folder(tenant_a, first).path, "twin-coview.parquet").unlink()
    run = running.train(tenant_a)
    assert (run.status, run.decision["live"]) == (Status.PUBLISHED, first)
    assert set(run.decision["differences"]) == {"hit_rate", "mrr", "ndcg", "recall"}


def test_the_store_may_be_anywhere_that_fsspec_reaches(busy: Api, tenant_a: TenantRef, settings: Any) -> None:
    settings.MODEL_STORE = "memory://models"
    first = running.train(tenant_a).version
    assert running.train(tenant_a).decision["code"] == "as_good"
    call_command("rollback", tenant_a.slug, verbosity=0)
    assert served(busy) == first
    modelstore.remove(tenant_a)
    assert not modelstore.has(tenant_a, first)
