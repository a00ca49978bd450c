"""Closed months as Parquet: what was stored is what is read, once, whatever came late or was interrupted."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.core.management import call_command
from fsspec.implementations.memory import MemoryFileSystem
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events import archive, archiving, ingest, reading, store
from events.archiving import Outcome
from events.types import EventIn, LineIn
from recomengine.lib import clock, stores
from recomengine.lib.errors import DomainError
from recomengine.lib.postgres import connect
from tenants.types import TenantRef
from tests.api import Api
from tests.events.months import count, event, has_partition, month, send

EVER = clock.now() - timedelta(days=396)
OLD, OLDER = month(2), month(3)


@pytest.fixture(params=["directory", "memory"], autouse=True)
def where(request: pytest.FixtureRequest, settings: Any, tmp_path: Any) -> None:
    """An empty archive in a directory, or somewhere else that fsspec reaches."""
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]
    settings.EVENT_ARCHIVE = str(tmp_path / "archive") if request.param == "directory" else "memory://archive"


def archived(tenant: TenantRef, drop: bool = False) -> dict[Any, Outcome]:
    return {each.month: each for each in archiving.archive_closed(tenant, drop=drop)}


def seen(tenant: TenantRef) -> list[tuple[Any, ...]]:
    """What a training reads."""
    rows = reading.interactions(tenant, EVER).to_pylist()
    return sorted((row["visitor"], row["item_id"], row["occurred_at"], row["quantity"]) for row in rows)


def names(tenant: TenantRef) -> list[str]:
    return archive.folder(tenant, OLD).names()


def row_of(tenant: TenantRef) -> Any:
    return next(row for row in archive.months(tenant) if row.month == OLD)


def test_a_closed_month_is_a_file_sorted_by_time(api_a: Api, tenant_a: TenantRef, api_b: Api) -> None:
    send(api_a, *(event(number, OLD) for number in (7, 3, 5)), event(8, month(0)))
    send(api_b, event(9, OLD))
    assert archived(tenant_a)[OLD] == Outcome(OLD, 3, "written", False)
    assert month(0) not in archived(tenant_a)
    folder = archive.folder(tenant_a, OLD)
    [name] = names(tenant_a)
    with folder.open(name) as file:
        found = pq.ParquetFile(file)
        assert found.metadata.row_group(0).column(3).compression == "ZSTD"
        rows = found.read().to_pylist()
    assert [row["visitor_id"] for row in rows] == ["v3", "v5", "v7"]
    assert row_of(tenant_a).sha256 in name


def test_it_is_written_once_and_anew_after_late_events(api_a: Api, tenant_a: TenantRef) -> None:
    send(api_a, event(1, OLD))
    archived(tenant_a)
    before = names(tenant_a)
    assert archived(tenant_a)[OLD].outcome == "unchanged"
    assert names(tenant_a) == before
    send(api_a, event(2, OLD))
    assert archived(tenant_a)[OLD] == Outcome(OLD, 2, "written", False)
    assert len(names(tenant_a)) == 1


def test_trainings_read_what_the_database_gave_up_each_once(
    api_a: Api, tenant_a: TenantRef, tenant_b: TenantRef
) -> None:
    send(api_a, *(event(number, of) for number, of in enumerate([OLDER, OLD, OLD, month(0)])))
    before = seen(tenant_a)
    archived(tenant_a)
    assert seen(tenant_a) == before  # in both, read once
    assert archived(tenant_a, drop=True)[OLD] == Outcome(OLD, 2, "unchanged", True)
    assert not has_partition(tenant_a, OLD)
    assert count(tenant_a) == 1
    assert seen(tenant_a) == before
    assert reading.interactions(tenant_a, datetime(OLD.year, OLD.month, 1, tzinfo=UTC)).num_rows == 3
    assert reading.any_since(tenant_a, None)
    assert seen(tenant_b) == []


def test_late_events_of_a_month_that_is_gone_are_added_to_its_file(api_a: Api, tenant_a: TenantRef) -> None:
    send(api_a, event(1, OLD), event(9, OLD))
    archived(tenant_a, drop=True)
    assert send(api_a, event(1, OLD), event(5, OLD)) == 1  # known although its row is gone
    before = seen(tenant_a)
    assert len(before) == 3
    assert archived(tenant_a)[OLD] == Outcome(OLD, 3, "written", True)
    assert not has_partition(tenant_a, OLD)
    assert seen(tenant_a) == before
    assert [row["visitor_id"] for batch in archive.read(tenant_a, row_of(tenant_a)) for row in batch.to_pylist()] == [
        "v1", "v5", "v9",
    ]  # fmt: skip
    assert archived(tenant_a).get(OLD) is None


def test_late_events_while_the_table_is_busy_stay_where_they_are(api_a: Api, tenant_a: TenantRef) -> None:
    send(api_a, event(1, OLD))
    archived(tenant_a, drop=True)
    send(api_a, event(2, OLD))
    before = seen(tenant_a)
    with connect() as reader:
        reader.execute(f"SELECT count(*) FROM {tenant_a.schema}.events_event".encode())
        assert archived(tenant_a)[OLD].outcome == "busy"
    assert (seen(tenant_a), len(names(tenant_a))) == (before, 1)
    assert archived(tenant_a)[OLD].outcome == "written"
    assert seen(tenant_a) == before


def test_events_that_come_between_the_file_and_the_drop_keep_the_partition(
    api_a: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(api_a, event(1, OLD))
    verify = archive.verify

    def late(tenant: TenantRef, row: Any) -> None:
        verify(tenant, row)
        if row.month == OLD:  # other months may have partitions too, and come first
            send(api_a, event(2, OLD))

    monkeypatch.setattr(archive, "verify", late)
    assert archived(tenant_a, drop=True)[OLD].dropped is False
    assert len(seen(tenant_a)) == 2


def test_a_file_that_was_changed_drops_nothing_and_is_told(api_a: Api, tenant_a: TenantRef) -> None:
    send(api_a, event(1, OLD))
    archived(tenant_a)
    folder = archive.folder(tenant_a, OLD)
    files, path = folder.files, folder.path_of(names(tenant_a)[0])
    whole = files.cat_file(path)
    files.pipe_file(path, whole[:50] + bytes([whole[50] ^ 1]) + whole[51:])
    with pytest.raises(DomainError, match="not what was written"):
        archived(tenant_a, drop=True)
    assert has_partition(tenant_a, OLD)
    files.rm_file(path)
    with pytest.raises(DomainError, match="cannot be read"):
        archived(tenant_a, drop=True)
    assert len(seen(tenant_a)) == 1


def test_an_interruption_leaves_the_old_file_and_the_next_time_tidies_up(
    api_a: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(api_a, event(1, OLD))
    archived(tenant_a)
    before = row_of(tenant_a).sha256
    send(api_a, event(2, OLD))
    folder = archive.folder(tenant_a, OLD)
    folder.files.pipe_file(folder.path_of("0123.writing"), b"of a process that was killed")
    with monkeypatch.context() as broken:
        broken.setattr(stores.Folder, "digest_of", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(DomainError, match="disk full"):
            archived(tenant_a)
    assert row_of(tenant_a).sha256 == before
    archiving.archive.verify(tenant_a, row_of(tenant_a))
    archived(tenant_a)
    assert names(tenant_a) == [f"events-{row_of(tenant_a).sha256}.parquet"]


def test_a_month_comes_back_without_duplicates(api_a: Api, tenant_a: TenantRef) -> None:
    properties = {"colour": "é", "n": [1, None]}
    order = {"type": "purchase", "order_id": "o1", "item_id": None, "price": None, "properties": properties}
    lines = [{"item_id": "a", "quantity": 2, "price": "9.95"}, {"item_id": "b", "price": 4}]
    sent = {name: value for name, value in (event(1, OLD) | order | {"items": lines}).items() if value is not None}
    send(api_a, sent, event(2, OLD, user_id="u"))
    before = api_a.get("events").json["results"]
    archived(tenant_a, drop=True)
    send(api_a, event(3, OLD))
    assert archiving.restore(tenant_a, OLD) == 3
    assert archiving.restore(tenant_a, OLD) == 0
    assert [row for row in api_a.get("events").json["results"] if row["visitor_id"] != "v3"] == before
    assert send(api_a, event(2, OLD)) == 0
    assert len(seen(tenant_a)) == 4
    assert archived(tenant_a)[OLD] == Outcome(OLD, 4, "written", False)
    with pytest.raises(DomainError, match="not archived"):
        archiving.restore(tenant_a, month(0))


def test_one_process_at_a_time(api_a: Api, tenant_a: TenantRef) -> None:
    with archiving.alone(tenant_a), pytest.raises(DomainError, match="try again"):
        archived(tenant_a)


def test_memory_is_bounded_by_batches(api_a: Api, tenant_a: TenantRef, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "BATCH", 4)
    send(api_a, *(event(number, OLD) for number in range(10)))
    before = seen(tenant_a)
    archived(tenant_a, drop=True)
    assert max(batch.num_rows for batch in archive.read(tenant_a, row_of(tenant_a))) <= 4
    assert seen(tenant_a) == before
    assert archiving.restore(tenant_a, OLD) == 10
    assert seen(tenant_a) == before


def test_the_command_archives_lists_and_restores(api_a: Api, tenant_a: TenantRef) -> None:
    send(api_a, event(1, OLD))

    def answer(*arguments: str) -> Any:
        out = StringIO()
        call_command("events_archive", *arguments, "--json", stdout=out)
        return [row for row in json.loads(out.getvalue()) if row["month"] == f"{OLD:%Y-%m}"]

    assert answer("shop-a", "--list") == []
    [row] = answer("--drop")[:1]
    assert (row["tenant"], row["rows"], row["outcome"], row["dropped"]) == ("shop-a", 1, "written", True)
    [row] = answer("shop-a", "--list")
    assert row["file"].endswith(f"/shop-a/{OLD:%Y-%m}/{names(tenant_a)[0]}")
    assert answer("shop-a", "--restore", f"{OLD:%Y-%m}") == [
        {"tenant": "shop-a", "month": f"{OLD:%Y-%m}", "restored": 1}
    ]
    with pytest.raises(SystemExit):
        call_command("events_archive", "shop-a", "--restore", "soon", "--json", stdout=StringIO())


PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))
IDS = st.text(PRINTABLE, min_size=1, max_size=12)
MOMENTS = st.integers(0, 27 * 86_400 * 1_000_000).map(
    lambda span: datetime(OLD.year, OLD.month, 1, tzinfo=UTC) + timedelta(microseconds=span)
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.builds(
            EventIn, type=st.just("view"), event_id=st.uuids(), visitor_id=IDS, user_id=st.none() | IDS,
            session_id=st.none() | IDS, order_id=st.none() | IDS, occurred_at=MOMENTS,
            consent=st.sampled_from([None, True]),
            items=st.lists(st.builds(LineIn, item_id=IDS, quantity=st.integers(1, 99)), min_size=1, max_size=3),
        ),
        min_size=1, max_size=4, unique_by=lambda event: event.event_id,
    )
)  # fmt: skip
def test_whatever_was_stored_comes_back_as_it_was(tenant_a: TenantRef, events: list[EventIn]) -> None:
    context = ingest.Context(clock.now(), "EUR")
    rows = f"SELECT * FROM {tenant_a.schema}.events_event ORDER BY id"
    with connect() as connection:
        for table in ("events_event", "events_eventkey", "events_archivedmonth"):
            connection.execute(f"DELETE FROM {tenant_a.schema}.{table}".encode())
        connection.commit()
        store.write(connection, tenant_a.schema, [ingest.to_rows(event, event.event_id, context) for event in events])  # type: ignore[arg-type]
        before = connection.execute(rows.encode()).fetchall()
        connection.commit()
        assert archived(tenant_a, drop=True)[OLD].dropped
        archiving.restore(tenant_a, OLD)
        assert connection.execute(rows.encode()).fetchall() == before
