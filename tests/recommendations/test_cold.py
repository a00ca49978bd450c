"""What is new: an item that came after the training, a visitor nobody knows, a shop without an event."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from celery import current_app
from kombu.exceptions import OperationalError

from catalog import items
from catalog.types import ItemIn
from recomengine.lib import naming, redis
from recommendations import queueing, relating, tasks
from recommendations.placements import BUILT_IN
from recommendations.releases import versions
from recommendations.training import running
from recommendations.types import table_key
from tenants.types import TenantRef
from tests.api import Api
from tests.recommendations.conftest import by, ids, notice, slate, texts

BOWL = {"item_id": "bowl", "title": "Blue bowl", "brand": "Acme", "categories": ["Kitchen > Mugs"]}


def put(api: Api, *rows: dict[str, Any]) -> None:
    assert api.post("catalog/items/batch", {"items": rows}).json["rejected"] == []


@dataclass
class Worker:
    """What workers are asked for, and one of them that does it."""

    asked: list[str] = field(default_factory=list)

    def take(self, name: str, args: list[Any], **_: Any) -> None:
        assert args == ["shop-a"]
        self.asked.append(name)

    def work(self) -> list[str]:
        """Do all that was asked for, and tell what that was."""
        done, self.asked = self.asked, []
        for name in done:
            current_app.tasks[name]("shop-a")
        return done


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    made = Worker()
    monkeypatch.setattr(current_app, "send_task", made.take)
    return made


RELATE = [queueing.RELATE]


def alike(api: Api, item: str) -> list[str]:
    """What the strategy `similar` shows beside an item."""
    return by(slate(api, placement="pdp-similar", item_id=item), "similar")


def test_a_new_item_has_neighbours_within_seconds(worker: Worker, shop: Api, api_b: Api) -> None:
    assert worker.work() == RELATE  # what came during the training: nothing
    put(shop, BOWL)
    assert alike(shop, "bowl") == []
    assert worker.work() == RELATE
    answer = slate(shop, placement="pdp-similar", item_id="bowl")
    assert by(answer, "similar")[:2] == ["mug", "cup"]  # the brand and the category; and one is blue as well
    assert "lamp" not in by(answer, "similar")
    assert texts(answer["items"])[0] == "Resembles bowl"
    assert 1 >= answer["items"][0]["score"] > answer["items"][1]["score"] > 0
    assert slate(api_b, placement="pdp-similar", item_id="bowl")["items"] == []


def test_it_is_asked_for_once_and_again_for_what_comes_later(worker: Worker, shop: Api) -> None:
    worker.work()
    put(shop, BOWL)
    put(shop, BOWL | {"item_id": "dish"}, BOWL | {"price": "2", "item_id": "tray"})
    assert worker.work() == RELATE
    assert {"mug", "dish"} <= set(alike(shop, "bowl"))
    put(shop, BOWL | {"price": "3"})
    assert worker.work() == []
    put(shop, BOWL | {"item_id": "vase"})
    assert worker.work() == RELATE
    assert alike(shop, "vase")


def test_before_a_training_nobody_is_asked(worker: Worker, filled: Api, tenant_a: TenantRef) -> None:
    put(filled, BOWL)
    assert worker.work() == []
    assert relating.relate(tenant_a) == 0
    assert slate(filled, placement="pdp-similar", item_id="bowl")["items"]


def test_an_item_like_no_other_and_a_known_one_are_left_alone(worker: Worker, shop: Api, tenant_a: TenantRef) -> None:
    version = versions.live(tenant_a)
    assert version
    key = table_key("shop-a", version, "similar")
    before = redis.client().hgetall(key)
    put(shop, {"item_id": "odd", "title": "Xyzzy & | ! 'quoted' \\ <->"}, {"item_id": "mug", "title": "Another mug"})
    worker.work()
    assert redis.client().hgetall(key) == before
    assert "odd" in ids(slate(shop, placement="home", limit=50))  # by its newness
    assert slate(shop, placement="pdp-similar", item_id="odd")["items"]


def test_a_superseded_version_is_written_nothing(tenant_a: TenantRef) -> None:
    assert versions.add_lists(tenant_a, "gone", "similar", {"bowl": b""}) is False
    assert redis.client().keys(naming.key("shop-a", "m", "gone", "*")) == []


def test_what_came_during_a_training_is_related_after_it(
    worker: Worker, filled: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    flip = versions.flip

    def upload_and_flip(tenant: TenantRef, version: str) -> None:
        items.write(tenant, [ItemIn(**BOWL)])
        flip(tenant, version)

    with monkeypatch.context() as patched:
        patched.setattr(versions, "flip", upload_and_flip)
        running.train(tenant_a)
    notice(filled)
    assert alike(filled, "bowl") == []
    assert worker.work() == RELATE
    assert alike(filled, "bowl")
    redis.client().flushdb()
    tasks.restore_missing()
    notice(filled)
    assert worker.work() == RELATE
    assert alike(filled, "bowl")


def test_a_broker_that_is_away_costs_nothing_else(worker: Worker, shop: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise OperationalError("away")

    worker.work()
    monkeypatch.setattr(current_app, "send_task", fail)
    put(shop, BOWL)
    assert slate(shop, placement="pdp-similar", item_id="bowl")["items"]


def test_a_new_visitor_has_the_context_and_then_what_trends(shop: Api) -> None:
    answer = slate(shop, placement="pdp", item_id="mug", visitor_id="nobody")
    assert answer["items"][0]["source"] == "also_viewed"
    assert answer["context"]["cold"] is False
    answer = slate(shop, placement="home", visitor_id="nobody", user_id="nobody")
    assert answer["context"]["cold"] is True
    assert answer["items"][0]["source"] == "trending"
    assert answer["fallback_share"] == 1.0


@pytest.mark.parametrize("is_trained", [False, True])
def test_a_new_shop_with_a_catalogue_shows_content_and_what_is_new(
    api_a: Api, tenant_a: TenantRef, is_trained: bool
) -> None:
    put(api_a, *[BOWL | {"item_id": f"b{n}"} for n in range(12)])
    if is_trained:
        running.train(tenant_a)
    notice(api_a)
    for key in BUILT_IN:
        for params in (
            {},
            {"item_id": "b1"},
            {"item_id": "unknown"},
            {"visitor_id": "v", "session_items": ["b1", "b2"]},
        ):
            assert len(slate(api_a, placement=key, **params)["items"]) == 10
    assert bool(by(slate(api_a, placement="pdp-similar", item_id="b1"), "similar")) is is_trained


def test_a_shop_with_nothing_at_all_says_so(api_a: Api) -> None:
    notice(api_a)
    for key in BUILT_IN:
        answer = slate(api_a, placement=key, item_id="b1", visitor_id="v1", filter='{"all": []}')
        assert (answer["items"], bool(answer["empty_reason"]["message"])) == ([], True)
