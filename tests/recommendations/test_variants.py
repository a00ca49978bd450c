"""A placement under test serves each visitor the variant that `manage.py assign` says, and nobody else any."""

import io
import json
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

import experiments.bucketing
from recomengine.lib import redis
from recommendations import restoring
from tenants.types import TenantRef
from tests.api import Api
from tests.experiments.test_editing import started
from tests.recommendations.conftest import ids, notice, slate

VECTORS = json.loads(Path(experiments.bucketing.__file__).with_name("vectors.json").read_text())
VISITORS = [f"v-{number}" for number in range(300)]
THREE = [
    {"key": "control", "weight": 0.5, "configuration": {}},
    {"key": "trend", "weight": 0.3, "configuration": {"cascade": ["trending"], "limit": 1}},
    {"key": "two", "weight": 0.2, "configuration": {"limit": 2}},
]


def buckets(seed: str, visitors: list[str]) -> list[float]:
    out = io.StringIO()
    call_command("assign", seed, *visitors, stdout=out)
    return [json.loads(line)["bucket"] for line in out.getvalue().splitlines()]


def expected(bucket: float, coverage: float) -> str | None:
    """The owner of a bucket: a variant's range begins where the weights before it end, and is as long as its share."""
    for key, begins, weight in (("control", 0.0, 0.5), ("trend", 0.5, 0.3), ("two", 0.8, 0.2)):
        if begins <= bucket < begins + weight * coverage:
            return key
    return None


def variants(api: Api, placement: str, visitors: list[str]) -> list[str | None]:
    answers = [slate(api, placement=placement, item_id="mug", visitor_id=each)["experiment"] for each in visitors]
    return [answer and answer["variant"] for answer in answers]


def test_each_visitor_is_served_the_variant_of_its_bucket(shop: Api) -> None:
    started(shop, variants=THREE, coverage=0.5)
    for coverage in (0.5, 1.0):
        shop.call("PATCH", "experiments/first", data={"coverage": coverage})
        notice(shop)
        served = variants(shop, "pdp", VISITORS)
        assert served == [expected(bucket, coverage) for bucket in buckets("shop-a:first:1", VISITORS)]
        counts = Counter(served)
        assert set(counts) == {"control", "trend", "two", *([None] if coverage < 1 else [])}


def test_raising_the_coverage_moves_nobody_who_takes_part(shop: Api) -> None:
    started(shop, variants=THREE, coverage=0.3)
    notice(shop)
    before = variants(shop, "pdp", VISITORS)
    shop.call("PATCH", "experiments/first", data={"coverage": 0.9})
    notice(shop)
    after = variants(shop, "pdp", VISITORS)
    assert all(was in {None, now} for was, now in zip(before, after, strict=True))
    assert after.count(None) < before.count(None)


def test_ids_of_all_kinds_are_served_as_the_shared_vectors_say(shop: Api) -> None:
    """The vectors that the browser's code is held to; those of the seed of an experiment's phase reach the answer."""
    visitors = sorted({each["visitor_id"] for each in VECTORS if each["visitor_id"].isascii()})
    known = [each for each in visitors if shop.get("recommendations", {"visitor_id": each}).status == 200 and each]
    assert len(known) > 5
    started(shop, variants=THREE)
    notice(shop)
    computed = [experiments.bucketing.bucket("shop-a:first:1", each) for each in known]
    assert buckets("shop-a:first:1", known) == computed
    assert variants(shop, "pdp", known) == [expected(bucket, 1.0) for bucket in computed]


def of_variant(key: str) -> str:
    """A visitor that has the variant."""
    found = zip(VISITORS, buckets("shop-a:first:1", VISITORS), strict=True)
    return next(visitor for visitor, bucket in found if expected(bucket, 1.0) == key)


def test_a_variant_changes_what_is_served_and_the_answer_names_it(shop: Api) -> None:
    plain = slate(shop, placement="pdp", item_id="mug")
    started(shop, variants=THREE)
    notice(shop)
    served = {
        key: slate(shop, placement="pdp", item_id="mug", visitor_id=of_variant(key))
        for key in ("control", "trend", "two")
    }
    assert {key: answer["experiment"] for key, answer in served.items()} == {
        key: {"key": "first", "variant": key, "phase": 1} for key in served
    }
    assert ids(served["control"]) == ids(plain)
    assert {item["source"] for item in served["trend"]["items"]} == {"trending"}
    assert len(served["trend"]["items"]) == 1
    assert ids(served["two"]) == ids(plain)[:2]


def test_a_visitor_without_an_id_is_served_the_placement_itself(shop: Api) -> None:
    started(shop, variants=THREE[::-1])
    notice(shop)
    for who in ({}, {"user_id": "u1"}):
        answer = slate(shop, placement="pdp", item_id="mug", **who)
        assert answer["experiment"] is None
        assert len(answer["items"]) > 2


