"""What was served is in the log: each slate exactly, whoever asked, as far as it may be kept."""

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from experiments import running
from experiments.models import Experiment
from recomengine.lib import clock
from recomengine.lib.partitions import following, month_of
from recomengine.lib.postgres import connect
from recommendations import served, serving_log, tasks
from recommendations.models import ServedSlate
from recommendations.serving.slates import Slate
from recommendations.serving_log import SLATES, Noted, Served, ServingLog, is_sampled
from recommendations.types import Query
from tenants import tenancy
from tenants.models import Tenant
from tenants.types import KeyType, TenantRef
from tests.api import Api
from tests.conftest import new_key
from tests.recommendations.conftest import ids, notice, slate

Logged = Callable[[], list[ServedSlate]]


@pytest.fixture
def logged(tenant_a: TenantRef, edge: Any) -> Logged:
    """What is in shop A's log, in the order of serving."""

    def rows() -> list[ServedSlate]:
        edge.application.edge.serving_log.flush()
        with tenancy.use(tenant_a):
            return list(ServedSlate.objects.order_by("served_at"))

    return rows


NOTHING = {"field": "brand", "op": "eq", "value": "nobody"}


@pytest.fixture
def experiment(tenant_a: TenantRef) -> Iterator[Experiment]:
    """An experiment on the home page, one of whose variants finds nothing."""
    with tenancy.use(tenant_a):
        made = Experiment.objects.create(
            key="empty-home", name="Empty", placement="home", status=Experiment.Status.RUNNING, phase=3,
            variants=[
                {"key": "control", "weight": 0.5, "configuration": {}},
                {"key": "nothing", "weight": 0.5, "configuration": {"filter": NOTHING}},
            ],
        )  # fmt: skip
    running.publish(tenant_a)
    yield made
    with tenancy.use(tenant_a):
        made.delete()


def items_of(answer: Any) -> list[tuple[str, str, float]]:
    return [(item["item_id"], item["source"], item["score"]) for item in answer["items"]]


def assert_is(row: ServedSlate, answer: Any, **also: Any) -> None:
    """The row says what the answer said, and what else is named."""
    names = ("placement", "strategy", "model_version")
    assert row.recommendation_id.hex == answer["recommendation_id"]
    assert {name: getattr(row, name) for name in names} == {name: answer[name] for name in names}
    scores = [round(score, 5) for score in row.scores]
    assert list(zip(row.item_ids, row.sources, scores, strict=True)) == [
        (item, source, pytest.approx(score, abs=1e-5)) for item, source, score in items_of(answer)
    ]
    assert len(row.propensities) == len(row.item_ids)
    for name, value in also.items():
        assert getattr(row, name) == value, name


def test_a_get_a_post_and_each_slate_of_a_batch_are_logged(shop: Api, logged: Logged) -> None:
    before = clock.now()
    got = slate(shop, placement="pdp", item_id=["mug", "tea"], visitor_id="vera", user_id="ann", session_items="jam")
    posted = shop.post("recommendations", {"placement": "home", "visitor_id": "vera", "limit": 3}).json
    batch = {"visitor_id": "bert", "requests": [{"placement": "home"}, {"placement": "cart", "item_id": "tea"}]}
    batched = shop.post("recommendations/batch", batch).json["results"]
    first, second, *others = logged()
    assert_is(
        first, got, visitor_id="vera", user_id="ann", items_at_hand=["mug", "tea"], session_items=["jam"], share=1.0,
        experiment=None, phase=None, variant=None, degraded=False, empty_reason=None,
        propensities=[1.0] * len(got["items"]),
    )  # fmt: skip
    assert got["items"]
    assert_is(second, posted, visitor_id="vera", user_id=None, items_at_hand=[], session_items=[])
    assert len(others) == 2
    for row, answer in zip(others, batched, strict=True):
        assert_is(row, answer, visitor_id="bert")
    moments = [row.served_at for row in (first, second, *others)]
    assert before <= moments[0]
    assert moments == sorted(moments)
    assert moments[-1] <= clock.now()


