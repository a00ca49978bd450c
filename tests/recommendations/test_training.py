"""Trainings: what they publish, what a failed one leaves, and that one runs at a time."""

import threading
from concurrent.futures import ThreadPoolExecutor
from math import log2
from pathlib import Path
from typing import Any

import pytest
from celery import current_app
from django.db import connection

from catalog.models import Item
from catalog.reading import contents, count
from events import reading
from recomengine.lib import clock, naming, redis
from recomengine.lib.errors import DomainError
from recommendations import runs, tasks, trainings
from recommendations.models import ModelRun
from recommendations.releases import modelstore, publishing, versions
from recommendations.releases.modelstore import Model
from recommendations.training import building, running, stages
from recommendations.training.stages import STAGES
from tenants import tenancy
from tenants.types import TenantRef
from tests.api import Api
from tests.events.test_posting import VIEW, send
from tests.recommendations.conftest import EVENTS, ITEMS, ids, lasting, notice, slate

Status = ModelRun.Status


def listed(api: Api) -> list[Any]:
    results: list[Any] = api.get("models").json["results"]
    return results


def tables_in_redis(tenant: TenantRef) -> dict[str, int]:
    """Name and time to live (-1: no end) of every table of a model."""
    names = sorted(redis.client().keys(naming.key(tenant.slug, "m", "*")))
    return {name.decode().split(":m:")[1]: redis.client().ttl(name) for name in names}


class Broken(Exception):
    pass


def fail(*_: Any, **__: Any) -> Any:
    raise Broken("the disk is full")


# --- What a run says ------------------------------------------------------------------------------------------------


def test_a_run_says_what_it_read_and_built(shop: Api) -> None:
    send(shop, VIEW | {"item_id": "of-another-shop"})
    [run] = listed(shop)
    lines = sum(len(event.get("items", [0])) for event in EVENTS)
    assert (run["status"], run["stage"], run["error"]) == ("published", "", "")
    assert (run["items"], run["events"]) == (len(ITEMS), lines)
    assert run["started_at"] <= run["finished_at"]
    times = sorted(event["occurred_at"] for event in EVENTS)
    assert (run["data_from"][:19], run["data_to"][:19]) == (times[0][:19], times[-1][:19])
    assert set(run["report"]["tables"]) == set(versions.TABLES)
    assert run["report"]["tables"]["lists"]["lists"] == 1
    assert [stage["name"] for stage in run["stages"]] == list(STAGES)
    assert run["progress"] == {"percent": 100, "doing": ""}
    assert (run["attempts"], run["split_at"], run["quality"]) == (1, None, [])
    assert run["decision"]["code"] == "too_few_to_judge"
    assert run["version"] == slate(shop)["model_version"]


def test_events_of_items_that_nobody_has_are_counted(filled: Api, tenant_a: TenantRef) -> None:
    send(filled, *[VIEW | {"item_id": "unknown", "visitor_id": f"v{n}"} for n in range(3)])
    run = running.train(tenant_a)
    assert run.report["events_of_unknown_items"] == 3
    notice(filled)
    assert "unknown" not in ids(slate(filled, strategy="popular", limit=50))


@pytest.mark.parametrize("what", ["nothing", "items", "events"])
def test_a_shop_with_little_to_learn_from_trains_all_the_same(api_a: Api, tenant_a: TenantRef, what: str) -> None:
    notice(api_a)
    if what == "items":
        api_a.post("catalog/items/batch", {"items": ITEMS})
    if what == "events":
        api_a.post("events/batch", {"events": EVENTS})
    run = running.train(tenant_a)
    notice(api_a)
    answer = slate(api_a, placement="pdp", item_id="mug")
    assert (run.status, answer["model_version"]) == (Status.PUBLISHED, run.version)
    if what == "items":
        assert ids(answer)[0] == "cup"  # content needs no visitors
    else:
        assert answer["empty_reason"]["code"] == "no_candidates"


# --- A new version --------------------------------------------------------------------------------------------------


def test_a_new_version_is_served_within_a_second(shop: Api, tenant_a: TenantRef) -> None:
    before = slate(shop)["model_version"]
    send(shop, *[VIEW | {"visitor_id": f"n{n}", "item_id": "rug"} for n in range(30)])
    shop.edge.age(1.0)
    assert ids(slate(shop, strategy="popular"))[0] != "rug"  # the state is read now
    run = running.train(tenant_a)
    shop.edge.age(1.0)
    answer = slate(shop, strategy="popular")
    assert answer["model_version"] == run.version != before
    assert ids(answer)[0] == "rug"
    assert [run["status"] for run in listed(shop)] == ["published", "superseded"]


