"""What the serving log costs: the note in the event loop, the writer, the table, and what the loop feels of it.

`manage.py services run -- python -m bench.serving_log --seconds 4 --rate 1000`
"""

import argparse
import asyncio
import statistics
import time
import uuid
from pathlib import Path
from typing import Any, Final

from bench.harness import bench_tenants
from catalog.types import Card
from recomengine.lib import clock
from recomengine.lib.partitions import month_of
from recomengine.lib.postgres import connect
from recommendations import serving_log
from recommendations.packing import SCALE
from recommendations.serving.gate import Admitted
from recommendations.serving.reranking import Ranked
from recommendations.serving.slates import Slate
from recommendations.serving_log import SLATES, ServingLog
from recommendations.types import Candidate, Query
from tenants.models import Tenant
from tenants.types import TenantRef

SLATES_MADE: Final = 1_000
VISITORS: Final = 100_000
SHARES: Final = (0.5, 0.9, 0.99)
ROUNDS: Final = 5


def slates(part: int = 0) -> list[tuple[Query, Slate]]:
    """Ten items of two strategies beside a product, half of the visitors signed in."""
    made = []
    for number in range(SLATES_MADE):
        answer = Slate("product-page", "bought_together", "20261128-101500-3f")
        for place in range(10):
            source = "bought_together" if place < 6 else "popular"
            score = SCALE * 0.9173 / (1 + place + number % 7)
            candidate = Candidate(place, score, source, "code", None, 41)
            card = Card(f"SKU-{(number * 37 + place) % 100_000:06d}", True, 0, 0, "", b"{}")
            answer.items.append(Ranked(Admitted(candidate, card, None), 1.0))
        viewed = tuple(f"SKU-{(number * 53 + place) % 100_000:06d}" for place in range(5))
        visitor = str(uuid.uuid5(uuid.NAMESPACE_URL, str((part * SLATES_MADE + number) * 97 % VISITORS)))
        user = f"customer-{visitor[:8]}" if number % 2 else None
        made.append((Query(items=viewed[:1], session_items=viewed, visitor_id=visitor, user_id=user), answer))
    return made


def note_all(log: ServingLog, tenant: TenantRef, made: list[tuple[Query, Slate]]) -> float:
    """Microseconds a note, of a processor."""
    numbers = [uuid.uuid4().hex for _ in made]
    began = time.thread_time()
    for (query, answer), number in zip(made, numbers, strict=True):
        log.note(tenant, query, answer, number, opted_out=False)
    return (time.thread_time() - began) / len(made) * 1e6


def rows(statement: str) -> list[tuple[Any, ...]]:
    with connect() as opened:
        return opened.execute(statement.encode()).fetchall()


def server_seconds(pid: int) -> float:
    """What a process of PostgreSQL has computed."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def measure_writer(log: ServingLog, tenant: TenantRef, rounds: int) -> None:
    """Notes and writes, one after the other, so that each is measured alone."""
    notes = [note_all(log, tenant, slates())]
    log.flush()
    assert log._connection is not None
    pid = log._connection.info.backend_pid
    spent, taken, server = 0.0, 0.0, server_seconds(pid)
    for part in range(1, rounds + 1):
        notes.append(note_all(log, tenant, slates(part)))
        began, computed = time.perf_counter(), time.thread_time()
        log.flush()
        taken += time.perf_counter() - began
        spent += time.thread_time() - computed
    count = rounds * SLATES_MADE
    print(f"a note: {statistics.median(notes):.1f} µs in the event loop")
    print(f"the writer: {count / taken:,.0f} slates a second, {spent / count * 1e6:.1f} µs of a processor each")
    print(f"PostgreSQL's process: {(server_seconds(pid) - server) / count * 1e6:.1f} µs each")
    partition = f"{tenant.schema}.{SLATES.name_of(month_of(clock.now()))}"
    [(whole, indexes, stored)] = rows(
        f"SELECT pg_total_relation_size('{partition}'), pg_indexes_size('{partition}'), count(*) FROM {partition}"
    )
    print(f"{stored:,} slates: {(whole - indexes) / stored:.0f} bytes each, and {indexes / stored:.0f} of indexes")


async def lag(log: ServingLog | None, tenant: TenantRef, rate: int, seconds: float) -> list[float]:
    """How late the event loop is, in ms, while it notes so many slates a second."""
    made, late = slates(), []
    began, number = time.perf_counter(), 0
    while (due := began + number / rate) < began + seconds:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        late.append((time.perf_counter() - due) * 1e3)
        query, answer = made[number % len(made)]
        if log is not None:
            log.note(tenant, query, answer, uuid.uuid4().hex, opted_out=False)
        number += 1
    return sorted(late)


def measure_lag(log: ServingLog, tenant: TenantRef, rate: int, seconds: float) -> None:
    """In turns, because whatever else the machine does comes and goes; medians of the rounds."""
    ways = {"no log": None, "the log": log}
    late: dict[str, list[list[float]]] = {title: [] for title in ways}
    for _ in range(ROUNDS):
        for title, logging in ways.items():
            found = asyncio.run(lag(logging, tenant, rate, seconds))
            late[title].append([found[int(len(found) * share)] for share in SHARES])
    for title, rounds in late.items():
        at = zip(SHARES, map(statistics.median, zip(*rounds, strict=True)), strict=True)
        print(f"{title}: late by " + ", ".join(f"{value:.2f} ms (p{share * 100:g})" for share, value in at))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rate", type=int, default=1_000, help="slates a second, of one process")
    parser.add_argument("--rounds", type=int, default=100, help=f"writes of {SLATES_MADE} slates")
    options = parser.parse_args()
    with bench_tenants("serving-log") as [row]:
        tenant = Tenant.objects.get(pk=row.pk).ref
        every, serving_log.EVERY = serving_log.EVERY, 3_600.0  # type: ignore[misc]
        log = ServingLog(connect)
        measure_writer(log, tenant, options.rounds)
        log.close()
        serving_log.EVERY = every  # type: ignore[misc]
        log = ServingLog(connect)
        measure_lag(log, tenant, options.rate, options.seconds)
        log.close()


if __name__ == "__main__":
    main()
