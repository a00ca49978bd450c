"""What is stored of somebody: told whole, and erased until the id is nowhere."""

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pyarrow.parquet as pq
import pytest
from django.core.management import call_command
from django.db import connection

from events import archive, archiving, erasing, history, reading, tasks
from events.models import Erasure
from recomengine.lib import clock, redis
from recomengine.lib.errors import DomainError
from tenants import tenancy
from tenants.models import AuditEntry
from tenants.types import KeyType, TenantRef
from tests.api import Answer, Api
from tests.conftest import new_key
from tests.events.months import count, during, event, has_partition, month, send
from tests.events.past import errors, imported, upload

OLD, NOW = month(2), month(0)
EVER = clock.now() - timedelta(days=396)


@pytest.fixture(autouse=True)
def files(settings: Any, tmp_path: Path) -> Path:
    """An empty archive in a directory."""
    settings.EVENT_ARCHIVE = str(tmp_path / "archive")
    return tmp_path / "archive"


def erase(api: Api, identifier: str) -> Answer:
    return api.call("DELETE", f"visitors/{identifier}")


def erased(api: Api, identifier: str) -> Any:
    """Erase, and have the worker do its part; how it ended."""
    answer = erase(api, identifier)
    assert answer.status == 202, answer.body
    tasks.tend_erasures()
    return api.get(f"erasures/{answer.json['id']}").json


def exported(api: Api, identifier: str) -> Any:
    answer = api.get(f"visitors/{identifier}/export")
    assert answer.status == 200, answer.body
    return answer.json


def texts(files: Path) -> Iterator[tuple[str, str]]:
    """Everything that is stored anywhere: each table's rows, Redis' keys and values, the archive's files."""
    connection.set_schema_to_public()
    with connection.cursor() as cursor:
        cursor.execute("SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('public', 't_shop_a')")
        for schema, name in cursor.fetchall():
            cursor.execute(f'SELECT each::text FROM "{schema}"."{name}" AS each')
            yield from ((f"{schema}.{name}", row) for (row,) in cursor.fetchall())
    client: Any = redis.client()
    for key in client.scan_iter():
        yield "key", key.decode()
        kind = client.type(key).decode()
        read = {"hash": "hgetall", "set": "smembers"}.get(kind)
        value = getattr(client, read)(key) if read else client.xrange(key) if kind == "stream" else None
        if value is None:
            assert kind in {"string", "list", "zset"}, key
            value = client.get(key) if kind == "string" else getattr(client, f"{kind[0]}range")(key, 0, -1)
        yield key.decode(), repr(value)
    for path in files.rglob("*"):
        if path.is_file():
            assert path.suffix == ".parquet"
            yield from ((str(path), repr(row)) for row in pq.read_table(path).to_pylist())
            assert "unused" not in str(path)


def places(files: Path, text: str) -> set[str]:
    """Where a text occurs."""
    return {where for where, each in texts(files) if text in each or text in where}


def recently(found: Any) -> dict[str, Any]:
    """What an export says of Redis, oldest first, without the times."""
    return {name: value if isinstance(value, str) else list(value) for name, value in found["recent"].items()}


