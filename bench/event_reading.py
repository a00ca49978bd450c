"""How fast, and in how much memory, trainings read events: from PostgreSQL and the archive, into Parquet and Arrow.

Run with `manage.py services run -- .venv/bin/python -m bench.event_reading [--rows 5000000]`. It works in a database of
its own, which it makes and drops. A tenant gets that many views, carts and purchases over 390 days: of visitors with
random ids of 36 characters, some hundred of them at a time with eight events each, of which one in ten logs in; of
65,536 items. "Memory" is the most that the reading process held, Python and its libraries included. "Processors" is
what that process computed, and what PostgreSQL's did for it.
"""

import argparse
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import django
import psycopg
from psycopg import sql

from bench.migrate_tenants import database, manage
from recomengine.local import paths

DAYS: Final = 390
FILL: Final = """
    INSERT INTO {events}
        (event_id, line, type, occurred_at, received_at, visitor_id, user_id, session_id, item_id, order_id, quantity)
    SELECT gen_random_uuid(), 0, CASE n %% 20 WHEN 0 THEN 'purchase' WHEN 1 THEN 'add_to_cart' ELSE 'view' END, at, at,
           md5('visitor' || who)::uuid, CASE WHEN n %% 20 = 0 AND who %% 10 = 0 THEN 'customer-' || who END,
           md5('session' || who)::uuid, 'sku-' || (hashint8(n) & 65535), CASE WHEN n %% 20 = 0 THEN 'order-' || n END, 1
    FROM generate_series(1::bigint, %(rows)s) n,
         LATERAL (SELECT n / 3200 * 400 + (hashint8(n * 7) & 2147483647) %% 400 AS who,
                         now() - %(over)s + n * (%(over)s / %(rows)s) AS at) chosen
"""


def fill(connection: "psycopg.Connection[Any]", schema: str, rows: int) -> None:
    from bench.event_partitions import months_until_now
    from events import partitions
    from recomengine.lib.postgres import table

    events = table(schema, "events_event")
    partitions.ensure(connection, schema, months_until_now(DAYS // 28 + partitions.AHEAD + 1))
    connection.execute(sql.SQL(FILL).format(events=events), {"rows": rows, "over": timedelta(days=DAYS)})
    connection.execute(sql.SQL("VACUUM ANALYZE {}").format(events))


def computed(postmaster: int) -> tuple[float, float]:
    """Seconds that this process has computed so far, and PostgreSQL's connections that have ended."""
    fields = Path(f"/proc/{postmaster}/stat").read_text().rpartition(")")[2].split()
    return time.process_time(), (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def postmaster() -> int:
    from recomengine.lib.postgres import connect

    with connect() as connection:
        backend = Path(f"/proc/{connection.info.backend_pid}/stat").read_text()
    return int(backend.rpartition(")")[2].split()[1])


def tell(name: str, rows: int, rounds: int, read: Callable[[], int]) -> None:
    """Read several times, and print rows a second, in the median and at best, and processors in the median."""
    seconds, processors, server = [], [], postmaster()
    for _ in range(rounds):
        began, before = time.perf_counter(), computed(server)
        found = read()
        seconds.append(time.perf_counter() - began)
        time.sleep(0.2)  # until the connection's process has ended
        processors.append([now - then for now, then in zip(computed(server), before, strict=True)])
        if found != rows:
            sys.exit(f"{name}: {found:,} rows were read instead of {rows:,}")
    mine, its = (statistics.median(each) / rows * 1e6 for each in zip(*processors, strict=True))
    print(
        f"{name}: {rows / statistics.median(seconds):,.0f} rows a second, at best {rows / min(seconds):,.0f};", end=" "
    )
    print(f"processors, a row: {mine:.2f} µs, PostgreSQL {its:.2f} µs", flush=True)


def measure(rows: int, rounds: int) -> None:
    from events import archiving, reading
    from recomengine.lib import clock
    from recomengine.lib.postgres import connect
    from tenants.provisioning import create_tenant

    tenant = create_tenant("reading", "Reading").ref
    with connect(autocommit=True) as connection:
        fill(connection, tenant.schema, rows)
    ever = clock.now() - timedelta(days=DAYS + 1)
    with tempfile.TemporaryDirectory() as directory:

        def written() -> int:
            return reading.write_interactions(tenant, ever, Path(directory)).rows

        tell("database into Parquet", rows, rounds, written)
        size = sum(path.stat().st_size for path in Path(directory).iterdir())
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f"  memory: {peak / 2**10:,.0f} MB; file: {size / rows:,.0f} bytes a row")
        tell("database into Arrow", rows, rounds, lambda: reading.interactions(tenant, ever).num_rows)
        given_up = sum(each.rows for each in archiving.archive_closed(tenant, drop=True) if each.dropped)
        print(f"now {given_up:,} of the rows are in the archive alone")
        tell("archive and database into Parquet", rows, rounds, written)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    server = os.environ.get("DATABASE_URL") or paths.database_url(paths.CHECKOUT)
    with database(server, name="bench_event_reading"), tempfile.TemporaryDirectory() as archive:
        os.environ["RECOMENGINE_EVENT_ARCHIVE"] = archive
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recomengine.settings")
        django.setup()
        manage("migrate_schemas")
        measure(options.rows, options.rounds)


if __name__ == "__main__":
    main()
