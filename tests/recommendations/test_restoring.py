"""Redis can be lost at any moment: everything comes back from PostgreSQL and the model store."""

from pathlib import Path
from typing import Any

import pytest
from celery import current_app

from catalog import cards
from recomengine.lib import redis
from recommendations import restoring, tasks
from recommendations.releases import modelstore, versions
from recommendations.training import running
from tenants import changing
from tenants.models import Tenant
from tenants.types import TenantRef
from tests.api import Api
from tests.events.test_posting import VIEW, send
from tests.recommendations.conftest import ids, lasting, notice, slate

QUESTIONS: list[dict[str, Any]] = [
    {"placement": "pdp", "item_id": "mug"},
    {"placement": "home", "visitor_id": "v1"},
    {"placement": "home", "user_id": "u1"},
    {"placement": "cart", "item_id": ["tea", "mug"]},
    {"placement": "only-mine"},
]


@pytest.fixture
def whole(shop: Api) -> Api:
    """The tiny shop with a placement and a login of its own."""
    shop.post("placements", {"key": "only-mine", "name": "Mine", "cascade": ["trending"], "limit": 1})
    send(shop, VIEW | {"visitor_id": "v90", "user_id": "u1", "item_id": "lamp"})
    notice(shop)
    return shop


def answers(api: Api) -> list[Any]:
    notice(api)
    return [lasting(slate(api, **question)) for question in QUESTIONS]


def everything(tenant: TenantRef) -> dict[bytes, Any]:
    """All that Redis holds of a tenant, but for the live state's marks, which are random."""
    client = redis.client()
    read: dict[bytes, Any] = {
        b"string": client.get, b"hash": client.hgetall, b"list": lambda name: client.lrange(name, 0, -1),
        b"zset": lambda name: [(member, f"{at:.6g}") for member, at in client.zrange(name, 0, -1, withscores=True)],
    }  # fmt: skip
    names = client.keys(f"{{{tenant.slug}}}:*")
    own = (b":live", b":trending")  # marks, and when the trend was added up last
    counts = (b"moved", b"tally", b"page")  # what is kept or compared by the minute, and not restored
    names = [name for name in names if not name.endswith(own) and name.split(b":")[1] not in counts]
    held = {name: read[client.type(name)](name) for name in names}
    return held | {b"model": client.hget(f"{{{tenant.slug}}}:live", "model")}


def test_after_a_flush_everything_is_as_before(whole: Api, tenant_a: TenantRef) -> None:
    before, held = answers(whole), everything(tenant_a)
    assert all(answer["items"] for answer in before)
    redis.client().flushdb()
    tasks.restore_missing()
    assert everything(tenant_a) == held
    assert answers(whole) == before


