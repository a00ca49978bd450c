"""Monthly partitions of a tenant's tables, made when they are needed and a few months ahead."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

import psycopg
import structlog
from psycopg import errors, sql

from recomengine.lib.postgres import table

AHEAD: Final = 2
PATIENCE: Final = "500ms"
log = structlog.get_logger(__name__)
_LOCK: Final = 0x7265636F  # one maker of partitions at a time in a database
_CREATE: Final = sql.SQL("CREATE TABLE {partition} (LIKE {whole} INCLUDING DEFAULTS)")
_ATTACH: Final = sql.SQL("ALTER TABLE {whole} ATTACH PARTITION {partition} FOR VALUES FROM ({start}) TO ({end})")
_DETACH: Final = sql.SQL("ALTER TABLE {whole} DETACH PARTITION {partition}")
_EXISTING: Final = """
    SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
    WHERE inhparent = to_regclass(%s) ORDER BY child.relname
"""


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


@dataclass(frozen=True, slots=True)
class Partitioned:
    """A table of every tenant's schema that is partitioned by UTC months."""

    name: str

    def name_of(self, month: date) -> str:
        """The name of a month's partition."""
        return f"{self.name}_{month:%Y_%m}"

    def ensure(self, connection: "psycopg.Connection[Any]", schema: str, months: Iterable[date]) -> None:
        """Make the partitions that are missing, in a transaction of their own.

        They are made beside the table and then attached, because CREATE … PARTITION OF would wait for every reader (a
        training may read for minutes) and have all writers wait behind it.
        """
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
            for month in sorted(set(months)):
                names = {"partition": table(schema, self.name_of(month)), "whole": table(schema, self.name)}
                bounds = {"start": f"{month:%Y-%m-%d} 00:00:00+00", "end": f"{following(month):%Y-%m-%d} 00:00:00+00"}
                found = cursor.execute("SELECT to_regclass(%s)", [names["partition"].as_string(connection)]).fetchone()
                if found is None or found[0] is None:
                    cursor.execute(_CREATE.format(**names))
                    cursor.execute(_ATTACH.format(**names, **bounds))

    def existing(self, connection: "psycopg.Connection[Any]", schema: str) -> list[date]:
        """The months that have a partition, in order."""
        parent = table(schema, self.name).as_string(connection)
        names = [name for (name,) in connection.execute(_EXISTING, [parent])]
        return [datetime.strptime(name[-7:], "%Y_%m").date() for name in names]  # noqa: DTZ007 - a month has no zone

    def drop(self, connection: "psycopg.Connection[Any]", schema: str, month: date) -> None:
        """Drop a month's partition within the caller's transaction; raises `LockNotAvailable` if the table is busy.

        Whoever writes or reads has to wait behind the lock, so it is not waited for longer than `PATIENCE`.
        """
        names = {"partition": table(schema, self.name_of(month)), "whole": table(schema, self.name)}
        connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(PATIENCE))
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        connection.execute(_DETACH.format(**names))
        connection.execute(sql.SQL("DROP TABLE {partition}").format(**names))

    def drop_before(self, connection: "psycopg.Connection[Any]", schema: str, oldest: date) -> bool:
        """Drop the months before one, each in a transaction; False if the table was busy and some are left."""
        expired = [month for month in self.existing(connection, schema) if month < oldest]
        connection.commit()
        for month in expired:
            try:
                with connection.transaction():
                    self.drop(connection, schema, month)
            except errors.LockNotAvailable:
                log.warning("expired month not dropped, the table is busy", table=f"{schema}.{self.name_of(month)}")
                return False
            log.info("expired month dropped", table=f"{schema}.{self.name_of(month)}")
        return True