def test_the_probability_of_a_slot_by_chance_is_logged(shop: Api, logged: Logged) -> None:
    assert shop.call("PATCH", "placements/home", data={"exploration": 0.5}).status == 200
    notice(shop)
    answers = {}
    for number in range(40):
        answer = slate(shop, placement="home", visitor_id=f"v{number}", limit=3, explain=1)
        answers[answer["recommendation_id"]] = [item["explanation"]["propensity"] for item in answer["items"]]
    found = {row.recommendation_id.hex: row.propensities for row in logged()}
    assert found.keys() == answers.keys()
    for number, propensities in found.items():
        assert propensities == pytest.approx(answers[number], abs=1e-5)
    last = {propensities[-1] for propensities in found.values()}
    assert 0.5 in last
    assert min(last) < 0.5
    assert all(propensities[:-1] == [1.0, 1.0] for propensities in found.values())


def test_exposures_are_logged_alike_for_every_variant_empty_ones_too(
    shop: Api, tenant_a: TenantRef, experiment: Experiment, logged: Logged
) -> None:
    Tenant.objects.filter(slug=tenant_a.slug).update(serving_log_share=0.0)
    api = Api(shop.edge, new_key(tenant_a))
    notice(api)
    variants = {}
    for number in range(30):
        answer = slate(api, placement="home", visitor_id=f"v{number}")
        variants[answer["recommendation_id"]] = answer["experiment"]["variant"]
        slate(api, placement="cart", item_id="mug", visitor_id=f"v{number}")  # not of the experiment: not sampled
    rows = logged()
    assert {row.recommendation_id.hex: row.variant for row in rows} == variants
    assert {(row.experiment, row.phase, row.share) for row in rows} == {("empty-home", 3, 1.0)}
    assert {row.variant for row in rows} == {"control", "nothing"}
    for row in rows:
        assert bool(row.item_ids) == (row.variant == "control")
        assert row.empty_reason == (None if row.item_ids else "nothing_matches")


def test_nothing_is_kept_of_nobody_and_of_who_asks_for_privacy(shop: Api, logged: Logged) -> None:
    assert slate(shop, placement="home")["items"]
    assert slate(shop, placement="home", user_id="ann")["items"]
    assert shop.get("recommendations", {"visitor_id": "vera"}, sec_gpc="1").status == 200
    assert shop.get("recommendations", {"visitor_id": "vera", "strategy": "nonsense"}).status == 400
    assert logged() == []


def test_a_share_of_the_visitors_is_logged_whole(shop: Api, tenant_a: TenantRef, logged: Logged) -> None:
    Tenant.objects.filter(slug=tenant_a.slug).update(serving_log_share=0.5)
    api = Api(shop.edge, new_key(tenant_a))
    for _ in range(2):
        for number in range(30):
            slate(api, placement="home", visitor_id=f"v{number}")
    rows = logged()
    sampled = {f"v{number}" for number in range(30) if is_sampled("shop-a", f"v{number}", 0.5)}
    assert 5 < len(sampled) < 25
    assert sorted(row.visitor_id for row in rows) == sorted([*sampled, *sampled])
    assert {row.share for row in rows} == {0.5}


def test_a_changed_share_holds_within_a_second(shop: Api, tenant_a: TenantRef, logged: Logged) -> None:
    from tenants import changing

    slate(shop, visitor_id="vera")
    changing.edit_tenant(Tenant.objects.get(slug=tenant_a.slug), {"serving_log_share": 0.0})
    notice(shop)
    slate(shop, visitor_id="bert")
    assert [row.visitor_id for row in logged()] == ["vera"]


