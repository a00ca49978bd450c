"""What many tenants' monthly partitions of events cost: the catalogue, planning, and the daily task.

Run with `manage.py services run -- .venv/bin/python -m bench.event_partitions --tenants 1000`. It works in a database
of its own, which it makes and drops. Every tenant gets `--months` partitions; the first ones get events in each of
them. Planning is what PostgreSQL tells of it (EXPLAIN … SUMMARY): "cold" is the first query of a connection, which has
to read the catalogue, the median over several tenants; "warm" the same query again.
"""

import argparse
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from typing import Any, Final

import django
import psycopg
from psycopg import sql

from bench.migrate_tenants import THREADS, database, manage
from recomengine.local import paths

TRIED: Final = 20  # tenants with events, in which queries are planned
EVENTS: Final = 26_000  # of each of them
WARM: Final = 20
CATALOGUE: Final = ["pg_class", "pg_attribute", "pg_index", "pg_constraint", "pg_attrdef", "pg_depend", "pg_type"]
FILL: Final = """
    INSERT INTO {events}
        (event_id, line, type, occurred_at, received_at, visitor_id, user_id, item_id, recommendation_id,
         quantity)
    SELECT gen_random_uuid(), 0, 'view', at, at, 'v' || n %% 2000, CASE WHEN n %% 3 = 0 THEN 'u' || n %% 500 END,
           'i' || n %% 1000, CASE WHEN n %% 5 = 0 THEN 'r' || n END, 1
    FROM generate_series(1, %s) n, LATERAL (SELECT %s::timestamptz + n * %s::interval AS at) instant
"""
NEWEST: Final = "ORDER BY occurred_at DESC, id DESC LIMIT 51"
QUERIES: Final = {
    "a page of the listing": "TRUE",
    "a visitor's events": "visitor_id = 'v17'",
    "a user's events": "user_id = 'u18'",
    "an item's events": "item_id = 'i77'",
    "a slate's events": "recommendation_id = 'r1000'",
}


def months_until_now(count: int) -> list[date]:
    """This month and the two that are made ahead, and so many before that there are `count`."""
    from events import partitions
    from recomengine.lib import clock

    months = partitions.upcoming(clock.now())
    while len(months) < count:
        months.insert(0, (months[0] - timedelta(days=1)).replace(day=1))
    return months


def make_tenants(tenants: int) -> list[str]:
    from tenants.provisioning import create_tenant

    with ThreadPoolExecutor(THREADS) as pool:
        made = list(pool.map(lambda n: create_tenant(f"shop-{n}", f"Shop {n}"), range(tenants)))
    return [tenant.schema_name for tenant in made]


def make_partitions(connection: "psycopg.Connection[Any]", schemas: list[str], months: list[date]) -> None:
    from events import partitions

    began = time.perf_counter()
    for schema in schemas:
        partitions.ensure(connection, schema, months)
    made = len(schemas) * len(months)
    print(f"{made:,} partitions: {(time.perf_counter() - began) / made * 1e3:.1f} ms each", flush=True)


def fill(connection: "psycopg.Connection[Any]", schemas: list[str], first: date, last: datetime) -> None:
    from recomengine.lib.postgres import table

    begin = datetime(first.year, first.month, 1, tzinfo=last.tzinfo)
    for schema in schemas:
        events = table(schema, "events_event")
        statement = sql.SQL(FILL).format(events=events)
        connection.execute(statement, [EVENTS, begin, (last - begin) / (EVENTS + 1)])
        connection.execute(sql.SQL("ANALYZE {}").format(events))


def tell_catalogue(connection: "psycopg.Connection[Any]") -> None:
    for name in CATALOGUE:
        statement = f"SELECT count(*), pg_total_relation_size('{name}') FROM {name}"
        count, size = connection.execute(statement.encode()).fetchone() or (0, 0)
        print(f"  {name}: {count:,} rows, {size / 2**20:,.0f} MB")
    files = """
        SELECT count(*), pg_database_size(current_database()) FROM pg_class WHERE pg_relation_filepath(oid) IS NOT NULL
    """
    count, size = connection.execute(files.encode()).fetchone() or (0, 0)
    print(f"  files (without free-space and visibility maps): {count:,}; database: {size / 2**20:,.0f} MB", flush=True)


def planning(connection: "psycopg.Connection[Any]", statement: sql.Composed) -> tuple[float, float]:
    """Milliseconds that planning and executing a statement takes."""
    explain = sql.SQL("EXPLAIN (ANALYZE, SUMMARY, TIMING OFF, FORMAT JSON) {}").format(statement)
    [[plan]] = connection.execute(explain).fetchall()
    return plan[0]["Planning Time"], plan[0]["Execution Time"]


def plans(schemas: list[str], condition: str) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Planning and execution of one query in each schema: by a new connection, and again."""
    from recomengine.lib.postgres import connect, table

    cold, warm = [], []
    for schema in schemas:
        text = f"SELECT * FROM {{}} WHERE {condition} {NEWEST}"
        statement = sql.SQL(text).format(table(schema, "events_event"))  # type: ignore[arg-type]
        with connect(autocommit=True) as connection:
            cold.append(planning(connection, statement))
            warm += [planning(connection, statement) for _ in range(WARM)]
    return cold, warm


def tell_planning(schemas: list[str], now: datetime) -> None:
    bounds = {
        "the last 30 days": f" AND occurred_at >= '{now - timedelta(days=30)}' AND occurred_at < '{now}'",
        "all months": "",
    }
    print("median ms                                         cold plan  warm plan  warm execution")
    for name, condition in QUERIES.items():
        for bound, added in bounds.items():
            cold, warm = plans(schemas, condition + added)
            figures = [cold_plan for cold_plan, _ in cold], [plan for plan, _ in warm], [run for _, run in warm]
            told = "  ".join(f"{statistics.median(each):9.3f}" for each in figures)
            print(f"  {name + ', ' + bound:45}  {told}", flush=True)


def tell_daily_task(now: datetime) -> None:
    from unittest import mock

    from events import tasks
    from recomengine.lib import clock

    def seconds() -> float:
        began = time.perf_counter()
        tasks.make_partitions()
        return time.perf_counter() - began

    print(f"the daily task, nothing to make: {seconds():.1f} s")
    with mock.patch.object(clock, "now", return_value=now + timedelta(days=31)):
        print(f"the daily task when a month begins: {seconds():.1f} s", flush=True)


def measure(tenants: int, months: int) -> None:
    from recomengine.lib import clock
    from recomengine.lib.postgres import connect

    now, wanted = clock.now(), months_until_now(months)
    schemas = make_tenants(tenants)
    with connect(autocommit=True) as connection:
        print("without partitions")
        tell_catalogue(connection)
        make_partitions(connection, schemas, wanted)
        print(f"{tenants} tenants with {months} partitions each")
        tell_catalogue(connection)
        fill(connection, schemas[:TRIED], wanted[0], now)
    tell_planning(schemas[:TRIED], now)
    tell_daily_task(now)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tenants", type=int, default=1000)
    parser.add_argument("--months", type=int, default=13)
    options = parser.parse_args()
    with database(os.environ.get("DATABASE_URL") or paths.database_url(paths.CHECKOUT), name="bench_event_partitions"):
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recomengine.settings")
        django.setup()
        manage("migrate_schemas")
        measure(options.tenants, options.months)


if __name__ == "__main__":
    main()
