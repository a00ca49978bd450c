"""Who is trained when by the clock: as often as the shop says, if there is something new, later after failures."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from celery import current_app
from django.core.management import CommandError, call_command
from django.db import connection
from kombu.exceptions import OperationalError

from recomengine.lib import clock
from recomengine.lib.postgres import held
from recommendations import tasks, trainings
from recommendations.models import ModelRun
from recommendations.training import running, scheduling
from tenants import tenancy
from tenants.models import AuditEntry, Tenant
from tenants.types import TenantRef
from tests.api import Api
from tests.events.test_posting import VIEW, ago, send
from tests.recommendations.conftest import ITEMS, by, notice, slate

Status = ModelRun.Status
MANY = scheduling.FEW_EVENTS
Later = Callable[..., None]


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tenants whose training was asked for."""
    sent: list[str] = []
    monkeypatch.setattr(current_app, "send_task", lambda _, args, **__: sent.append(args[0]))
    return sent


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    """Move the clock on."""
    real = clock.now

    def move(**by: float) -> None:
        ahead = timedelta(**by)
        monkeypatch.setattr(clock, "now", lambda: real() + ahead)

    return move


def every(tenant: TenantRef, minutes: int) -> TenantRef:
    Tenant.objects.filter(slug=tenant.slug).update(training_every=minutes)
    return Tenant.objects.get(slug=tenant.slug).ref


def ran(tenant: TenantRef, status: str = Status.PUBLISHED, minutes_ago: float = 0, **fields: Any) -> ModelRun:
    at = clock.now() - timedelta(minutes=minutes_ago)
    with tenancy.use(tenant):
        values = {"started_at": at, "attempted_at": at, "finished_at": at, "events": MANY} | fields
        return ModelRun.objects.create(version=f"v{ModelRun.objects.count()}", status=status, **values)


def test_a_shop_is_trained_once_there_is_something_to_learn(
    api_a: Api, tenant_a: TenantRef, tenant_b: TenantRef, queued: list[str]
) -> None:
    tasks.train_due()
    assert queued == []
    api_a.post("catalog/items", {"item_id": "x", "title": "X"})  # content alone is enough to begin with
    tasks.train_due()
    assert queued == ["shop-a"]
    tasks.train_due()
    assert queued == ["shop-a"]  # it waits for a worker already


