"""Events in a file for trainings: each once, as of one moment, in pieces, and nothing if something fails."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from psycopg import sql

from events import archive, archiving, copying, identities, partitions, reading
from events.models import Event
from recomengine.lib import clock
from recomengine.lib.errors import DomainError
from recomengine.lib.postgres import connect, table
from tenants import tenancy
from tenants.types import TenantRef
from tests.api import Api
from tests.disks import small_disk
from tests.events.months import event, has_partition, month, send

EVER = clock.now() - timedelta(days=396)
OLD = month(2)
NAMES = reading.INTERACTIONS.names
FILL = """
    INSERT INTO {events} (event_id, line, type, occurred_at, visitor_id, user_id, session_id, item_id, order_id,
                          quantity, flag)
    SELECT gen_random_uuid(), 0, CASE WHEN n %% 7 = 0 THEN 'purchase' ELSE 'view' END,
           %(from)s + n * interval '6 minutes 0.000001 seconds', 'browser ' || n %% 500,
           CASE WHEN n %% 9 = 0 THEN 'user ' || n %% 50 WHEN n %% 31 = 0 THEN 'browser ' || n %% 500 END,
           CASE WHEN n %% 3 > 0 THEN gen_random_uuid()::text END, CASE WHEN n %% 11 > 0 THEN 'item ' || n %% 90 END,
           CASE WHEN n %% 7 = 0 THEN '' END, n %% 5 + 1, CASE WHEN n %% 13 = 0 THEN 'bot' END
    FROM generate_series(1, %(rows)s) n
"""
Row = tuple[Any, ...]
Fill = Callable[[TenantRef, int], None]


@pytest.fixture
def fill() -> Fill:
    """Store many events, ten a UTC hour from the beginning of a month on, on pages with gaps."""

    def store(tenant: TenantRef, rows: int) -> None:
        events = table(tenant.schema, "events_event")
        begin = datetime(OLD.year, OLD.month, 1, tzinfo=UTC)
        with connect() as connection:
            partitions.ensure(connection, tenant.schema, [month(back) for back in range(3)])
            connection.execute(sql.SQL(FILL).format(events=events), {"from": begin, "rows": rows})
            connection.execute(sql.SQL("DELETE FROM {} WHERE id %% 17 = 0 AND id > %s").format(events), [rows // 2])

    return store


@pytest.fixture
def in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page at a time, some hundred rows to write, and fewer browsers than there are."""
    monkeypatch.setattr(copying, "PAGES", 1)
    monkeypatch.setattr(reading, "_AT_ONCE", 300)
    monkeypatch.setattr(identities, "_AT_ONCE", 20)


def expected(tenant: TenantRef, since: datetime = EVER) -> list[Row]:
    """The same by way of the ORM, a row at a time."""
    with tenancy.use(tenant):
        rows = list(Event.objects.filter(flag=None).order_by())
    seen: dict[str, set[str]] = {}
    for row in rows:
        if row.user_id and row.user_id != row.visitor_id:
            seen.setdefault(row.visitor_id, set()).add(row.user_id)
    whose = {visitor: min(users) for visitor, users in seen.items() if len(users) == 1}

    def whose_is(row: Event) -> str:
        return row.user_id or whose.get(row.visitor_id, row.visitor_id)

    return sorted(
        (
            (whose_is(row), row.session_id, row.type, row.item_id, row.occurred_at, row.order_id, row.quantity)
            for row in rows
            if row.item_id is not None and row.occurred_at >= since
        ),
        key=repr,
    )


def rows_of(path: Path) -> list[Row]:
    found = pq.read_table(path)
    assert found.schema.equals(reading.INTERACTIONS)
    columns = [column.to_pylist() for column in found.columns]
    return sorted(
        ((*row[:4], row[4].astimezone(UTC), *row[5:]) for row in zip(*columns, strict=True)), key=repr
    )  # the instants' zones have another class


@pytest.mark.usefixtures("in_pieces")
@pytest.mark.parametrize("dropped", [False, True])
def test_each_line_is_in_the_file_once(
    tenant_a: TenantRef, api_b: Api, fill: Fill, tmp_path: Path, dropped: bool
) -> None:
    fill(tenant_a, 9_000)
    send(api_b, event(1, OLD))
    told = expected(tenant_a)
    if dropped:
        assert any(each.dropped for each in archiving.archive_closed(tenant_a, drop=True))
        assert not has_partition(tenant_a, OLD)
    read = reading.write_interactions(tenant_a, EVER, tmp_path)
    assert rows_of(read.path) == told
    moments = [row[4] for row in told]
    assert (read.rows, read.first, read.last) == (len(told), min(moments), max(moments))
    assert timedelta() <= clock.now() - read.as_of < timedelta(minutes=1)
    assert dropped or pq.read_metadata(read.path).num_row_groups > 5
    assert list(tmp_path.iterdir()) == [read.path]


