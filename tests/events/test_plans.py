"""How PostgreSQL reads the event store: every question finds its index, and leaves alone the months it is not about."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from psycopg import sql

from events import activity, counts, history, of_items, partitions, reading, repair, visitors
from events.models import Event
from recomengine.lib.postgres import connect, table
from tenants import schemas, tenancy
from tenants.models import Tenant
from tenants.provisioning import create_tenant
from tenants.types import TenantRef
from tests.conftest import new_key

pytestmark = pytest.mark.slow
# The end of a month that has passed, and of six that are full: of a month of few rows all are read, which is right.
NOW: Final = (datetime.now(UTC).replace(day=1) - timedelta(days=1)).replace(hour=12, minute=0, second=0, microsecond=0)
FIRST: Final = (NOW - timedelta(days=150)).replace(day=1, hour=0)
DAYS: Final = (NOW - FIRST).days + 1
MONTHS: Final = [
    partitions.name_of(month) for month in (partitions.month_of(NOW - timedelta(days=n)) for n in range(DAYS))
]
WEEK_AGO: Final = NOW - timedelta(days=7)
WEEK: Final = {partitions.name_of(partitions.month_of(instant)) for instant in (WEEK_AGO, NOW)}
FILL: Final = """
    INSERT INTO {events} (event_id, line, type, occurred_at, received_at, visitor_id, user_id, item_id, quantity, price,
                          currency, order_id, recommendation_id, properties)
    SELECT gen_random_uuid(), 0, (ARRAY['view', 'view', 'view', 'add_to_cart', 'purchase'])[1 + n %% 5], at, at,
           'v' || n * 79 %% 8000, CASE WHEN n %% 3 = 0 THEN 'u' || n * 79 %% 2000 END, 'i' || n * 101 %% 3000, 1, 2,
           'EUR', 'o' || n, CASE WHEN n %% 4 = 0 THEN 'r' || n END,
           jsonb_build_object('padding', repeat('x', 700))
    FROM generate_series(1, {rows}) n, LATERAL (SELECT %s - (n - 1) * %s / {rows} AS at) instant
"""
Plan = dict[str, Any]


@pytest.fixture(scope="module")
def filled(tenants: tuple[Tenant, Tenant]) -> Iterator[Tenant]:
    """A shop with half a year of events, evenly spread; they are wide, so that few of them are many pages."""
    tenant = create_tenant("plans", "Plans")
    months = {partitions.month_of(NOW - timedelta(days=n)) for n in range(DAYS)}
    with connect(autocommit=True) as opened:
        partitions.ensure(opened, tenant.schema_name, months)
        events = table(tenant.schema_name, "events_event")
        statement = sql.SQL(FILL).format(events=events, rows=sql.Literal(60_000))
        opened.execute(statement, [NOW, NOW - FIRST])
        opened.execute(sql.SQL("VACUUM ANALYZE {}").format(events))
    yield tenant
    connection.set_schema_to_public()
    schemas.drop(tenant.schema_name)


@pytest.fixture
def shop(filled: Tenant) -> TenantRef:
    Tenant.objects.bulk_create([filled], ignore_conflicts=True)  # the last test's end took its row away
    return filled.ref


def plans_of(shop: TenantRef, ask: Callable[[], object]) -> list[Plan]:
    """The plans of what is asked of the store through Django's connection."""
    with CaptureQueriesContext(connection) as asked:
        ask()
    about = [query["sql"] for query in asked.captured_queries if "events_event" in query["sql"]]
    selected = [query for query in about if "SELECT" in query and "brin_summarize" not in query]
    assert selected
    return [plan_of(shop, query) for query in selected]


def plan_of(shop: TenantRef, statement: str) -> Plan:
    with tenancy.use(shop), connection.cursor() as cursor:
        cursor.execute("EXPLAIN (FORMAT JSON) " + statement.replace("%", "%%"), ())
        found = cursor.fetchone()[0]
    plan: Plan = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    return plan


def nodes(plan: Plan) -> Iterator[Plan]:
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes(part)


def months_read(plan: Plan) -> set[str]:
    return {node["Relation Name"] for node in nodes(plan) if "Relation Name" in node} & set(MONTHS)


def indexes_used(plan: Plan) -> set[str]:
    """The columns of the indexes that are used, as partitions' indexes are named by them."""
    names = [node["Index Name"].removeprefix("events_event_") for node in nodes(plan) if "Index Name" in node]
    return {name[len("2026_01_") :].removesuffix("_idx") for name in names}


def assert_reads(plan: Plan, index: str, months: set[str]) -> None:
    assert "Seq Scan" not in {node["Node Type"] for node in nodes(plan)}, json.dumps(plan, indent=1)
    assert indexes_used(plan) == {index}, json.dumps(plan, indent=1)
    assert months_read(plan) <= months, json.dumps(plan, indent=1)


def listing(key: str, **params: str) -> Callable[[], object]:
    def ask() -> None:
        answer = Client().get("/api/v1/events", params, headers={"X-API-Key": key})
        assert answer.status_code == 200, answer.content
        assert answer.json()["results"]

    return ask


VISITOR: Final = "visitor_id_occurred_at"
USER: Final = "user_id_occurred_at"
ITEM: Final = "item_id_occurred_at"
TIME: Final = "pkey"
TYPE: Final = "type_occurred_at"  # of the rare types alone


