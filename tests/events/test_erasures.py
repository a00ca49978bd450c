"""Erasures: until the id is nowhere, wherever they are interrupted, and nothing of others is lost."""

import json
import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from events import archive, archiving, erasing, history, reading, tasks
from events.models import Erasure
from recomengine.lib import clock, redis
from recomengine.lib.errors import DomainError
from tenants import tenancy
from tenants.types import TenantRef
from tests.api import Api
from tests.events.months import count, event, has_partition, month, send
from tests.events.past import errors, imported, upload
from tests.events.traces import erase, erased, exported, places, recently

pytestmark = pytest.mark.usefixtures("files")
OLD, NOW = month(2), month(0)
EVER = clock.now() - timedelta(days=396)


def test_an_erasure_leaves_others_alone(api_a: Api, api_b: Api, tenant_a: TenantRef, tenant_b: TenantRef) -> None:
    for api in (api_a, api_b):
        send(
            api,
            event(1, NOW, visitor_id="phone", user_id="ann"), event(2, NOW, visitor_id="phone"),
            event(3, NOW, visitor_id="kiosk", user_id="ann"), event(4, NOW, visitor_id="kiosk", user_id="bob"),
            event(5, NOW, visitor_id="kiosk"), event(6, NOW, visitor_id="other"),
        )  # fmt: skip
    outcome = erased(api_a, "ann")
    assert (outcome["status"], outcome["events"], outcome["archived_events"]) == ("completed", 3, 0)
    left = {(row["visitor_id"], row["item_id"]) for row in api_a.get("events").json["results"]}
    assert left == {("kiosk", "i4"), ("kiosk", "i5"), ("other", "i6")}
    assert count(tenant_b) == 6
    # Nothing tells any more that the kiosk was not bob's alone.
    assert sorted(reading.interactions(tenant_a, EVER)["visitor"].to_pylist()) == ["bob", "bob", "other"]
    recent = {name: recently(exported(api_a, name)) for name in ("kiosk", "bob", "other")}
    kiosk = {"{shop-a}:history:v:kiosk": ["vi4", "vi5"], "{shop-a}:owner:kiosk": "bob"}
    assert recent == {
        "kiosk": kiosk,
        "bob": kiosk | {"{shop-a}:history:u:bob": ["vi4", "vi5"]},
        "other": {"{shop-a}:history:v:other": ["vi6"]},
    }
    kept = api_b.get("visitors/ann/export").json["recent"]
    assert set(kept) == {f"{{shop-b}}:{key}" for key in ("history:u:ann", "history:v:phone", "owner:phone")}


def test_a_browser_is_erased_and_its_user_stays(api_a: Api, tenant_a: TenantRef) -> None:
    send(api_a, event(1, NOW, visitor_id="phone", user_id="ann"), event(2, NOW, visitor_id="laptop", user_id="ann"))
    assert erased(api_a, "phone")["events"] == 1
    assert [each["visitor_id"] for each in exported(api_a, "ann")["events"]] == ["laptop"]
    assert recently(exported(api_a, "ann")) == {
        "{shop-a}:history:u:ann": ["vi2"], "{shop-a}:history:v:laptop": ["vi2"], "{shop-a}:owner:laptop": "ann",
    }  # fmt: skip


def test_what_was_erased_and_is_sent_again_is_not_stored(api_a: Api, tenant_a: TenantRef) -> None:
    send(api_a, event(1, NOW, visitor_id="phone"))
    erased(api_a, "phone")
    assert send(api_a, event(1, NOW, visitor_id="phone")) == 0
    assert count(tenant_a) == 0


def test_the_archive_is_rewritten_for_browsers_that_only_it_knows(api_a: Api, tenant_a: TenantRef, files: Path) -> None:
    send(
        api_a,
        event(1, OLD, visitor_id="phone", user_id="ann"), event(2, OLD, visitor_id="phone"),
        event(3, OLD, visitor_id="kiosk"), event(4, OLD, visitor_id="other"), event(5, month(3), visitor_id="ann"),
        event(6, OLD, visitor_id="kiosk", user_id="bob"),
    )  # fmt: skip
    archiving.archive_closed(tenant_a, drop=True)
    send(api_a, event(7, NOW, visitor_id="phone"), event(8, NOW, visitor_id="kiosk", user_id="ann"))
    answer = erase(api_a, "ann").json
    assert (answer["status"], answer["events"]) == ("pending", 1)
    tasks.tend_erasures()
    outcome = api_a.get(f"erasures/{answer['id']}").json
    assert (outcome["status"], outcome["events"], outcome["archived_events"]) == ("completed", 2, 3)
    assert sorted(reading.interactions(tenant_a, EVER)["item_id"].to_pylist()) == ["i3", "i4", "i6"]
    for row in archive.months(tenant_a):
        archive.verify(tenant_a, row)
    assert len(list(files.rglob("*.parquet"))) == len(archive.months(tenant_a))
    assert archiving.restore(tenant_a, OLD) == 3