def test_an_export_tells_everything(api_a: Api, api_b: Api, tenant_a: TenantRef) -> None:
    order = {
        "type": "purchase", "visitor_id": "phone", "user_id": "ann", "order_id": "o1", "consent": True,
        "items": [{"item_id": "mug", "quantity": 2, "price": "9.95"}, {"item_id": "cup", "price": 4}],
        "properties": {"colour": "é", "n": [1, None]}, "occurred_at": during(OLD),
    }  # fmt: skip
    send(api_a, order, event(1, OLD, visitor_id="phone"), event(2, OLD, visitor_id="other"))
    archiving.archive_closed(tenant_a, drop=True)
    send(api_a, event(3, NOW, visitor_id="phone"), event(4, NOW, visitor_id="kiosk", user_id="ann"))
    send(api_a, event(5, NOW, visitor_id="kiosk", user_id="bob"), event(6, NOW, visitor_id="kiosk"))
    send(api_b, event(7, NOW, visitor_id="phone", user_id="ann"))
    found = exported(api_a, "ann")
    assert (found["id"], found["users"], found["visitors"]) == ("ann", [], ["phone"])
    assert sorted(each["item_id"] for each in found["events"]) == ["cup", "i1", "i3", "i4", "mug"]
    mug = next(each for each in found["events"] if each["item_id"] == "mug")
    names = ("type", "order_id", "price", "quantity", "properties", "consent", "visitor_id", "user_id")
    assert [mug[name] for name in names] == [
        "purchase", "o1", "9.9500", 2, {"colour": "é", "n": [1, None]}, True, "phone", "ann",
    ]  # fmt: skip
    whose = [f"{kind}:{who}" for kind in ("history", "bought") for who in ("u:ann", "v:phone")]
    assert set(found["recent"]) == {f"{{shop-a}}:{key}" for key in (*whose, "owner:phone")}
    found = exported(api_a, "phone")
    assert (found["users"], found["visitors"]) == (["ann"], [])
    assert len(found["events"]) == 4


def test_an_export_of_nobody_is_not_found(api_a: Api, api_b: Api) -> None:
    send(api_b, event(1, NOW, visitor_id="phone"))
    answer = api_a.get("visitors/phone/export")
    assert (answer.status, answer.json["code"]) == (404, "not_found")
    assert api_a.get(f"visitors/{'x' * 129}/export").json["code"] == "invalid"
    assert api_a.get("visitors/é/export").json["code"] == "invalid"


def test_who_may_read_and_who_may_erase(edge: Any, api_a: Api, tenant_a: TenantRef) -> None:
    send(api_a, event(1, NOW, visitor_id="phone"))
    for kind, statuses in {KeyType.PUBLISHABLE: (403, 403), KeyType.READ_ONLY: (200, 403)}.items():
        api = Api(edge, new_key(tenant_a, kind))
        assert (api.get("visitors/phone/export").status, erase(api, "phone").status) == statuses
    assert count(tenant_a) == 1


def test_exports_and_erasures_are_recorded_without_the_id(api_a: Api) -> None:
    send(api_a, event(1, NOW, visitor_id="phone"))
    exported(api_a, "phone")
    number = erased(api_a, "phone")["id"]
    export, erasure = AuditEntry.objects.filter(action__startswith="visitor.").order_by("-pk")[:2][::-1]
    assert (export.action, export.actor_kind) == ("visitor.exported", "key")
    assert (erasure.action, erasure.object_id, erasure.after) == ("visitor.erased", str(number), {"events": 1})
    assert "phone" not in export.object_id + erasure.object_id


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


@pytest.mark.parametrize(
    "identifier", ["a/b", "a%2Fb", "100%", "a b?c#d", "x/export", "/x", "~!@$&'()*+,;=:[]\\\"", "."]
)
def test_any_id_fits_into_the_address(api_a: Api, tenant_a: TenantRef, identifier: str) -> None:
    send(api_a, event(1, NOW, visitor_id=identifier), event(2, NOW, visitor_id="x"))
    assert [each["visitor_id"] for each in exported(api_a, identifier)["events"]] == [identifier]
    assert erased(api_a, identifier)["events"] == 1
    assert [row["visitor_id"] for row in api_a.get("events").json["results"]] == ["x"]


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


