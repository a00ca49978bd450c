"""Models, placements and rules published while two server processes answer: no error, and no mix of two versions."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from catalog import reading
from recommendations import packing, placements
from recommendations.models import Placement, Rule
from recommendations.releases import versions
from recommendations.types import USUAL
from tenants import tenancy
from tenants.types import TenantRef
from tests.api import Api
from tests.conftest import new_key
from tests.edge.test_processes import Http, environment, serving  # noqa: F401 - a fixture

pytestmark = pytest.mark.slow
SECONDS, MOST_SECONDS, CALLERS, COUNT = 6.0, 60.0, 4, 20
KINDS = ("a", "b")
SETTINGS = {  # what is published together: the cascade, the limit and the rules
    "a": (["also_viewed", "popular"], 3, "Odd"),
    "b": (["popular", "also_viewed"], 5, "Even"),
}


@pytest.fixture
def stocked(api_a: Api, tenant_a: TenantRef) -> dict[str, list[int]]:
    """The internal ids of twenty items of each kind."""
    rows = [
        {"item_id": f"{kind}{n}", "title": "x", "brand": ("Even", "Odd")[n % 2]} for kind in KINDS for n in range(COUNT)
    ]
    assert api_a.post("catalog/items/batch", {"items": rows}).json["created"] == len(rows)
    numbers = {item.item_id: item.id for item in reading.contents(tenant_a)}
    return {kind: [numbers[f"{kind}{n}"] for n in range(COUNT)] for kind in KINDS}


def publish_model(tenant: TenantRef, version: str, items: list[int]) -> None:
    """A model whose every list holds items of one kind."""
    packed = packing.pack(np.array(items), np.linspace(packing.SCALE, 1, len(items)), np.full(len(items), 3))
    versions.write_table(tenant, version, "lists", [("popular", packed)])
    versions.write_table(tenant, version, "coview", [("a0", packed), ("b0", packed)])
    versions.write_parameters(tenant, version, USUAL)
    versions.flip(tenant, version)


def publish_settings(tenant: TenantRef, kind: str) -> None:
    cascade, limit, brand = SETTINGS[kind]
    wanted = {"field": "brand", "op": "eq", "value": brand}
    with tenancy.use(tenant):
        Placement.objects.update_or_create(key="here", defaults={"name": "x", "cascade": cascade, "limit": limit})
        Rule.objects.all().delete()
        Rule.objects.create(key=f"only-{kind}", name="x", action={"type": "include", "filter": wanted})
        Rule.objects.create(key=f"boost-{kind}", name="x", action={"type": "boost", "filter": wanted, "factor": 2.0})
    placements.publish(tenant)


def assert_of_one_version(answer: Any) -> tuple[str, str]:
    """The kinds of the model and of the settings that an answer is made of, after checking that all of it is."""
    model = answer["model_version"][0]
    setting = "a" if answer["strategy"] == "also_viewed" else "b"
    _, limit, brand = SETTINGS[setting]
    assert answer["explanation"]["rules"]["applied"] == [f"only-{setting}", f"boost-{setting}"]
    assert len(answer["items"]) == limit
    for item in answer["items"]:
        assert (item["product"]["brand"], item["item_id"][0]) == (brand, model)
    return model, setting


@pytest.mark.usefixtures("tenant_b")
def test_no_answer_is_an_error_or_a_mix(
    environment: dict[str, str],  # noqa: F811
    tenant_a: TenantRef,
    stocked: dict[str, list[int]],
) -> None:
    publish_model(tenant_a, "a0", stocked["a"])
    publish_settings(tenant_a, "a")
    seen: Counter[tuple[str, str]] = Counter()
    failures: list[Any] = []
    ends = threading.Event()

    def call(http: Http) -> None:
        while not ends.is_set():
            try:
                answer = http.get("recommendations", placement="here", item_id="a0", visitor_id="v1", explain=1)
                assert answer.status == 200, answer.body
                seen[assert_of_one_version(answer.json)] += 1
            except (AssertionError, OSError) as error:
                failures.append(repr(error)[:500])

    with serving(environment) as (port, _):
        http = Http(port, new_key(tenant_a))
        callers = [threading.Thread(target=call, args=(http,)) for _ in range(CALLERS)]
        for caller in callers:
            caller.start()
        for number, kind in enumerate(changes(seen)):
            publish_model(tenant_a, f"{kind}{number}", stocked[kind])
            publish_settings(tenant_a, KINDS[number // 2 % 2])
        ends.set()
        for caller in callers:
            caller.join()
    assert failures == []
    assert set(seen) == {(model, setting) for model in KINDS for setting in KINDS}


def changes(seen: Counter[tuple[str, str]]) -> Iterator[str]:
    """The kinds in turn, for a while, until all of them were served; processes look at what is live twice a second."""
    began = time.monotonic()
    while (passed := time.monotonic() - began) < SECONDS or (len(seen) < len(KINDS) ** 2 and passed < MOST_SECONDS):
        yield from KINDS
        time.sleep(0.2)