def test_what_is_whole_is_left_alone(whole: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks.restore_missing()
    assert not restoring.is_needed(tenant_a)
    monkeypatch.setattr(restoring, "restore", lambda tenant: pytest.fail(f"{tenant.slug} was restored"))
    tasks.restore_missing()


def test_a_rebuild_by_hand_changes_nothing(whole: Api, tenant_a: TenantRef) -> None:
    before, held = answers(whole), everything(tenant_a)
    restoring.restore(tenant_a)
    assert everything(tenant_a) == held
    assert answers(whole) == before


def test_a_shop_that_was_never_trained_is_restored_too(filled: Api, tenant_a: TenantRef) -> None:
    filled.post("placements", {"key": "only-mine", "name": "Mine", "cascade": ["trending"], "limit": 1})
    redis.client().flushdb()
    tasks.restore_missing()
    held = everything(tenant_a)
    redis.client().flushdb()
    tasks.restore_missing()
    assert everything(tenant_a) == held


def test_a_training_right_after_a_flush_hides_no_loss(whole: Api, tenant_a: TenantRef) -> None:
    """The new model's pointer stands, but items, histories and placements are gone."""
    tasks.restore_missing()
    redis.client().flushdb()
    running.train(tenant_a)
    assert restoring.is_needed(tenant_a)
    tasks.restore_missing()
    restored = answers(whole)
    assert all(answer["items"] for answer in restored)
    assert not restoring.is_needed(tenant_a)


def test_a_flush_in_the_middle_of_publishing_hides_no_loss(
    whole: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.train(tenant_a)
    tasks.restore_missing()
    before = answers(whole)
    write_table = versions.write_table

    def lose_then_write(tenant: TenantRef, version: str, table: str, rows: Any) -> int:
        if table == "lists":
            redis.client().flushdb()
        return write_table(tenant, version, table, rows)

    with monkeypatch.context() as patched:
        patched.setattr(versions, "write_table", lose_then_write)
        version = running.train(tenant_a).version
    tasks.restore_missing()
    assert answers(whole) == [answer | {"model_version": version} for answer in before]


def test_a_restore_that_was_broken_off_is_done_again(
    whole: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = answers(whole)
    redis.client().flushdb()
    for step in ((cards, "refresh"), (versions, "write_table"), (versions, "flip")):
        with monkeypatch.context() as patched:
            patched.setattr(*step, broken_off)
            tasks.restore_missing()
        assert restoring.is_needed(tenant_a)
    tasks.restore_missing()
    assert answers(whole) == before


def broken_off(*_: Any) -> None:
    raise SystemError("killed")


def test_one_shop_that_cannot_be_restored_keeps_no_other_from_it(
    whole: Api, api_b: Api, tenant_a: TenantRef, tenant_b: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    api_b.post("catalog/items", {"item_id": "x", "title": "X"})
    redis.client().flushdb()
    rebuild = cards.rebuild
    monkeypatch.setattr(
        cards, "rebuild", lambda tenant: broken_off() if tenant.slug == tenant_a.slug else rebuild(tenant)
    )
    tasks.restore_missing()
    assert restoring.is_needed(tenant_a)
    assert not restoring.is_needed(tenant_b)
    assert len(everything(tenant_b)) > 1


def test_a_broken_model_is_trained_anew(whole: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch) -> None:
    queued: list[Any] = []
    monkeypatch.setattr(current_app, "send_task", lambda name, args, **_: queued.append((name, args)))
    [manifest] = Path(modelstore.folder(tenant_a).path).glob("*/manifest.json")
    manifest.write_text("{}")
    redis.client().flushdb()
    tasks.restore_missing()
    assert queued == [("recommendations.train", [tenant_a.slug])]
    notice(whole)
    assert slate(whole, strategy="popular")["model_version"] is None
    tasks.train(tenant_a.slug)
    tasks.restore_missing()
    notice(whole)
    assert ids(slate(whole, placement="only-mine")) == ["lamp"]


def test_suspended_shops_wait(whole: Api, tenants: tuple[Tenant, Tenant], tenant_a: TenantRef) -> None:
    changing.suspend_tenant(tenants[0])
    redis.client().flushdb()
    tasks.restore_missing()
    assert restoring.is_needed(tenant_a)


def test_a_restore_never_empties_what_is_served(
    whole: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table is replaced in one step: between any two commands to Redis the answers are whole."""
    before = answers(whole)
    client = redis.client()

    class Watched:
        def __getattr__(self, name: str) -> Any:
            assert answers(whole) == before, f"before {name}"
            return getattr(client, name)

    with monkeypatch.context() as patched:
        patched.setattr(versions.redis, "client", Watched)
        restoring.publishing.republish(tenant_a)
    assert answers(whole) == before


def test_what_a_failed_training_wrote_goes_by_itself(
    shop: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = slate(shop)["model_version"]
    with monkeypatch.context() as patched:
        patched.setattr(versions, "flip", broken_off)
        with pytest.raises(SystemError):
            running.train(tenant_a)
    for name in redis.client().keys(f"{{{tenant_a.slug}}}:m:*"):
        forever = redis.client().ttl(name) == -1
        assert forever == (live in name.decode())