def test_what_was_shown_to_somebody_is_exported_and_erased(
    edge: Any, api_a: Api, api_b: Api, tenant_a: TenantRef, files: Path
) -> None:
    user, phone = "ann-7f3a9c", "phone-5d81e2"
    send(api_a, event(1, NOW, visitor_id=phone, user_id=user), event(2, NOW, visitor_id="kiosk", user_id=user))
    send(api_a, event(3, NOW, visitor_id="kiosk", user_id="bob"))
    asked = [
        {"visitor_id": phone, "session_items": ["i1"]}, {"visitor_id": phone, "user_id": user}, {"visitor_id": "kiosk"},
        {"visitor_id": "kiosk", "user_id": user}, {"visitor_id": "laptop", "user_id": user}, {"visitor_id": "other"},
    ]  # fmt: skip
    for api in (api_a, api_b):
        for each in asked:
            assert api.get("recommendations", each).status == 200
    edge.application.edge.serving_log.flush()
    slates = exported(api_a, user)["slates"]
    whose = [(each["visitor_id"], each["user_id"]) for each in slates]
    assert whose == [(phone, None), (phone, user), ("kiosk", user), ("laptop", user)]
    assert slates[0]["session_items"] == ["i1"]
    assert "t_shop_a.recommendations_servedslate" in {where.rsplit("_", 2)[0] for where in places(files, user)}
    for each in asked[:2]:  # of which the process has not written anything yet when the erasure begins
        assert api_a.get("recommendations", each).status == 200
    answer = erase(api_a, user)
    edge.application.edge.serving_log.flush()
    tasks.tend_erasures()
    assert api_a.get(f"erasures/{answer.json['id']}").json["status"] == "completed"
    assert not {where for name in (user, phone) for where in places(files, name) if "t_shop_a" in where}
    assert [each["visitor_id"] for each in exported(api_a, "kiosk")["slates"]] == ["kiosk"]
    assert len(exported(api_a, "other")["slates"]) == 1
    assert len(api_b.get(f"visitors/{user}/export").json["slates"]) == 3


def test_who_was_shown_something_and_sent_nothing_has_a_right_to_it_too(edge: Any, api_a: Api) -> None:
    assert api_a.get("recommendations", {"visitor_id": "quiet"}).status == 200
    edge.application.edge.serving_log.flush()
    found = exported(api_a, "quiet")
    assert (len(found["slates"]), found["events"], found["recent"]) == (1, [], {})
    assert erased(api_a, "quiet")["status"] == "completed"
    assert api_a.get("visitors/quiet/export").status == 404


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


def test_addresses_of_senders_are_stored_nowhere(
    edge: Any, api_a: Api, tenant_a: TenantRef, files: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    address = "203.0.113.77"
    headers = {
        "x_forwarded_for": address,
        "x_real_ip": address,
        "forwarded": f"for={address}",
        "true_client_ip": address,
    }
    browser = Api(edge, new_key(tenant_a, KeyType.PUBLISHABLE, origins=("https://shop.example",)))
    for api in (api_a, browser):
        sent = {"events": [event(1, OLD), event(2, NOW) | {"event_id": None}, {"type": "nonsense"}]}
        sent["events"][1].pop("event_id")
        assert api.post("events/batch", sent, origin="https://shop.example", **headers).status == 202
        assert api.post("events", event(3, NOW), origin="https://shop.example", **headers).status == 202
    archiving.archive_closed(tenant_a)
    assert count(tenant_a) >= 3
    assert places(files, address) == set()
    assert places(files, "127.0.0.1") <= {"public.tenants_auditentry"}  # of other tests' people
    assert address not in caplog.text


def test_commands_export_and_erase(api_a: Api, tenant_a: TenantRef, tmp_path: Path) -> None:
    send(api_a, event(1, OLD, visitor_id="phone"))
    archiving.archive_closed(tenant_a)
    out, path = StringIO(), tmp_path / "phone.json"
    call_command("export_visitor", "shop-a", "phone", "--to", str(path), "--json", stdout=out)
    assert json.loads(out.getvalue())["bytes"] == path.stat().st_size
    assert len(msgspec.json.decode(path.read_bytes())["events"]) == 1
    out = StringIO()
    call_command("erase_visitor", "shop-a", "phone", "--json", stdout=out)
    answer = json.loads(out.getvalue())
    assert (answer["events"], answer["archived_events"]) == (1, 1)
    assert answer["completed_at"]
    with pytest.raises(SystemExit):
        call_command("export_visitor", "shop-a", "phone", "--to", str(path), "--json", stdout=out)
    assert quote("phone") not in str(list(AuditEntry.objects.order_by("-pk").values()[:2]))
