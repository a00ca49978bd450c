"""Monthly partitions of a tenant's event table, made when they are needed and a few months ahead."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any, Final

import psycopg
from psycopg import sql

from recomengine.lib.postgres import table

AHEAD: Final = 2
PATIENCE: Final = "500ms"
_LOCK: Final = 0x7265636F  # one maker of partitions at a time in a database
_CREATE: Final = sql.SQL("CREATE TABLE {partition} (LIKE {events} INCLUDING DEFAULTS)")
_ATTACH: Final = sql.SQL("ALTER TABLE {events} ATTACH PARTITION {partition} FOR VALUES FROM ({start}) TO ({end})")

_DETACH: Final = sql.SQL("ALTER TABLE {events} DETACH PARTITION {partition}")


def month_of(instant: datetime) -> date:
    """The first day of the UTC month an instant lies in."""
    return instant.astimezone(UTC).date().replace(day=1)


def following(month: date) -> date:
    return date(month.year + month.month // 12, month.month % 12 + 1, 1)


def upcoming(now: datetime) -> list[date]:
    """This month and the `AHEAD` months after it."""
    months = [month_of(now)]
    for _ in range(AHEAD):
        months.append(following(months[-1]))
    return months


def name_of(month: date) -> str:
    return f"events_event_{month:%Y_%m}"


def ensure(connection: "psycopg.Connection[Any]", schema: str, months: Iterable[date]) -> None:
    """Make the partitions that are missing, in a transaction of their own.

    They are made beside the table and then attached, because CREATE … PARTITION OF would wait for every reader (a
    training may read for minutes) and have all writers wait behind it.
    """
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        for month in sorted(set(months)):
            names = {"partition": table(schema, name_of(month)), "events": table(schema, "events_event")}
            bounds = {"start": f"{month:%Y-%m-%d} 00:00:00+00", "end": f"{following(month):%Y-%m-%d} 00:00:00+00"}
            found = cursor.execute("SELECT to_regclass(%s)", [names["partition"].as_string(connection)]).fetchone()
            if found is None or found[0] is None:
                cursor.execute(_CREATE.format(**names))
                cursor.execute(_ATTACH.format(**names, **bounds))


_EXISTING: Final = """
    SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
    WHERE inhparent = to_regclass(%s) ORDER BY child.relname
"""


def existing(connection: "psycopg.Connection[Any]", schema: str) -> list[date]:
    """The months that have a partition, in order."""
    parent = table(schema, "events_event").as_string(connection)
    names = [name for (name,) in connection.execute(_EXISTING, [parent])]
    return [datetime.strptime(name[-7:], "%Y_%m").date() for name in names]  # noqa: DTZ007 - a month has no time zone


def drop(connection: "psycopg.Connection[Any]", schema: str, month: date) -> None:
    """Drop a month's partition within the caller's transaction; raises `LockNotAvailable` if the table is busy.

    Whoever writes or reads has to wait behind the lock, so it is not waited for longer than `PATIENCE`.
    """
    names = {"partition": table(schema, name_of(month)), "events": table(schema, "events_event")}
    connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(PATIENCE))
    connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    connection.execute(_DETACH.format(**names))
    connection.execute(sql.SQL("DROP TABLE {partition}").format(**names))
