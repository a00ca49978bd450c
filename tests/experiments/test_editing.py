"""Experiments as the API keeps them: what makes one, its phases, and what may change while it runs."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisError

from experiments import editing, running
from experiments.models import Experiment
from experiments.types import experiments_key
from recomengine.lib import redis
from recomengine.lib.errors import DomainError
from recommendations.placement_editing import check_experiment
from tenants import tenancy
from tenants.models import AuditEntry
from tenants.types import PLATFORM, TenantRef
from tests.api import Answer, Api

HALVES = [
    {"key": "control", "weight": 0.5, "configuration": {}},
    {"key": "fresh", "weight": 0.5, "configuration": {"strategy": "new", "limit": 3}},
]
MINE = {"key": "first", "name": "First", "placement": "pdp", "variants": HALVES}
WANTED = {"status": "draft", "phase": 0, "coverage": 1.0}


def change(api: Api, key: str = "first", **fields: Any) -> Answer:
    return api.call("PATCH", f"experiments/{key}", data=fields)


def started(api: Api, **fields: Any) -> Answer:
    """An experiment that runs."""
    made = api.post("experiments", MINE | fields)
    assert made.status == 201, made.body
    answer = api.post(f"experiments/{made.json['key']}/start")
    assert answer.status == 200, answer.body
    return answer


def published(tenant: TenantRef) -> dict[str, tuple[str, int, float]]:
    """What serving processes see: by placement the key, phase and coverage of what runs there."""
    found = running.decode(redis.client().get(experiments_key(tenant.slug)))  # type: ignore[arg-type]
    return {placement: (each.key, each.phase, each.coverage) for placement, each in found.items()}


def audited() -> list[str]:
    told = AuditEntry.objects.filter(object_type="experiment").order_by("id")
    return [each.action.removeprefix("experiment.") for each in told]


def test_created_listed_read_changed_and_removed(api_a: Api, api_b: Api) -> None:
    created = api_a.post("experiments", MINE | {"key": "kept"})
    assert created.status == 201, created.body
    assert {name: created.json[name] for name in (*MINE, *WANTED)} == MINE | WANTED | {"key": "kept"}
    assert api_a.get("experiments/kept").json == created.json
    assert api_a.get("experiments").json["results"] == [created.json]
    assert api_b.get("experiments").json["results"] == []
    changed = change(api_a, "kept", name="Second", coverage=0.25)
    assert (changed.status, changed.json["name"], changed.json["coverage"]) == (200, "Second", 0.25)
    assert api_a.call("DELETE", "experiments/kept").status == 204
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/start"), ("POST", "/pause")):
        answer = api_a.call(method, f"experiments/kept{path}", data={})
        assert (answer.status, answer.json["code"]) == (404, "not_found")
    assert audited() == ["created", "edited", "deleted"]


def test_a_draft_is_served_to_nobody_and_a_started_one_at_once(api_a: Api, tenant_a: TenantRef) -> None:
    api_a.post("experiments", MINE)
    assert published(tenant_a) == {}
    started_now = api_a.post("experiments/first/start")
    assert (started_now.json["status"], started_now.json["phase"]) == ("running", 1)
    assert published(tenant_a) == {"pdp": ("first", 1, 1.0)}


def test_a_pause_keeps_the_phase_and_a_new_beginning_makes_another(api_a: Api, tenant_a: TenantRef) -> None:
    started(api_a, coverage=0.5)
    paused = api_a.post("experiments/first/pause")
    assert (paused.json["status"], paused.json["phase"]) == ("paused", 1)
    assert published(tenant_a) == {}
    assert change(api_a, name="Renamed", coverage=0.75).json["status"] == "paused"  # which moves nobody
    assert api_a.post("experiments/first/start").json["phase"] == 1
    api_a.post("experiments/first/pause")
    assert change(api_a, variants=HALVES[::-1]).json["status"] == "draft"
    again = api_a.post("experiments/first/start").json
    assert (again["status"], again["phase"]) == ("running", 2)
    assert published(tenant_a) == {"pdp": ("first", 2, 0.75)}
    assert audited() == [
        "created", "started", "paused", "edited", "resumed", "paused", "edited", "started",
    ]  # fmt: skip


@pytest.mark.parametrize("fields", [{"variants": HALVES[::-1]}, {"placement": "home"}, {"coverage": 0.1}])
def test_what_would_move_visitors_of_a_paused_one_begins_anew(api_a: Api, fields: dict[str, Any]) -> None:
    started(api_a, coverage=0.5)
    api_a.post("experiments/first/pause")
    assert change(api_a, **fields).json["status"] == "draft"
    assert api_a.post("experiments/first/start").json["phase"] == 2


def test_while_it_runs_only_its_coverage_rises(api_a: Api, tenant_a: TenantRef) -> None:
    started(api_a, coverage=0.2)
    assert change(api_a, coverage=0.6).status == 200
    assert published(tenant_a) == {"pdp": ("first", 1, 0.6)}
    assert change(api_a, name="First", coverage=0.6, variants=HALVES).status == 200  # what it is already
    for fields in ({"coverage": 0.5}, {"name": "Other"}, {"placement": "home"}, {"variants": HALVES[::-1]}):
        refused = change(api_a, **fields)
        assert (refused.status, refused.json["code"]) == (409, "conflict"), fields
        assert "coverage" in refused.json["detail"]
    assert published(tenant_a) == {"pdp": ("first", 1, 0.6)}


def test_starting_pausing_and_removing_where_it_does_not_fit(api_a: Api) -> None:
    api_a.post("experiments", MINE | {"key": "gone"})
    assert api_a.post("experiments/gone/pause").json["code"] == "conflict"
    api_a.post("experiments/gone/start")
    assert api_a.post("experiments/gone/start").json["code"] == "conflict"
    refused = api_a.call("DELETE", "experiments/gone")
    assert (refused.status, refused.json["code"]) == (409, "conflict")
    assert "pause" in refused.json["detail"]
    api_a.post("experiments/gone/pause")
    assert api_a.call("DELETE", "experiments/gone").status == 204


def test_of_one_placement_one_experiment_runs(api_a: Api, tenant_a: TenantRef) -> None:
    started(api_a)
    api_a.post("experiments", MINE | {"key": "second"})
    refused = api_a.post("experiments/second/start")
    assert (refused.status, refused.json["code"]) == (409, "conflict")
    assert "first" in refused.json["detail"]
    started(api_a, key="third", placement="home")
    assert published(tenant_a) == {"pdp": ("first", 1, 1.0), "home": ("third", 1, 1.0)}


def test_of_many_who_start_at_once_one_runs(api_a: Api, tenant_a: TenantRef) -> None:
    for number in range(6):
        api_a.post("experiments", MINE | {"key": f"e{number}"})
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda number: api_a.post(f"experiments/e{number}/start"), range(6)))
    assert sorted(answer.status for answer in answers) == [200, *[409] * 5]
    assert [each["status"] for each in api_a.get("experiments").json["results"]].count("running") == 1
    assert len(published(tenant_a)) == 1


def test_a_key_that_comes_back_draws_from_no_seed_twice(api_a: Api) -> None:
    """It is the audit log that remembers."""
    assert started(api_a).json["phase"] == 1
    api_a.post("experiments/first/pause")
    api_a.call("DELETE", "experiments/first")
    assert api_a.post("experiments", MINE).json["phase"] == 1
    assert api_a.post("experiments/first/start").json["phase"] == 2


def weighted(*weights: float) -> list[dict[str, Any]]:
    return [{"key": f"v{number}", "weight": weight} for number, weight in enumerate(weights)]


@pytest.mark.parametrize(
    "weights", [(1, 0), (0.33333, 0.33333, 0.33333), (0.333333, 0.333333, 0.333334), tuple([0.1] * 10), (0.9, 0.1)]
)
def test_shares_that_sum_to_one(api_a: Api, weights: tuple[float, ...]) -> None:
    assert api_a.post("experiments", MINE | {"variants": weighted(*weights)}).status == 201


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"key": "Upper"}, "/key"),
        ({"key": "k" * 65}, "/key"),
        ({"key": ""}, "/key"),
        ({"name": ""}, "/name"),
        ({"name": "n" * 121}, "/name"),
        ({"placement": ""}, "/placement"),
        ({"coverage": -0.1}, "/coverage"),
        ({"coverage": 1.1}, "/coverage"),
        ({"coverage": None}, "/coverage"),
        ({"status": "running"}, "/status"),
        ({"variants": weighted(1)}, "/variants"),
        ({"variants": weighted(*[0.1] * 11)}, "/variants"),
        ({"variants": weighted(0.5, 0.4)}, "/variants"),
        ({"variants": weighted(0.3333, 0.3333, 0.3333)}, "/variants"),
        ({"variants": weighted(0.6, 0.6)}, "/variants"),
        ({"variants": weighted(-0.5, 1.0)}, "/variants/0/weight"),
        ({"variants": [*HALVES[:1], HALVES[0]]}, "/variants/1/key"),
        ({"variants": [HALVES[0], HALVES[1] | {"key": "no key"}]}, "/variants/1/key"),
        ({"variants": [HALVES[0], HALVES[1] | {"colour": "red"}]}, "/variants/1/colour"),
        ({"variants": [HALVES[0], HALVES[1] | {"configuration": []}]}, "/variants/1/configuration"),
        ({"variants": [HALVES[0], HALVES[1] | {"configuration": {"x": "\u0000"}}]}, "/variants/1/configuration"),
        ({"variants": [HALVES[0], HALVES[1] | {"configuration": {"x": 10**30}}]}, "/variants/1/configuration"),
        ({"variants": [HALVES[0], HALVES[1] | {"configuration": {"x": "x" * 20_000}}]}, "/variants/1/configuration"),
    ],
)
def test_what_makes_no_experiment(api_a: Api, fields: dict[str, Any], pointer: str) -> None:
    refused = api_a.post("experiments", MINE | fields)
    assert (refused.status, refused.json["code"]) == (400, "invalid"), refused.body
    assert [error["pointer"] for error in refused.json["errors"]] == [pointer]
    assert api_a.get("experiments").json["results"] == []


def test_a_text_that_looks_like_an_escaped_nul_is_none(api_a: Api) -> None:
    variants = [HALVES[0], HALVES[1] | {"configuration": {"note": "\\u0000"}}]
    assert api_a.post("experiments", MINE | {"variants": variants}).json["variants"] == variants


def test_a_taken_key(api_a: Api) -> None:
    api_a.post("experiments", MINE)
    refused = api_a.post("experiments", MINE)
    assert (refused.status, refused.json["code"]) == (409, "conflict")


def test_there_are_not_too_many(api_a: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(editing, "MAX_EXPERIMENTS", 1)
    api_a.post("experiments", MINE)
    refused = api_a.post("experiments", MINE | {"key": "second"})
    assert (refused.status, refused.json["code"]) == (409, "conflict")


@pytest.mark.parametrize(
    ("configuration", "pointer"),
    [
        ({"colour": "red"}, ""),
        ({"limit": 51}, "/limit"),
        ({"limit": "many"}, ""),
        ({"diversity": 2}, "/diversity"),
        ({"exploration": 0.6}, "/exploration"),
        ({"filter": {"field": "brand", "op": "like", "value": "A"}}, "/filter/op"),
        ({"cascade": []}, "/cascade"),
        ({"without_rules": ["none-such"]}, "/without_rules"),
    ],
)
def test_a_variant_that_serving_does_not_understand_is_not_started(
    api_a: Api, tenant_a: TenantRef, configuration: dict[str, Any], pointer: str
) -> None:
    variants = [HALVES[0], HALVES[1] | {"configuration": configuration}]
    assert api_a.post("experiments", MINE | {"variants": variants}).status == 201
    refused = api_a.post("experiments/first/start")
    assert (refused.status, refused.json["code"]) == (400, "invalid"), refused.body
    assert "fresh" in refused.json["detail"]
    assert [error["pointer"] for error in refused.json["errors"]] == [f"/variants/1/configuration{pointer}"]
    assert api_a.get("experiments/first").json["status"] == "draft"
    assert published(tenant_a) == {}


@pytest.mark.parametrize("configuration", [{"strategy": "magic"}, {"cascade": ["popular", "magic"]}])
def test_a_variant_of_a_strategy_that_there_is_not(api_a: Api, configuration: dict[str, Any]) -> None:
    api_a.post("experiments", MINE | {"variants": [HALVES[0], HALVES[1] | {"configuration": configuration}]})
    refused = api_a.post("experiments/first/start")
    assert (refused.status, refused.json["code"]) == (400, "unknown_strategy")
    assert "magic" in refused.json["detail"]


def test_an_experiment_on_no_placement(api_a: Api) -> None:
    api_a.post("experiments", MINE | {"placement": "nowhere"})
    refused = api_a.post("experiments/first/start")
    assert (refused.status, refused.json["code"]) == (404, "unknown_placement")
    assert "pdp" in refused.json["detail"]
    assert [error["pointer"] for error in refused.json["errors"]] == ["/placement"]


def test_while_redis_is_away_nothing_starts(api_a: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was refused can be tried again."""
    api_a.post("experiments", MINE)

    def away(*_: str) -> None:
        raise RedisError("away")

    with monkeypatch.context() as patched:
        patched.setattr(running.live, "changed", away)
        with pytest.raises(RedisError):
            editing.start(tenant_a, "first", check_experiment, by=PLATFORM)
    assert api_a.get("experiments/first").json["status"] == "draft"
    assert api_a.post("experiments/first/start").json["phase"] == 1


def test_nobody_starts_what_the_check_refuses(api_a: Api, tenant_a: TenantRef) -> None:
    """The check runs in the transaction of the start, whatever it is."""
    api_a.post("experiments", MINE)

    def refuse(*_: Any) -> None:
        raise DomainError("invalid", "Not today.")

    with pytest.raises(DomainError, match="Not today"):
        editing.start(tenant_a, "first", refuse, by=PLATFORM)
    with tenancy.use(tenant_a):
        assert Experiment.objects.get().status == "draft"
    assert editing.start(tenant_a, "first", check_experiment, by=PLATFORM).status == "running"