@given(visitor=st.text(min_size=1, max_size=20), shares=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_who_is_in_a_share_is_in_every_larger_one(visitor: str, shares: tuple[float, float]) -> None:
    small, large = sorted(shares)
    assert is_sampled("shop", visitor, large) or not is_sampled("shop", visitor, small)
    assert (is_sampled("shop", visitor, 0.0), is_sampled("shop", visitor, 1.0)) == (False, True)


def test_a_share_is_that_share_of_the_visitors_and_another_one_in_another_shop() -> None:
    visitors = [str(number) for number in range(20_000)]
    mine, other = ([is_sampled(slug, visitor, 0.3) for visitor in visitors] for slug in ("a", "b"))
    assert sum(mine) / len(visitors) == pytest.approx(0.3, abs=0.015)
    assert sum(map(lambda one, two: one and two, mine, other)) / len(visitors) == pytest.approx(0.09, abs=0.01)


def test_what_was_served_can_be_read_by_its_id(shop: Api, api_b: Api, tenant_a: TenantRef, logged: Logged) -> None:
    answer = slate(shop, placement="pdp", item_id="mug", visitor_id="vera")
    logged()
    shown = shop.get(f"recommendations/{answer['recommendation_id']}").json
    assert (shown["recommendation_id"], shown["visitor_id"]) == (answer["recommendation_id"], "vera")
    assert [(item["position"], item["item_id"]) for item in shown["items"]] == list(enumerate(ids(answer), 1))
    assert {item["propensity"] for item in shown["items"]} == {1.0}
    for api, path in ((api_b, answer["recommendation_id"]), (shop, uuid.uuid4().hex), (shop, "x"), (shop, "{}")):
        assert api.get(f"recommendations/{path}").json["code"] == "not_found"
    publishable = Api(shop.edge, new_key(tenant_a, KeyType.PUBLISHABLE))
    assert publishable.get(f"recommendations/{answer['recommendation_id']}").status == 403


def test_slates_are_read_as_columns(shop: Api, tenant_a: TenantRef, logged: Logged, monkeypatch: Any) -> None:
    monkeypatch.setattr(served, "AT_ONCE", 2)
    answers = [slate(shop, placement="pdp", item_id="mug", visitor_id=f"v{number}") for number in range(5)]
    rows = logged()
    batches = list(served.since(tenant_a, rows[0].served_at))
    assert [batch.num_rows for batch in batches] == [2, 2, 1]
    told = {row["recommendation_id"]: row["item_ids"] for batch in batches for row in batch.to_pylist()}
    assert told == {answer["recommendation_id"]: ids(answer) for answer in answers}
    later = served.since(tenant_a, rows[3].served_at)
    assert {row["visitor_id"] for batch in later for row in batch.to_pylist()} == {"v3", "v4"}
    assert list(served.since(tenant_a, clock.now())) == []


def test_months_go_when_the_shop_keeps_them_no_longer(shop: Api, tenant_a: TenantRef, logged: Logged) -> None:
    slate(shop, visitor_id="vera")
    [row] = logged()
    now = month_of(row.served_at)
    old = month_of(clock.now() - timedelta(days=200))
    with connect() as opened:
        SLATES.ensure(opened, tenant_a.schema, [old])
    with tenancy.use(tenant_a):
        row.pk = (uuid.uuid4(), datetime(old.year, old.month, 3, tzinfo=UTC))
        row.save(force_insert=True)
    Tenant.objects.filter(slug=tenant_a.slug).update(event_retention_days=90)
    tasks.make_partitions()
    tasks.enforce_retention()
    with connect() as opened:
        months = SLATES.existing(opened, tenant_a.schema)
    assert old not in months
    assert {now, following(now)} <= set(months)
    assert [each.visitor_id for each in logged()] == ["vera"]


PRINTABLE = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@given(
    texts=st.lists(PRINTABLE, max_size=4),
    numbers=st.lists(st.floats(width=32, allow_nan=False), max_size=4),
    one=PRINTABLE,
    absent=st.none() | PRINTABLE,
)
def test_any_text_is_written_as_it_is(
    tenants: Any, texts: list[str], numbers: list[float], one: str, absent: str | None
) -> None:
    tenant = tenants[0].ref
    row = made(one, user_id=absent, item_ids=texts, sources=texts, items_at_hand=tuple(texts), scores=numbers)
    with connect() as opened, opened.transaction(force_rollback=True):
        SLATES.ensure(opened, tenant.schema, [month_of(clock.now())])
        noted = Noted.of(tenant.schema, row)
        serving_log._copy(opened, tenant.schema, [noted])
        names = "visitor_id, user_id, item_ids, sources, items_at_hand, scores, recommendation_id"
        # In binary: the text of a `real` has its shortest digits, which are not those of the same number as a double.
        [found] = opened.execute(f"SELECT {names} FROM {tenant.schema}.{SLATES.name}".encode(), binary=True).fetchall()
    assert found == (one, absent, texts, texts, texts, numbers, uuid.UUID(row.recommendation_id))


def made(visitor_id: str, **fields: Any) -> Served:
    """A slate as it is noted."""
    values: dict[str, Any] = dict.fromkeys(Served._fields) | {
        "recommendation_id": uuid.uuid4().hex, "served_at": clock.now(), "placement": "home",
        "strategy": "popular", "visitor_id": visitor_id, "items_at_hand": (), "session_items": (), "item_ids": [],
        "sources": [], "scores": [], "propensities": [], "degraded": False, "share": 1.0,
    }  # fmt: skip
    return Served(**values | fields)


def note(log: ServingLog, tenant: TenantRef, visitor: str) -> str:
    """Note an empty slate; its id."""
    number = uuid.uuid4().hex
    log.note(tenant, Query(visitor_id=visitor), Slate("home", "popular", None), number, opted_out=False)
    return number


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logs are written when a test says so."""
    monkeypatch.setattr(serving_log, "EVERY", 3_600.0)


def visitors(tenant: TenantRef) -> list[str]:
    with tenancy.use(tenant):
        return [row.visitor_id for row in ServedSlate.objects.order_by("served_at")]


def test_while_the_store_is_away_the_newest_wait_and_the_lost_are_counted(
    tenant_a: TenantRef, tenant_b: TenantRef, slow: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving_log, "MOST", 5)
    is_away = [True]

    def opened() -> Any:
        if is_away[0]:
            raise psycopg.OperationalError("away")
        return connect()

    log = ServingLog(opened)
    with capture_logs() as said:
        for number in range(4):
            note(log, tenant_a, f"v{number}")
            note(log, tenant_b, f"v{number}")
            log.flush()
        assert len(log._waiting) == 5
        is_away[0] = False
        log.flush()
        assert visitors(tenant_a) == ["v2", "v3"]
        assert visitors(tenant_b) == ["v1", "v2", "v3"]
        note(log, tenant_a, "after")
        log.close()
    assert visitors(tenant_a) == ["v2", "v3", "after"]
    assert [each["event"] for each in said if "wait" in each["event"]] == ["slates wait, they cannot be logged"]
    assert sum(each.get("lost", 0) for each in said) == 3


def test_a_commit_whose_answer_was_lost_is_not_repeated(tenant_a: TenantRef, slow: None) -> None:
    log = ServingLog(connect)
    first = Noted.of(tenant_a.schema, made("first"))
    log._put_back({tenant_a.schema: [first]})
    log.flush()
    log._put_back({tenant_a.schema: [first, Noted.of(tenant_a.schema, made("second"))]})
    log.close()
    assert visitors(tenant_a) == ["first", "second"]


def test_a_connection_that_ended_is_replaced(tenant_a: TenantRef, slow: None) -> None:
    log = ServingLog(connect)
    note(log, tenant_a, "one")
    log.flush()
    assert log._connection is not None
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [log._connection.info.backend_pid])
    note(log, tenant_a, "two")
    log.close()
    assert visitors(tenant_a) == ["one", "two"]


def test_a_tenant_without_a_table_does_not_cost_the_others_theirs(tenant_a: TenantRef, slow: None) -> None:
    log = ServingLog(connect)
    note(log, tenant_a, "one")
    note(log, TenantRef("gone", "t_gone", "Gone", "EUR"), "two")
    with capture_logs() as said:
        log.close()
    assert visitors(tenant_a) == ["one"]
    of_slates = [(each["event"], each.get("schema")) for each in said if each["event"].startswith("slates")]
    assert of_slates[0] == ("slates not logged", "t_gone")
    assert sum(each.get("lost", 0) for each in said) == 1