@pytest.mark.parametrize(
    ("params", "index"),
    [({}, TIME), ({"visitor_id": "v7"}, VISITOR), ({"user_id": "u3"}, USER), ({"item_id": "i9"}, ITEM)],
)
def test_a_page_of_the_listing(shop: TenantRef, params: dict[str, str], index: str) -> None:
    bounds = {"from": (NOW - timedelta(days=50)).isoformat(), "to": NOW.isoformat()}
    within = {partitions.name_of(partitions.month_of(NOW - timedelta(days=n))) for n in range(51)}
    [plan] = plans_of(shop, listing(new_key(shop), **bounds, **params))
    assert_reads(plan, index, within)


def test_the_next_page_of_the_listing(shop: TenantRef) -> None:
    key = new_key(shop)
    first = Client().get("/api/v1/events", {"limit": "50"}, headers={"X-API-Key": key}).json()
    cursor = parse_qs(urlsplit(first["next"]).query)["cursor"][0]
    [plan] = plans_of(shop, listing(key, limit="50", cursor=cursor))
    assert_reads(plan, TIME, set(MONTHS))


QUESTIONS: Final[dict[str, tuple[Callable[[TenantRef], object], str]]] = {
    "a visitor's past": (lambda shop: visitors.history(shop, "v7", WEEK_AGO, 10), VISITOR),
    "visitors by prefix": (lambda shop: visitors.search(shop, "v77", WEEK_AGO), VISITOR),
    "who is busy": (lambda shop: visitors.lately_busy(shop, WEEK_AGO, 10), TIME),
    "an item's newest": (lambda shop: of_items.recent(shop, "i9", WEEK_AGO, 10), ITEM),
    "an item's types": (lambda shop: of_items.by_type(shop, "i9", WEEK_AGO), ITEM),
    "several items": (lambda shop: activity.of_items(shop, ["i1", "i2", "i3"], WEEK_AGO), ITEM),
    "totals": (lambda shop: counts.totals(shop, NOW - timedelta(days=2), NOW), TIME),
    "days": (lambda shop: counts.by_type(shop, NOW - timedelta(days=2), NOW), TIME),
    "best sellers": (lambda shop: counts.best_sellers(shop, NOW - timedelta(days=2), NOW, 10), TYPE),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_questions_of_the_dashboard(shop: TenantRef, question: str) -> None:
    ask, index = QUESTIONS[question]
    for plan in plans_of(shop, lambda: ask(shop)):
        assert_reads(plan, index, WEEK)


def test_what_a_slate_led_to(shop: TenantRef) -> None:
    def ask() -> None:
        with tenancy.use(shop):
            list(Event.objects.filter(recommendation_id="r400", occurred_at__gte=WEEK_AGO).order_by())

    [plan] = plans_of(shop, ask)
    assert_reads(plan, "recommendation_id", WEEK)


def test_what_was_received_lately(shop: TenantRef) -> None:
    """Bounded by when it was received, so every month is asked, but only of its index."""
    since = NOW - timedelta(minutes=5)
    for plan in plans_of(shop, lambda: repair.stored_by_minute(shop, since, NOW)):
        assert_reads(plan, "received_at", set(MONTHS))


@pytest.mark.parametrize("ago", [timedelta(minutes=5), timedelta(days=20), timedelta(0)])
def test_whether_anything_came_since_the_last_training(shop: TenantRef, ago: timedelta) -> None:
    [plan] = plans_of(shop, lambda: reading.any_since(shop, NOW - ago))
    assert_reads(plan, "received_at", set(MONTHS))


def streamed(monkeypatch: pytest.MonkeyPatch, module: Any, ask: Callable[[], object]) -> list[str]:
    """The statements that a module reads by a cursor of the server, on a connection of its own."""
    asked: list[str] = []

    class Noting(psycopg.ServerCursor[Any]):
        def execute(self, query: Any, *arguments: Any, **options: Any) -> Any:
            asked.append(query.as_string(self))
            return super().execute(query, *arguments, **options)

    def noting() -> "psycopg.Connection[Any]":
        opened = connect()
        opened.server_cursor_factory = Noting
        return opened

    with monkeypatch.context() as patched:
        patched.setattr(module, "connect", noting)
        ask()
    return asked


def test_the_items_that_events_name(shop: TenantRef, monkeypatch: pytest.MonkeyPatch) -> None:
    [statement] = streamed(monkeypatch, activity, lambda: list(activity.item_ids(shop, WEEK_AGO)))
    assert_reads(plan_of(shop, statement), ITEM, WEEK)


def test_what_is_moved_again(shop: TenantRef, monkeypatch: pytest.MonkeyPatch) -> None:
    [statement] = streamed(monkeypatch, history, lambda: history.replay(shop, NOW - timedelta(minutes=5)))
    plan = plan_of(shop, statement)
    assert "Seq Scan" not in {node["Node Type"] for node in nodes(plan)}, json.dumps(plan, indent=1)
    assert "received_at" in indexes_used(plan)


def test_histories_of_a_few_users(shop: TenantRef, monkeypatch: pytest.MonkeyPatch) -> None:
    for statement in streamed(monkeypatch, history, lambda: history.rewrite(shop, ["v7"], ["u3", "u4"])):
        plan = plan_of(shop, statement)
        assert indexes_used(plan) <= {USER, VISITOR}, json.dumps(plan, indent=1)
        assert "Seq Scan" not in {node["Node Type"] for node in nodes(plan)}, json.dumps(plan, indent=1)
