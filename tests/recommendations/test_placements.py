"""Placements: kept by the API, and live everywhere within a second."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from recomengine.lib.errors import DomainError
from recommendations import placement_editing
from recommendations.models import Rule
from recommendations.placements import BUILT_IN
from recommendations.strategies import STRATEGIES
from tenants import tenancy
from tenants.models import AuditEntry
from tenants.types import PLATFORM, TenantRef
from tests.api import Api
from tests.recommendations.conftest import ids, notice, slate

MINE = {"key": "mine", "name": "Mine", "cascade": ["popular", "trending"], "limit": 3}


def a_second_later(api: Api, wanted: int, **params: Any) -> Any:
    """The answer, whose status must be the wanted one, when what the process knows is a second older."""
    api.edge.age(1.0)
    answer = api.get("recommendations", params)
    assert answer.status == wanted, answer.body
    return answer.json


def test_a_shop_begins_with_the_built_in_ones(api_a: Api) -> None:
    listed = {placement["key"]: placement for placement in api_a.get("placements").json["results"]}
    assert set(listed) == set(BUILT_IN)
    for key, (name, cascade) in BUILT_IN.items():
        assert (listed[key]["name"], listed[key]["cascade"]) == (name, list(cascade))
        assert api_a.get("recommendations", {"placement": key}).status == 200


def test_created_read_changed_and_removed(api_a: Api) -> None:
    created = api_a.post("placements", MINE)
    assert created.status == 201
    assert {name: created.json[name] for name in MINE} == MINE
    assert api_a.get("placements/mine").json == created.json
    changed = api_a.call("PATCH", "placements/mine", data={"cascade": ["similar"], "name": "Yours"})
    assert changed.status == 200
    assert changed.json == created.json | {
        "cascade": ["similar"], "name": "Yours", "version": 2, "updated_at": changed.json["updated_at"],
    }  # fmt: skip
    assert changed.json["updated_at"] > created.json["updated_at"]
    assert api_a.call("DELETE", "placements/mine").status == 204
    for method in ("GET", "PATCH", "DELETE"):
        answer = api_a.call(method, "placements/mine", data={})
        assert (answer.status, answer.json["code"]) == (404, "not_found")


def test_every_change_is_served_within_a_second(shop: Api) -> None:
    assert shop.get("recommendations", {"placement": "mine"}).status == 404
    shop.post("placements", MINE)
    assert ids(a_second_later(shop, 200, placement="mine")) == ["tea", "mug", "cup"]
    shop.call("PATCH", "placements/mine", data={"cascade": ["trending"], "limit": 1})
    assert ids(a_second_later(shop, 200, placement="mine")) == ["bulb"]
    shop.call("DELETE", "placements/mine")
    missing = a_second_later(shop, 404, placement="mine")
    assert missing["code"] == "unknown_placement"
    assert "home" in missing["detail"]


def test_a_renamed_placement_answers_to_its_new_key(shop: Api) -> None:
    shop.post("placements", MINE)
    a_second_later(shop, 200, placement="mine")
    assert shop.call("PATCH", "placements/mine", data={"key": "ours"}).json["key"] == "ours"
    a_second_later(shop, 200, placement="ours")
    a_second_later(shop, 404, placement="mine")


def test_each_shop_has_its_own(api_a: Api, api_b: Api) -> None:
    api_a.post("placements", MINE)
    a_second_later(api_a, 200, placement="mine")
    assert api_b.get("recommendations", {"placement": "mine"}).status == 404
    assert api_b.post("placements", MINE | {"name": "Theirs"}).status == 201
    assert api_a.get("placements/mine").json["name"] == "Mine"


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"key": "Upper"}, "/key"),
        ({"key": "with space"}, "/key"),
        ({"key": ""}, "/key"),
        ({"key": "k" * 65}, "/key"),
        ({"key": "home"}, "/key"),
        ({"key": None}, "/key"),
        ({"name": ""}, "/name"),
        ({"name": "x" * 121}, "/name"),
        ({"name": "\u0000"}, "/name"),
        ({"limit": 0}, "/limit"),
        ({"limit": 51}, "/limit"),
        ({"limit": "many"}, "/limit"),
        ({"cascade": "popular"}, "/cascade"),
        ({"cascade": None}, "/cascade"),
        ({"cascade": []}, None),
        ({"cascade": ["popular", "popular"]}, None),
        ({"cascade": [None]}, "/cascade/0"),
        ({"casade": ["popular"]}, None),
    ],
)
def test_what_makes_no_placement(api_a: Api, change: dict[str, Any], pointer: str | None) -> None:
    refused = api_a.post("placements", MINE | change)
    assert (refused.status, refused.json["code"]) == (400, "invalid"), refused.body
    if pointer is not None:
        assert [error["pointer"] for error in refused.json["errors"]] == [pointer]
    api_a.post("placements", MINE)
    before = api_a.get("placements/mine").body
    assert api_a.call("PATCH", "placements/mine", data=change).status == 400
    assert api_a.get("placements/mine").body == before


def test_a_strategy_that_does_not_exist(api_a: Api) -> None:
    refused = api_a.post("placements", MINE | {"cascade": ["popular", "magic"]})
    assert (refused.status, refused.json["code"]) == (400, "unknown_strategy")
    assert all(name in refused.json["detail"] for name in STRATEGIES)


@pytest.mark.parametrize("body", [b"{", b"[]", b"3", b'"mine"', b"null"])
def test_bodies_that_are_none(api_a: Api, body: bytes) -> None:
    for method, path in (("POST", "placements"), ("PATCH", "placements/home")):
        answer = api_a.call(method, path, data=body)
        assert answer.status == 400, answer.body
        assert answer.json["code"] in {"malformed_json", "invalid"}


def test_of_two_who_want_one_key_one_gets_it(api_a: Api) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda n: api_a.post("placements", MINE | {"name": f"Mine {n}"}), range(6)))
    statuses = sorted(answer.status for answer in answers)
    assert statuses[0] == 201
    assert set(statuses[1:]) <= {400, 409}


def test_changes_at_once_end_in_what_is_stored(shop: Api) -> None:
    """Whoever publishes last publishes what stands in the database then."""
    shop.post("placements", MINE)
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda n: shop.call("PATCH", "placements/mine", data={"limit": n}), range(1, 8)))
    notice(shop)
    assert len(slate(shop, placement="mine")["items"]) == shop.get("placements/mine").json["limit"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"filter": "red"}, "/filter"),
        ({"filter": {"all": [{"field": "brand", "op": "like", "value": "A"}]}}, "/filter/all/0/op"),
        ({"filter": {"field": "nothing", "op": "eq", "value": "A"}}, "/filter/field"),
        ({"filter": {"field": "price", "op": "lt", "value": 10**30}}, "/filter"),
        ({"diversity": 1.1}, "/diversity"),
        ({"diversity": "nan"}, "/diversity"),
        ({"margin": -0.1}, "/margin"),
        ({"newness": 2}, "/newness"),
        ({"exploration": 0.51}, "/exploration"),
        ({"rotation": "perhaps"}, "/rotation"),
        ({"cascade": ["popular", "magic"]}, "/cascade/1"),
    ],
)
def test_settings_that_are_none(api_a: Api, change: dict[str, Any], pointer: str) -> None:
    api_a.post("placements", MINE)
    before = api_a.get("placements/mine").body
    for refused in (
        api_a.post("placements", MINE | {"key": "other"} | change),
        api_a.call("PATCH", "placements/mine", data=change),
    ):
        assert refused.status == 400, refused.body
        assert [error["pointer"] for error in refused.json["errors"]] == [pointer]
    assert api_a.get("placements/mine").body == before
    assert api_a.get("placements/other").status == 404


def test_half_an_emoji_in_a_filter_and_a_name(api_a: Api) -> None:
    """JavaScript cuts texts inside a character; PostgreSQL stores no half of one."""
    body = json.dumps(MINE | {"name": "\ud83d", "filter": {"field": "brand", "op": "eq", "value": "\ud83d"}})
    created = api_a.post("placements", body.encode())
    assert (created.status, created.json["name"], created.json["filter"]["value"]) == (201, "\ufffd", "\ufffd")


def test_every_setting_is_kept_and_every_change_is_a_version(api_a: Api) -> None:
    settings = {
        "filter": {"field": "brand", "op": "eq", "value": "Acme"}, "diversity": 0.3, "rotation": False, "margin": 0.2,
        "newness": 0.1, "exploration": 0.25, "one_per_group": False,
    }  # fmt: skip
    created = api_a.post("placements", MINE | settings).json
    assert {name: created[name] for name in settings} == settings
    assert api_a.call("PATCH", "placements/mine", data={"limit": 3}).json["version"] == 1  # as it was
    assert api_a.call("PATCH", "placements/mine", data={"limit": 4, "version": 9}).json["version"] == 2
    assert api_a.call("PATCH", "placements/mine", data={"filter": None}).json["version"] == 3


def test_former_versions_are_read_and_gone_back_to(api_a: Api, tenant_a: TenantRef) -> None:
    first = api_a.post("placements", MINE).json
    api_a.call("PATCH", "placements/mine", data={"limit": 5, "filter": {"field": "brand", "op": "exists"}})
    api_a.call("PATCH", "placements/mine", data={"key": "ours", "cascade": ["new"]})
    versions = api_a.get("placements/ours/versions").json["results"]
    assert [each["version"] for each in versions] == [3, 2, 1]
    assert [each["settings"]["limit"] for each in versions] == [5, 5, 3]
    assert [each["settings"]["cascade"] for each in versions] == [["new"], MINE["cascade"], MINE["cascade"]]
    assert versions[0]["changed_at"] > versions[1]["changed_at"] > versions[2]["changed_at"]
    assert versions[2]["settings"] == {name: first[name] for name in versions[2]["settings"]}
    back = api_a.call("PATCH", "placements/ours", data=versions[1]["settings"]).json
    assert (back["version"], back["limit"], back["cascade"]) == (4, 5, MINE["cascade"])
    restored = placement_editing.restore(tenant_a, "ours", 1, by=PLATFORM)
    assert (restored.key, restored.version, restored.limit, restored.filter) == ("ours", 5, 3, None)
    with pytest.raises(DomainError, match="No version 9"):
        placement_editing.restore(tenant_a, "ours", 9, by=PLATFORM)


def test_versions_are_of_the_placement_that_there_is_now(api_a: Api, api_b: Api) -> None:
    api_a.post("placements", MINE)
    api_a.call("PATCH", "placements/mine", data={"limit": 5})
    api_b.post("placements", MINE | {"limit": 7})
    api_a.call("DELETE", "placements/mine")
    api_a.post("placements", MINE | {"limit": 2})
    for api, limit in ((api_a, 2), (api_b, 7)):
        [only] = api.get("placements/mine/versions").json["results"]
        assert (only["version"], only["settings"]["limit"]) == (1, limit)
    home = api_a.get("placements/home").json
    [first] = api_a.get("placements/home/versions").json["results"]
    assert (first["version"], first["changed_at"]) == (1, home["created_at"])


def test_what_is_done_to_placements_is_audited(api_a: Api) -> None:
    api_a.post("placements", MINE)
    api_a.call("PATCH", "placements/mine", data={"limit": 5})
    api_a.call("PATCH", "placements/mine", data={"limit": 5})
    api_a.call("DELETE", "placements/mine")
    created, edited, deleted = AuditEntry.objects.filter(object_type="placement").order_by("id")
    assert (created.action, created.after["limit"]) == ("placement.created", 3)
    assert (edited.action, edited.before) == ("placement.edited", {"limit": 3, "version": 1})
    assert edited.after == {"limit": 5, "version": 2}
    assert (deleted.action, deleted.before["key"]) == ("placement.deleted", "mine")


def test_what_a_rule_names_stays(api_a: Api, tenant_a: TenantRef) -> None:
    api_a.post("placements", MINE)
    with tenancy.use(tenant_a):
        rule = Rule.objects.create(
            key="no-mugs", name="No mugs", placement="mine",
            action={"type": "exclude", "filter": {"field": "item_id", "op": "eq", "value": "mug"}},
        )  # fmt: skip
    for refused in (
        api_a.call("DELETE", "placements/mine"),
        api_a.call("PATCH", "placements/mine", data={"key": "other"}),
    ):
        assert (refused.status, refused.json["code"]) == (409, "in_use")
        assert "no-mugs" in refused.json["detail"]
    assert api_a.call("PATCH", "placements/mine", data={"limit": 2}).status == 200
    with tenancy.use(tenant_a):
        rule.delete()
    assert api_a.call("DELETE", "placements/mine").status == 204


def test_there_are_not_too_many(api_a: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement_editing, "MAX_PLACEMENTS", len(BUILT_IN))
    refused = api_a.post("placements", MINE)
    assert (refused.status, refused.json["code"]) == (409, "conflict")
