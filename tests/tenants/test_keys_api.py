"""Keys through the API: made, shown once, limited, rotated, revoked with all that they made."""

from datetime import timedelta
from typing import Any

import pytest
import time_machine

from recomengine.lib import clock
from tenants import keys
from tenants.models import ApiKey, AuditEntry, Tenant
from tenants.types import KeyType, TenantRef
from tests.api import Answer, Api
from tests.conftest import new_key

SHOP = "https://shop.example"


def refusal(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json["code"]


def made(api: Api, **fields: Any) -> dict[str, Any]:
    answer = api.post("api-keys", {"type": "rw"} | fields)
    assert answer.status == 201, answer.body
    found: dict[str, Any] = answer.json
    return found


def works(api: Api, key: str) -> bool:
    answers = [Api(api.edge, key).get(path).status for path in ("recommendations", "strategies")]
    assert answers in ([200, 200], [401, 401])  # one endpoint of the edge, one of Django
    return answers[0] == 200


def forget_live_states(api: Api) -> None:
    """What a serving process does by itself within half a second."""
    api.edge.application.edge.states._states.clear()


def test_a_key_is_shown_once_and_then_only_described(api_a: Api) -> None:
    new = made(api_a, name="ERP", requests_per_second=7)
    assert new["key"].startswith(f"rec_rw_{new['id']}_")
    assert works(api_a, new["key"])
    listed = api_a.get("api-keys").json["results"][0]
    read = api_a.get(f"api-keys/{new['id']}").json
    assert (read["name"], read["status"], read["requests_per_second"]) == ("ERP", "active", 7)
    assert {**read, "last_used_at": None} == {**listed, "last_used_at": None}
    assert "key" not in read
    assert new["key"].split("_")[3] not in str(api_a.get("api-keys").body)


def test_a_publishable_key_has_origins_of_its_own_or_the_shops(api_a: Api, tenant_a: TenantRef) -> None:
    Tenant.objects.filter(slug="shop-a").update(allowed_origins=[SHOP])
    own = Api(api_a.edge, made(api_a, type="pub", allowed_origins=["https://other.example"])["key"])
    shops = Api(api_a.edge, made(api_a, type="pub")["key"])
    Tenant.objects.filter(slug="shop-a").update(allowed_origins=[])
    for path in ("recommendations", "widgets/config"):
        assert refusal(own.get(path, origin=SHOP)) == (403, "origin_not_allowed")
        assert own.get(path, origin="https://other.example").status == 200
    assert shops.get("widgets/config", origin=SHOP).status == 403
    Tenant.objects.filter(slug="shop-a").update(allowed_origins=[SHOP])
    assert shops.get("widgets/config", origin=SHOP).headers["access-control-allow-origin"] == SHOP


@pytest.mark.parametrize(
    "fields",
    [
        {"type": "admin"}, {"type": None}, {"name": "x" * 81}, {"name": "a\x00"},
        {"type": "pub", "allowed_origins": ["shop.example"]},
        {"type": "pub", "allowed_origins": ["https://shop.example/"]}, {"type": "pub", "allowed_origins": ["null"]},
        {"allowed_origins": [SHOP]}, {"expires_at": "2020-01-01T00:00:00Z"}, {"expires_at": "tomorrow"},
        {"expires_at": "2030-01-01T00:00:00"}, {"requests_per_second": 0}, {"scope": "all"},
        {"type": "pub", "allowed_origins": [SHOP] * 51},
    ],
)  # fmt: skip
def test_a_wrong_value_makes_no_key(api_a: Api, fields: dict[str, Any]) -> None:
    before = ApiKey.objects.count()
    assert refusal(api_a.post("api-keys", {"type": "rw"} | fields)) == (400, "invalid")
    assert ApiKey.objects.count() == before


def test_a_key_expires(api_a: Api) -> None:
    new = made(api_a, expires_at=(clock.now() + timedelta(hours=1)).isoformat())
    assert works(api_a, new["key"])
    with time_machine.travel(clock.now() + timedelta(hours=2)):
        assert not works(api_a, new["key"])
        assert api_a.get(f"api-keys/{new['id']}").json["status"] == "expired"


def test_a_rotated_key_goes_on_for_the_overlap(api_a: Api) -> None:
    old = made(api_a, type="pub", allowed_origins=[SHOP], name="Shop", requests_per_second=9)
    answer = api_a.post(f"api-keys/{old['id']}/rotate", {"overlap_seconds": 3600})
    assert answer.status == 201
    new = answer.json
    assert [new[each] for each in ("type", "name", "allowed_origins", "requests_per_second")] == [
        "pub", "Shop", [SHOP], 9,
    ]  # fmt: skip
    assert new["key"] != old["key"]
    with time_machine.travel(clock.now() + timedelta(minutes=59)):
        forget_live_states(api_a)
        assert Api(api_a.edge, old["key"]).get("recommendations").status == 200
    with time_machine.travel(clock.now() + timedelta(minutes=61)):
        assert refusal(Api(api_a.edge, old["key"]).get("recommendations")) == (401, "invalid_key")
        assert Api(api_a.edge, new["key"]).get("recommendations").status == 200


def test_a_rotation_without_overlap_ends_the_old_key_now(api_a: Api) -> None:
    old = made(api_a)
    assert works(api_a, old["key"])
    new = api_a.post(f"api-keys/{old['id']}/rotate", {"overlap_seconds": 0}).json
    forget_live_states(api_a)
    assert not works(api_a, old["key"])
    assert works(api_a, new["key"])
    assert refusal(api_a.post(f"api-keys/{old['id']}/rotate")) == (404, "not_found")


@pytest.mark.parametrize("body", [{"overlap_seconds": -1}, {"overlap_seconds": 31 * 86400}, {"overlap": 1}])
def test_a_wrong_overlap_rotates_nothing(api_a: Api, body: dict[str, int]) -> None:
    old = made(api_a)
    assert refusal(api_a.post(f"api-keys/{old['id']}/rotate", body)) == (400, "invalid")
    assert api_a.get(f"api-keys/{old['id']}").json["expires_at"] is None


def test_a_revoked_key_is_refused_everywhere_within_a_second(api_a: Api) -> None:
    key = made(api_a)
    assert works(api_a, key["key"])
    assert api_a.call("DELETE", f"api-keys/{key['id']}").status == 204
    api_a.edge.age(1.0)
    assert not works(api_a, key["key"])
    assert api_a.get(f"api-keys/{key['id']}").json["status"] == "revoked"
    assert refusal(api_a.call("DELETE", f"api-keys/{key['id']}")) == (404, "not_found")


def test_a_revoked_key_takes_the_keys_with_it_that_it_made(api_a: Api) -> None:
    stolen = made(api_a)
    thief = Api(api_a.edge, stolen["key"])
    child = made(thief)
    grandchild = made(Api(api_a.edge, child["key"]))
    successor = thief.post(f"api-keys/{stolen['id']}/rotate").json
    mine = made(api_a)
    assert api_a.call("DELETE", f"api-keys/{stolen['id']}").status == 204
    forget_live_states(api_a)
    assert [works(api_a, key["key"]) for key in (stolen, child, grandchild, successor, mine)] == [False] * 4 + [True]


def test_a_key_that_replaces_itself_may_end_its_former_self(api_a: Api) -> None:
    old = made(api_a)
    new = Api(api_a.edge, old["key"]).post(f"api-keys/{old['id']}/rotate").json
    assert Api(api_a.edge, new["key"]).call("DELETE", f"api-keys/{old['id']}").status == 204
    forget_live_states(api_a)
    assert works(api_a, new["key"])
    assert not works(api_a, old["key"])


def test_who_did_what_to_a_key_is_recorded_without_its_secret(api_a: Api) -> None:
    mark = AuditEntry.objects.order_by("-id").values_list("id", flat=True).first() or 0
    key = made(api_a, name="ERP")
    api_a.post(f"api-keys/{key['id']}/rotate")
    api_a.call("DELETE", f"api-keys/{key['id']}", x_request_id="request-0001")
    entries = list(AuditEntry.objects.filter(id__gt=mark).order_by("id"))
    assert [(each.action, each.object_id == key["id"]) for each in entries] == [
        ("api_key.created", True), ("api_key.created", False), ("api_key.rotated", True), ("api_key.revoked", True),
    ]  # fmt: skip
    assert {(each.actor_kind, each.actor, each.address) for each in entries} == {
        ("key", str(api_a.key).split("_")[2], "127.0.0.1")
    }
    assert entries[-1].request_id == "request-0001"
    assert entries[0].after["name"] == "ERP"
    assert key["key"].split("_")[3] not in str([(each.before, each.after) for each in entries])


# --- Peppers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["recommendations", "strategies"])
def test_a_key_moves_to_the_new_pepper_when_it_is_used(
    edge: Any, tenant_a: TenantRef, settings: Any, path: str
) -> None:
    key, idle = new_key(tenant_a), new_key(tenant_a)
    old = settings.API_KEY_PEPPER
    settings.API_KEY_PEPPER, settings.API_KEY_OLD_PEPPERS = "another", [old]
    assert Api(edge, key).get(path).status == 200
    moved = ApiKey.objects.filter(key_id=key.split("_")[2])
    edge.settle()
    assert moved.filter(pepper_id=keys.name_of("another")).exists()
    settings.API_KEY_OLD_PEPPERS = []
    edge.application.edge.keys._entries.clear() if edge.application.edge else None
    assert Api(edge, key).get(path).status == 200
    assert refusal(Api(edge, idle).get(path)) == (401, "invalid_key")


def test_a_wrong_secret_moves_nothing(edge: Any, tenant_a: TenantRef, settings: Any) -> None:
    key = new_key(tenant_a)
    settings.API_KEY_PEPPER, settings.API_KEY_OLD_PEPPERS = "another", [settings.API_KEY_PEPPER]
    for path in ("recommendations", "strategies"):
        assert Api(edge, key[:-4] + "0000").get(path).status == 401
    row = ApiKey.objects.get(key_id=key.split("_")[2])
    assert (row.last_used_at, row.pepper_id) == (None, keys.name_of(settings.API_KEY_OLD_PEPPERS[0]))


def test_a_wrong_key_and_an_unknown_one_are_compared_alike(
    tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The digest of what was sent is made and compared in any case, so time tells nothing of what there is."""
    compared: list[str] = []
    real = keys.matches
    monkeypatch.setattr(keys, "matches", lambda secret, *rest: compared.append(secret) or real(secret, *rest))
    token = keys.parse(new_key(tenant_a))
    assert token is not None
    known = keys.find(token.key_id, token.key_type)
    keys.check(token, known, None)
    for sent, found in ((token._replace(secret="0" * 48), known), (token, None), (None, None)):
        with pytest.raises(keys.DomainError):
            keys.check(sent, found, None)
    assert len(compared) == 4


def test_a_read_only_key_sees_keys_and_makes_none(edge: Any, tenant_a: TenantRef) -> None:
    reader = Api(edge, new_key(tenant_a, KeyType.READ_ONLY))
    assert reader.get("api-keys").status == 200
    assert refusal(reader.post("api-keys", {"type": "rw"})) == (403, "forbidden")
