"""What is stored of somebody: told whole to whoever may ask, and erased with nothing left that tells of her."""

import json
import logging
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from django.core.management import call_command

from events import archiving, tasks
from tenants.models import AuditEntry
from tenants.types import KeyType, TenantRef
from tests.api import Api
from tests.conftest import new_key
from tests.events.months import count, during, event, month, send
from tests.events.traces import erase, erased, exported, places

pytestmark = pytest.mark.usefixtures("files")
OLD, NOW = month(2), month(0)


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


@pytest.mark.parametrize(
    "identifier", ["a/b", "a%2Fb", "100%", "a b?c#d", "x/export", "/x", "~!@$&'()*+,;=:[]\\\"", "."]
)
def test_any_id_fits_into_the_address(api_a: Api, tenant_a: TenantRef, identifier: str) -> None:
    send(api_a, event(1, NOW, visitor_id=identifier), event(2, NOW, visitor_id="x"))
    assert [each["visitor_id"] for each in exported(api_a, identifier)["events"]] == [identifier]
    assert erased(api_a, identifier)["events"] == 1
    assert [row["visitor_id"] for row in api_a.get("events").json["results"]] == ["x"]


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
    assert places(files, "127.0.0.1") == set()
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