def test_two_experiments_divide_the_same_visitors_independently(shop: Api) -> None:
    halves = [{"key": key, "weight": 0.5} for key in ("a", "b")]
    started(shop, variants=halves)
    started(shop, key="second", placement="home", variants=halves)
    notice(shop)
    pairs = Counter(zip(variants(shop, "pdp", VISITORS), variants(shop, "home", VISITORS), strict=True))
    assert sorted(pairs) == [("a", "a"), ("a", "b"), ("b", "a"), ("b", "b")]
    expected_each = len(VISITORS) / 4
    assert sum((count - expected_each) ** 2 / expected_each for count in pairs.values()) < 16.3  # χ², 3 df, p = 0.001


def test_a_new_phase_draws_its_visitors_anew(shop: Api) -> None:
    started(shop, variants=THREE)
    shop.post("experiments/first/pause")
    shop.call("PATCH", "experiments/first", data={"coverage": 0.9})
    assert shop.post("experiments/first/start").json["phase"] == 2
    notice(shop)
    second = buckets("shop-a:first:2", VISITORS)
    assert variants(shop, "pdp", VISITORS) == [expected(bucket, 0.9) for bucket in second]
    assert second != buckets("shop-a:first:1", VISITORS)


def test_starting_and_pausing_show_within_a_second(shop: Api) -> None:
    visitor = of_variant("trend")
    started(shop, variants=THREE)
    shop.edge.age(1.0)
    assert variants(shop, "pdp", [visitor]) == ["trend"]
    shop.post("experiments/first/pause")
    shop.edge.age(1.0)
    assert variants(shop, "pdp", [visitor]) == [None]


def test_what_redis_loses_of_experiments_comes_back(shop: Api, tenant_a: TenantRef) -> None:
    started(shop, variants=THREE, coverage=0.8)
    notice(shop)
    before = variants(shop, "pdp", VISITORS[:50])
    redis.client().flushdb()
    restoring.restore(tenant_a)
    notice(shop)
    assert variants(shop, "pdp", VISITORS[:50]) == before


def test_the_placement_under_test_stays_and_may_be_changed(shop: Api) -> None:
    """What a variant leaves as it is follows the placement."""
    shop.post("placements", {"key": "here", "name": "Here", "cascade": ["popular"]})
    started(shop, placement="here", variants=THREE)
    for refused in (
        shop.call("DELETE", "placements/here"),
        shop.call("PATCH", "placements/here", data={"key": "there"}),
    ):
        assert (refused.status, refused.json["code"]) == (409, "in_use")
        assert "first" in refused.json["detail"]
    assert shop.call("PATCH", "placements/here", data={"cascade": ["trending"]}).status == 200
    notice(shop)
    answer = slate(shop, placement="here", visitor_id=of_variant("two"))
    assert (answer["experiment"]["variant"], answer["strategy"]) == ("two", "trending")
    shop.post("experiments/first/pause")
    assert shop.call("DELETE", "placements/here").status == 204
    refused = shop.post("experiments/first/start")
    assert (refused.status, refused.json["code"]) == (404, "unknown_placement")


@pytest.mark.parametrize("configuration", [{"strategy": "mine"}, {"cascade": ["mine", "popular"]}])
def test_a_strategy_that_a_running_variant_names_stays(api_a: Api, configuration: dict[str, Any]) -> None:
    api_a.post("strategies", {"key": "mine", "name": "Mine", "parts": [{"strategy": "popular"}]})
    started(api_a, variants=[THREE[0] | {"weight": 0.5}, {"key": "b", "weight": 0.5, "configuration": configuration}])
    refused = api_a.call("DELETE", "strategies/mine")
    assert (refused.status, refused.json["code"]) == (409, "in_use")
    assert "first" in refused.json["detail"]
    api_a.post("experiments/first/pause")
    assert api_a.call("DELETE", "strategies/mine").status == 204
    assert api_a.post("experiments/first/start").json["code"] == "unknown_strategy"


def test_publishing_under_load_mixes_no_two_states(shop: Api) -> None:
    """Each answer is of one state: a variant's slate has the variant's limit, the placement's none."""
    visitor, over = of_variant("two"), threading.Event()
    shop.post("experiments", {"key": "first", "name": "First", "placement": "pdp", "variants": THREE})
    wrong: list[Any] = []
    seen: set[str | None] = set()

    def ask() -> None:
        while not over.is_set():
            answer = shop.get("recommendations", {"placement": "pdp", "item_id": "mug", "visitor_id": visitor})
            body = answer.json
            variant = body["experiment"] and body["experiment"]["variant"] if answer.status == 200 else "refused"
            seen.add(variant)
            if (variant, len(body.get("items", ())) == 2) not in {("two", True), (None, False)}:
                wrong.append(body)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for action, variant in [("start", "two"), ("pause", None)] * 4:
            assert shop.post(f"experiments/first/{action}").status == 200
            seen.clear()
            deadline = time.monotonic() + 60
            while variant not in seen:
                assert time.monotonic() < deadline, wrong
                time.sleep(0.05)
            assert seen <= {"two", None}
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert wrong == []