def test_the_old_version_outlives_requests_under_way_and_then_goes(shop: Api, tenant_a: TenantRef) -> None:
    old = slate(shop)["model_version"]
    new = running.train(tenant_a).version
    left = tables_in_redis(tenant_a)
    assert {name.split(":")[0] for name in left} == {old, new}
    for name, seconds in left.items():
        if name.startswith(new):
            assert seconds == -1
        else:
            assert 40 < seconds <= versions.SUPERSEDED_KEPT.total_seconds()
    assert ids(slate(shop, strategy="popular"))  # this process still asks for the old one


def test_what_was_superseded_a_while_ago_is_freed_at_the_next_release(shop: Api, tenant_a: TenantRef) -> None:
    """Redis may not come to a key that has ended for hours, among those of millions of visitors."""
    first, second = slate(shop)["model_version"], running.train(tenant_a).version
    with tenancy.use(tenant_a):
        for version, times in ((first, 3), (second, 2)):
            published_at = clock.now() - times * versions.SUPERSEDED_KEPT
            ModelRun.objects.filter(version=version).update(published_at=published_at)
    third = running.train(tenant_a).version
    assert {name.split(":")[0] for name in tables_in_redis(tenant_a)} == {second, third}
    assert first not in {second, third}


def test_versions_are_kept_on_disk_for_a_while(shop: Api, tenant_a: TenantRef, settings: Any) -> None:
    for _ in range(modelstore.KEPT + 1):
        last = running.train(tenant_a).version
    kept = sorted(path.name for path in Path(settings.MODEL_STORE, tenant_a.slug).iterdir())
    assert len(kept) == modelstore.KEPT
    assert kept[-1] == last
    assert set(modelstore.load(tenant_a, last).tables) == set(versions.TABLES)


def test_the_live_version_is_never_pruned(shop: Api, tenant_a: TenantRef) -> None:
    live = slate(shop)["model_version"]
    for n in range(modelstore.KEPT + 2):
        modelstore.save(tenant_a, f"3{n}", Model({}))
    modelstore.prune(tenant_a, {live})
    assert modelstore.load(tenant_a, live)


# --- A run that fails -----------------------------------------------------------------------------------------------

BREAKABLE = {
    "reading": (reading, "write_interactions"),
    "building": (building, "build"),
    "saving": (modelstore, "save"),
    "publishing": (versions, "write_table"),
    "flipping": (versions, "flip"),
}