def test_from_the_middle_of_a_month_on(tenant_a: TenantRef, fill: Fill, tmp_path: Path) -> None:
    fill(tenant_a, 9_000)
    since = datetime(OLD.year, OLD.month, 11, 12, 13, 14, 15, tzinfo=UTC)
    told = expected(tenant_a, since)
    assert rows_of(reading.write_interactions(tenant_a, since, tmp_path).path) == told
    archiving.archive_closed(tenant_a, drop=True)
    assert rows_of(reading.write_interactions(tenant_a, since, tmp_path).path) == told


def test_nothing_to_read_is_an_empty_file(tenant_a: TenantRef, tmp_path: Path) -> None:
    read = reading.write_interactions(tenant_a, EVER, tmp_path)
    assert (read.rows, read.first, read.last, rows_of(read.path)) == (0, None, None, [])


@pytest.mark.usefixtures("in_pieces")
def test_what_happens_meanwhile_is_not_in_it(api_a: Api, tenant_a: TenantRef, fill: Fill) -> None:
    """Later events, months that the archive takes over, and one that comes back: all is as of the beginning."""
    fill(tenant_a, 3_000)
    told = len(expected(tenant_a))
    with copying.frozen(tenant_a.schema) as connection:
        found = reading._found(connection, tenant_a, EVER)
        rows = next(found).num_rows
        assert not any(each.dropped for each in archiving.archive_closed(tenant_a, drop=True))
        send(api_a, *(event(number, month(1)) for number in range(50)))
        rows += sum(batch.num_rows for batch in found)
    assert rows == told
    assert any(each.dropped for each in archiving.archive_closed(tenant_a, drop=True))
    with copying.frozen(tenant_a.schema) as connection:
        found = reading._found(connection, tenant_a, EVER)
        rows = next(found).num_rows
        assert archiving.restore(tenant_a, OLD) > 0
        rows += sum(batch.num_rows for batch in found)
    assert rows == told + 50


def cut_off(original: Callable[..., Iterator[pa.RecordBatch]], connection: Any, *args: Any) -> Iterator[pa.RecordBatch]:
    """The same batches; the server's process is ended when the first was read."""
    for number, batch in enumerate(original(connection, *args)):
        yield batch
        if not number:
            with connect(autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.info.backend_pid])


@pytest.mark.usefixtures("in_pieces")
def test_a_lost_database_is_an_error_and_leaves_the_file_before(
    tenant_a: TenantRef, fill: Fill, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tenant_a, 3_000)
    read = reading.write_interactions(tenant_a, EVER, tmp_path)
    before = read.path.read_bytes()
    fill(tenant_a, 1_000)
    monkeypatch.setattr(copying, "stored", partial(cut_off, copying.stored))
    monkeypatch.setattr(
        identities, "belongings", lambda *_: (pa.array([], pa.string()), pa.array([], pa.string()))
    )  # so that lines are what is read when it happens
    with pytest.raises(psycopg.OperationalError, match="terminating connection"):
        reading.write_interactions(tenant_a, EVER, tmp_path)
    assert list(tmp_path.iterdir()) == [read.path]
    assert read.path.read_bytes() == before


def test_a_month_that_the_archive_lost_is_an_error(
    api_a: Api, tenant_a: TenantRef, tmp_path: Path, settings: Any
) -> None:
    settings.EVENT_ARCHIVE = str(tmp_path / "archive")
    send(api_a, event(1, OLD), event(2, month(0)))
    archiving.archive_closed(tenant_a, drop=True)
    archive.remove(tenant_a, OLD)
    (tmp_path / "read").mkdir()
    with pytest.raises(DomainError, match="The archive of events cannot be read"):
        reading.write_interactions(tenant_a, EVER, tmp_path / "read")
    assert not list((tmp_path / "read").iterdir())


@pytest.mark.slow
def test_a_full_disk_is_an_error_and_leaves_nothing(tenant_a: TenantRef, fill: Fill, tmp_path: Path) -> None:
    directory = tmp_path / "small"
    directory.mkdir()
    with small_disk(directory, 1):
        fill(tenant_a, 2_000)
        read = reading.write_interactions(tenant_a, EVER, directory)
        before = read.path.read_bytes()
        fill(tenant_a, 19_000)
        fill(tenant_a, 19_000)
        with pytest.raises(OSError, match="No space left on device"):
            reading.write_interactions(tenant_a, EVER, directory)
        assert list(directory.iterdir()) == [read.path]
        assert read.path.read_bytes() == before