@pytest.fixture
def worked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is handed to the workers is done at once."""

    def do(name: str, args: Any = (), kwargs: Any = None) -> None:
        current_app.tasks[name](*args, **(kwargs or {}))

    monkeypatch.setattr(current_app, "send_task", do)


@pytest.mark.usefixtures("worked")
def test_an_uploaded_catalogue_alone_is_recommended_from_within_minutes(
    api_a: Api, tenant_a: TenantRef, later: Later
) -> None:
    """By the clock alone, though nobody has looked at anything."""
    half = len(ITEMS) // 2
    api_a.post("catalog/items/batch", {"items": ITEMS[:half]})
    tasks.train_due()
    notice(api_a)
    assert by(slate(api_a, strategy="similar", item_id="mug"), "similar")[0] == "cup"
    assert set(by(slate(api_a, placement="home"), "new")) == {item["item_id"] for item in ITEMS[:half]}
    api_a.post("catalog/items/batch", {"items": ITEMS[half:]})  # the upload went on meanwhile
    later(minutes=6)
    tasks.train_due()
    notice(api_a)
    assert by(slate(api_a, strategy="similar", item_id="lamp"), "similar")[0] == "bulb"
    api_a.call("PATCH", "catalog/items/lamp", data={"price": 12})
    later(minutes=90)
    tasks.train_due()
    with tenancy.use(tenant_a):
        assert ModelRun.objects.count() == 2  # of a price there is nothing to learn


@pytest.mark.parametrize("what", ["an event", "a late event", "an item"])
def test_what_is_new_is_learnt_when_its_turn_comes(
    api_a: Api, tenant_a: TenantRef, later: Later, queued: list[str], what: str
) -> None:
    ran(tenant_a)
    later(minutes=61)
    tasks.train_due()
    assert queued == []
    if what == "an item":
        api_a.post("catalog/items", {"item_id": "x", "title": "X"})
    else:
        send(api_a, VIEW | ({"occurred_at": ago(days=30)} if what == "a late event" else {}))
    tasks.train_due()
    assert queued == ["shop-a"]


def test_a_shop_has_its_turn_as_often_as_it_says(api_a: Api, tenant_a: TenantRef, later: Later) -> None:
    with time_machine.travel(clock.now(), tick=False) as still:  # its turn may come at any moment
        ran(tenant_a)
        still.shift(0.001)
        send(api_a, VIEW)
        for minutes in (10, 60, 1440):
            tenant, began = every(tenant_a, minutes), clock.now()
            planned = scheduling.schedule(tenant).next_at
            assert planned is not None
            assert began < planned <= began + timedelta(minutes=minutes)
            assert not scheduling.is_due(tenant)
    later(minutes=1441)
    assert scheduling.is_due(every(tenant_a, 1440))
    assert scheduling.schedule(every(tenant_a, 0)).next_at is None
    assert not scheduling.is_due(every(tenant_a, 0))


def test_turns_of_different_shops_are_spread_over_the_hour() -> None:
    after, hour = datetime.fromisoformat("2026-11-24T00:00Z"), timedelta(hours=1)
    shops = [TenantRef(f"shop-{n}", f"t_{n}", "", "EUR") for n in range(300)]
    turns = [scheduling._slot(shop, after, hour) for shop in shops]
    quarters = [sum((turn - after) // timedelta(minutes=15) == n for turn in turns) for n in range(4)]
    assert min(quarters) > 40
    assert [scheduling._slot(shop, turn, hour) - turn for shop, turn in zip(shops, turns, strict=True)] == [hour] * 300


def test_a_shop_with_few_events_learns_from_the_next_ones_soon(
    api_a: Api, tenant_a: TenantRef, later: Later, queued: list[str]
) -> None:
    ran(tenant_a, events=MANY - 1)
    send(api_a, VIEW)
    later(minutes=6)
    tasks.train_due()
    assert queued == ["shop-a"]


@pytest.mark.parametrize(("failures", "minutes"), [(1, 5), (2, 10), (5, 80), (20, 1440)])
def test_a_shop_that_fails_is_tried_again_and_again_later(
    api_a: Api, tenant_a: TenantRef, failures: int, minutes: int
) -> None:
    send(api_a, VIEW)
    for _ in range(failures):
        ran(tenant_a, Status.FAILED, minutes_ago=minutes - 1)
    assert not scheduling.is_due(tenant_a)
    assert scheduling.schedule(tenant_a).failures == failures
    with tenancy.use(tenant_a):
        ModelRun.objects.update(finished_at=clock.now() - timedelta(minutes=minutes + 1))
    assert scheduling.is_due(tenant_a)


def test_a_run_that_nobody_works_on_is_gone_on_with_at_once(api_a: Api, tenant_a: TenantRef, queued: list[str]) -> None:
    ran(tenant_a, Status.RUNNING, finished_at=None)
    with held(trainings.lock(tenant_a)):
        tasks.train_due()
        assert queued == []
    tasks.train_due()
    assert queued == ["shop-a"]


def test_what_ends_its_process_each_time_waits_even_if_the_queue_brings_it_again(
    api_a: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "train", lambda *_, **__: pytest.fail("it was tried again"))
    ran(tenant_a, Status.RUNNING, attempts=trainings.ATTEMPTS, finished_at=None)
    tasks.train("shop-a")
    tasks.train("shop-a", by_clock=True)
    with tenancy.use(tenant_a):
        ModelRun.objects.update(attempted_at=clock.now() - timedelta(hours=1))
    with pytest.raises(pytest.fail.Exception, match="tried again"):
        tasks.train("shop-a")


def test_a_training_that_is_no_longer_due_is_left(api_a: Api, tenant_a: TenantRef, queued: list[str]) -> None:
    send(api_a, VIEW)
    tasks.train_due()
    ran(tenant_a)
    tasks.train("shop-a", by_clock=True)
    with tenancy.use(tenant_a):
        assert ModelRun.objects.count() == 1


def test_the_schedule_is_shown_and_changed_by_the_api(edge: Any, api_a: Api, tenant_a: TenantRef) -> None:
    ran(tenant_a)
    shown = api_a.get("models/schedule").json
    assert (shown["every"], shown["has_new_data"], shown["is_under_way"], shown["failures"]) == (60, False, False, 0)
    assert datetime.fromisoformat(shown["next_at"]) > clock.now()
    every(tenant_a, 0)
    assert Api(edge, api_a.key).get("tenants/shop-a").json["training_every"] == 0


def requests(tenant: TenantRef) -> list[Any]:
    """Who asked for trainings, in order, with what else the audit log says."""
    found = AuditEntry.objects.filter(tenant__slug=tenant.slug, action="training.requested").order_by("pk")
    return list(found.values_list("actor_kind", "actor", "object_id", "after"))


def test_a_training_under_way_is_not_asked_for_again(api_a: Api, tenant_a: TenantRef, queued: list[str]) -> None:
    before = requests(tenant_a)
    with held(trainings.lock(tenant_a)):
        answer = api_a.post("models/train")
        with pytest.raises(CommandError):
            call_command("train", tenant_a.slug)
    assert (answer.status, answer.json["code"]) == (409, "training_in_progress")
    assert requests(tenant_a) == before
    assert api_a.post("models/train").status == 202
    assert queued == ["shop-a"]
    assert connection.schema_name == "public"


def test_whoever_asks_for_a_training_is_in_the_audit_log(
    api_a: Api, tenant_a: TenantRef, tenant_b: TenantRef, queued: list[str]
) -> None:
    before, others = len(requests(tenant_a)), requests(tenant_b)
    assert api_a.post("models/train").status == 202
    call_command("train", tenant_a.slug, verbosity=0)
    call_command("train", tenant_a.slug, "--force", verbosity=0)
    by_key, by_command, by_force = requests(tenant_a)[before:]
    assert by_key[0] == "key"
    assert api_a.key.split("_")[2] in by_key[1]
    assert (by_command[0], by_command[2:]) == ("operator", ("shop-a", None))
    assert by_force[2:] == ("shop-a", {"force": True})
    assert requests(tenant_b) == others


def test_what_the_queue_does_not_take_was_never_asked_for(
    api_a: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OperationalError("connection refused")

    before = requests(tenant_a)
    monkeypatch.setattr(current_app, "send_task", refuse)
    answer = api_a.post("models/train")
    assert (answer.status, answer.json["code"]) == (503, "overloaded")
    assert int(answer.headers["retry-after"]) > 0
    assert requests(tenant_a) == before