@pytest.mark.parametrize("stage", BREAKABLE)
def test_a_failed_run_says_why_and_leaves_the_live_version(
    shop: Api, tenant_a: TenantRef, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = slate(shop, item_id="mug", placement="pdp")
    with monkeypatch.context() as patched:
        patched.setattr(*BREAKABLE[stage], fail)
        with pytest.raises(Broken):
            running.train(tenant_a)
    notice(shop)
    after = slate(shop, item_id="mug", placement="pdp")
    assert lasting(after) == lasting(before)
    failed, published = listed(shop)
    assert (failed["status"], failed["error"]) == ("failed", "Broken: the disk is full")
    assert failed["finished_at"] is not None
    assert (published["status"], published["version"]) == ("published", before["model_version"])
    assert not publishing.is_lost(tenant_a)
    assert running.train(tenant_a).status == Status.PUBLISHED


def test_a_failure_does_not_leave_the_tenant_in_use(
    shop: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "build", fail)
    with pytest.raises(Broken):
        running.train(tenant_a)
    assert connection.schema_name == "public"


def test_what_a_killed_training_left_is_marked_by_the_next(shop: Api, tenant_a: TenantRef) -> None:
    with tenancy.use(tenant_a):
        ModelRun.objects.create(version="killed", stage="building")
    running.train(tenant_a)
    killed = next(run for run in listed(shop) if run["version"] == "killed")
    assert (killed["status"], bool(killed["error"]), bool(killed["finished_at"])) == ("failed", True, True)


# --- One at a time --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick_training")
def test_a_second_training_is_refused_while_one_is_under_way(
    filled: Api, tenant_a: TenantRef, tenant_b: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    under_way, go_on = threading.Event(), threading.Event()
    build = building.build

    def held(*args: Any) -> Any:
        under_way.set()
        assert go_on.wait(60)
        return build(*args)

    def train_first() -> str:
        try:
            return running.train(tenant_a).status
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool, monkeypatch.context() as patched:
        patched.setattr(building, "build", held)
        first = pool.submit(train_first)
        assert under_way.wait(60)
        patched.setattr(building, "build", build)
        with pytest.raises(DomainError) as refused:
            running.train(tenant_a)
        assert (refused.value.code, refused.value.status) == ("training_in_progress", 409)
        tasks.train(tenant_a.slug)  # the task leaves the one under way alone
        assert running.train(tenant_b).status == Status.PUBLISHED  # another shop is another matter
        [under_way_now] = listed(filled)
        assert (under_way_now["status"], under_way_now["stage"]) == ("running", "building")
        go_on.set()
        assert first.result(120) == Status.PUBLISHED
    assert running.train(tenant_a).status == Status.PUBLISHED


@pytest.mark.usefixtures("quick_training")
def test_a_training_that_failed_holds_nobody_up(
    filled: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(building, "build", fail)
        for _ in range(3):
            with pytest.raises(Broken):
                running.train(tenant_a)
    assert running.train(tenant_a).status == Status.PUBLISHED


# --- Who trains when ------------------------------------------------------------------------------------------------


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Name and arguments of the tasks that were handed to the workers."""
    sent: list[tuple[str, Any]] = []
    monkeypatch.setattr(current_app, "send_task", lambda name, args, **_: sent.append((name, args)))
    return sent


def test_a_request_hands_the_training_to_a_worker(filled: Api, queued: list[Any]) -> None:
    answer = filled.post("models/train")
    assert (answer.status, answer.json) == (202, {"status": "queued"})
    assert queued == [("recommendations.train", ["shop-a"])]
    assert "recommendations.train" in current_app.tasks


def test_one_shop_that_cannot_be_looked_at_keeps_no_other_from_its_training(
    api_a: Api, api_b: Api, queued: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    send(api_b, VIEW)
    is_stale = trainings.is_stale

    def stale(tenant: TenantRef) -> bool:
        return is_stale(tenant) if tenant.slug == "shop-b" else fail()

    monkeypatch.setattr(trainings, "is_stale", stale)
    tasks.train_due()  # shop A has never been trained, so it is its turn as well
    assert queued == [("recommendations.train", ["shop-b"])]


# --- What is stored -------------------------------------------------------------------------------------------------


def test_a_stored_model_comes_back_as_it_was(shop: Api, tenant_a: TenantRef) -> None:
    version = slate(shop)["model_version"]
    lines = reading.interactions(tenant_a, clock.now() - stages.WINDOW)
    built, _ = building.build(contents(tenant_a), lines)
    loaded = modelstore.load(tenant_a, version).tables
    assert {name: table.num_rows for name, table in loaded.items()} == {n: t.num_rows for n, t in built.items()}
    assert all(table.schema == modelstore.SCHEMAS.get(name, modelstore.SCHEMA) for name, table in loaded.items())
    assert count(tenant_a) == len(ITEMS)


DAMAGE: dict[str, Any] = {
    "a table cut short": lambda home: (home / "coview.parquet").write_bytes(
        (home / "coview.parquet").read_bytes()[:-1]
    ),
    "a changed byte": lambda home: (home / "lists.parquet").write_bytes(
        (home / "lists.parquet").read_bytes()[:40] + b"\xff" + (home / "lists.parquet").read_bytes()[41:]
    ),
    "a missing table": lambda home: (home / "similar.parquet").unlink(),
    "no manifest": lambda home: (home / "manifest.json").unlink(),
    "an empty manifest": lambda home: (home / "manifest.json").write_text(""),
    "another manifest": lambda home: (home / "manifest.json").write_text('{"files": []}'),
    "a list for a manifest": lambda home: (home / "manifest.json").write_text("[1]"),
    "no directory": lambda home: home.rename(home.with_name("elsewhere")),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_model_is_said_to_be_broken(shop: Api, tenant_a: TenantRef, damage: Any) -> None:
    version = slate(shop)["model_version"]
    damage(Path(modelstore.folder(tenant_a, version).path))
    with pytest.raises(modelstore.BrokenModel, match=version):
        modelstore.load(tenant_a, version)
    live = runs.live(tenant_a)
    assert live is not None
    assert live.version == version


def test_a_training_tells_the_catalogue_how_many_visitors_care_for_each_item(shop: Api, tenant_a: TenantRef) -> None:
    """Of the last 90 days; eleven visitors looked at the cup, four at the bulb, nobody at the rug."""
    with tenancy.use(tenant_a):
        popularity = dict(Item.objects.values_list("item_id", "popularity"))
    assert popularity["cup"] == round(8 * log2(1 + 11))
    assert popularity["bulb"] == round(8 * log2(1 + 4))
    assert popularity["rug"] == 0