def test_an_erasure_goes_on_where_it_was_interrupted(
    api_a: Api, tenant_a: TenantRef, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(api_a, event(1, month(3), visitor_id="phone"), event(2, OLD, visitor_id="phone"), event(3, OLD))
    archiving.archive_closed(tenant_a)
    number = erase(api_a, "phone").json["id"]
    write, times = archive.write, iter([True, False])

    def once(*arguments: Any) -> Any:
        if next(times):
            return write(*arguments)
        raise DomainError("archive_unavailable")

    with monkeypatch.context() as broken:
        broken.setattr(archive, "write", once)
        tasks.tend_erasures()
    state = api_a.get(f"erasures/{number}").json
    assert (state["status"], state["archived_events"]) == ("pending", 1)
    with pytest.raises(DomainError, match="being erased"):
        archiving.restore(tenant_a, OLD)
    assert not any(each.dropped for each in archiving.archive_closed(tenant_a, drop=True))
    assert has_partition(tenant_a, OLD)
    tasks.tend_erasures()
    state = api_a.get(f"erasures/{number}").json
    assert (state["status"], state["events"], state["archived_events"]) == ("completed", 2, 1)  # OLD was archived anew
    assert places(files, "phone") == set()


def test_an_erasure_waits_while_the_archive_is_in_use(api_a: Api, tenant_a: TenantRef) -> None:
    send(api_a, event(1, NOW, visitor_id="phone"))
    number = erase(api_a, "phone").json["id"]
    with archiving.alone(tenant_a):
        tasks.go_on_erasing(tenant_a.slug)
    assert api_a.get(f"erasures/{number}").json["status"] == "pending"
    tasks.go_on_erasing(tenant_a.slug)
    assert api_a.get(f"erasures/{number}").json["status"] == "completed"


def test_an_erasure_while_redis_is_away_is_made_up_for(
    api_a: Api, tenant_a: TenantRef, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise redis.redis.ConnectionError("away")

    send(api_a, event(1, NOW, visitor_id="phone"))
    with monkeypatch.context() as without:
        without.setattr(history, "rewrite", away)
        number = erase(api_a, "phone").json["id"]
    assert places(files, "history:v:phone")
    tasks.tend_erasures()
    assert api_a.get(f"erasures/{number}").json["status"] == "completed"
    assert not places(files, "phone")


def test_after_an_erasure_the_id_is_nowhere(
    api_a: Api, api_b: Api, tenant_a: TenantRef, files: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    user, phone = "ann-7f3a9c", "phone-5d81e2"
    for api in (api_a, api_b):
        send(
            api,
            event(1, OLD, visitor_id=phone, session_id=f"s-{phone}"), event(2, OLD, visitor_id=phone, user_id=user),
            event(3, month(3), visitor_id="kiosk", user_id=user, properties={"mail": f"{user}@shop.example"}),
            event(4, NOW, visitor_id=user), event(5, NOW, visitor_id=phone), event(6, OLD, visitor_id="other"),
        )  # fmt: skip
        send(api, {"type": "login", "visitor_id": phone, "user_id": user})
    archiving.archive_closed(tenant_a, drop=True)
    send(api_a, event(7, OLD, visitor_id=phone))
    api_a.post("events/batch", {"events": [{"type": "nonsense", "visitor_id": user}, {"type": "nonsense"}]})
    assert "{shop-a}:stream" in places(files, user)
    assert "{shop-a}:stream" in exported(api_a, user)["recent"]
    assert len(places(files, user)) > 3
    caplog.clear()
    outcome = erased(api_a, user)
    assert outcome["status"] == "completed"
    theirs = {f"{{shop-b}}:history:{key}" for key in (f"u:{user}", f"v:{user}", f"v:{phone}")}
    theirs |= {"{shop-b}:owner:kiosk", f"{{shop-b}}:owner:{phone}"}
    assert places(files, user) | places(files, phone) == {"key"} | theirs
    assert all("shop-b" in key for key in redis.client().scan_iter(match=f"*{user}*") for key in [key.decode()])
    assert user not in caplog.text
    assert phone not in caplog.text
    assert len(api_b.get("events").json["results"]) == 7
    with tenancy.use(tenant_a):
        [row] = Erasure.objects.all()
    assert (row.subject, row.digest) == ({}, erasing.digest_of(tenant_a, user))
    assert sorted(reading.interactions(tenant_a, EVER)["visitor"].to_pylist()) == ["other"]


def test_an_erasure_covers_what_imports_left_behind(api_a: Api, tenant_a: TenantRef, files: Path) -> None:
    user = "ann-7f3a9c"
    view = {"type": "view", "occurred_at": NOW.isoformat()}
    rejected = [json.dumps(view | {"visitor_id": name, "item_id": f"{name} é"}) for name in (user, "bob")]
    done = imported(api_a, tenant_a, "\n".join([*rejected, f'{{"visitor_id": "{user}"']).encode())
    assert (done["rejected"], len(errors(api_a, done["id"]))) == (3, 3)
    waiting = upload(api_a, json.dumps(view | {"visitor_id": user, "item_id": "mug"}).encode())
    api_a.post(f"events/imports/{waiting}/cancel")
    send(api_a, event(1, NOW, visitor_id=user))
    assert places(files, user)
    assert erased(api_a, user)["status"] == "completed"
    assert places(files, user) <= {"key"}
    assert "bob" in str(errors(api_a, done["id"]))
    assert api_a.post(f"events/imports/{waiting}/resume").json["code"] == "file_gone"
