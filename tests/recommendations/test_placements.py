"""Placements: kept by the API, and live everywhere within a second."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from recommendations.placements import BUILT_IN
from recommendations.strategies import STRATEGIES
from tests.api import Api
from tests.recommendations.conftest import ids, slate

MINE = {"key": "mine", "name": "Mine", "cascade": ["popular", "trending"], "limit": 3}


def eventually(api: Api, wanted: int, **params: Any) -> Any:
    """The first answer of the wanted status, which must come within a second."""
    began = time.monotonic()
    while (answer := api.get("recommendations", params)).status != wanted:
        assert time.monotonic() - began < 1, answer.body
        time.sleep(0.02)
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
    assert ids(eventually(shop, 200, placement="mine")) == ["tea", "mug", "cup"]
    shop.call("PATCH", "placements/mine", data={"cascade": ["trending"], "limit": 1})
    began = time.monotonic()
    while ids(slate(shop, placement="mine")) != ["bulb"]:
        assert time.monotonic() - began < 1
        time.sleep(0.02)
    shop.call("DELETE", "placements/mine")
    missing = eventually(shop, 404, placement="mine")
    assert missing["code"] == "unknown_placement"
    assert "home" in missing["detail"]


def test_a_renamed_placement_answers_to_its_new_key(shop: Api) -> None:
    shop.post("placements", MINE)
    eventually(shop, 200, placement="mine")
    assert shop.call("PATCH", "placements/mine", data={"key": "ours"}).json["key"] == "ours"
    eventually(shop, 200, placement="ours")
    eventually(shop, 404, placement="mine")


def test_each_shop_has_its_own(api_a: Api, api_b: Api) -> None:
    api_a.post("placements", MINE)
    eventually(api_a, 200, placement="mine")
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
    time.sleep(0.6)
    assert len(slate(shop, placement="mine")["items"]) == shop.get("placements/mine").json["limit"]
