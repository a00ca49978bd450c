"""The serving log: every slate that was served, written to PostgreSQL half a second later at most.

Attribution and off-policy evaluation rest on it. An answer only notes its slate, as the line that is copied later: put
into words by the event loop it costs less than what a thread and the loop lose by taking turns. A thread copies what
was noted into the tenants' tables. While PostgreSQL is away the newest `MOST` slates wait, older ones are lost and
counted.
"""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import psycopg
import structlog
from psycopg import errors, sql

from recomengine.lib import clock
from recomengine.lib.partitions import Partitioned, month_of
from recomengine.lib.postgres import table
from recommendations.packing import SCALE
from recommendations.serving.slates import Slate
from recommendations.types import MAX_LIMIT, Query
from tenants.types import TenantRef

SLATES: Final = Partitioned("recommendations_servedslate")
EVERY: Final = 0.5  # seconds between two writes
MOST: Final = 10_000  # slates that wait in a process, some 2 KB each
CONTEXT: Final = 20  # items at hand, and items of the visit, that are kept: the newest
TOLD_EVERY: Final = 10.0  # seconds between two complaints about lost slates
log = structlog.get_logger(__name__)


class Served(NamedTuple):
    """A slate as the table holds it, a column each; the lists `item_ids` to `propensities` are in the slate's order.

    `share`: the probability with which such a visitor's slates are logged.
    """

    recommendation_id: str
    served_at: datetime
    placement: str
    strategy: str
    model_version: str | None
    experiment: str | None
    phase: int | None
    variant: str | None
    visitor_id: str
    user_id: str | None
    items_at_hand: Sequence[str]
    session_items: Sequence[str]
    item_ids: Sequence[str]
    sources: Sequence[str]
    scores: Sequence[float]
    propensities: Sequence[float]
    degraded: bool
    empty_reason: str | None
    share: float


_COLUMNS: Final = sql.SQL(", ").join(map(sql.Identifier, Served._fields))
_COPY: Final = sql.SQL("COPY {} ({}) FROM STDIN")
_THERE: Final = sql.SQL("SELECT recommendation_id FROM {} WHERE recommendation_id = ANY(%s::uuid[])")


class Noted(NamedTuple):
    """A slate that waits: its tenant's schema, what it is sorted and known by, and its line of the COPY."""

    schema: str
    served_at: datetime
    recommendation_id: str
    line: str

    @classmethod
    def of(cls, schema: str, served: Served) -> "Noted":
        """The slate as it waits."""
        return cls(schema, served.served_at, served.recommendation_id, _line(served))


class ServingLog:
    """What a process served and has not written yet, and the thread that writes it."""

    def __init__(self, connect: Callable[[], "psycopg.Connection[Any]"]) -> None:
        self._connect = connect
        self._connection: psycopg.Connection[Any] | None = None
        self._waiting: deque[Noted] = deque()
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._lost, self._told_at, self._is_away = 0, 0.0, False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="serving-log")
        self._thread.start()

    def note(self, tenant: TenantRef, query: Query, answer: Slate, recommendation_id: str, *, opted_out: bool) -> None:
        """Have a slate written, unless it is nobody's, the browser asks for privacy, or the visitor is not sampled.

        Experiments need every exposure: their slates are always logged, whatever they hold.
        """
        share = tenant.serving_log_share if answer.assignment is None else 1.0
        if opted_out or query.visitor_id is None or not is_sampled(tenant.slug, query.visitor_id, share):
            return
        served = _served(query, query.visitor_id, answer, recommendation_id, share)
        noted = Noted.of(tenant.schema, served)
        with self._lock:
            self._make_room(1)
            self._waiting.append(noted)

    def close(self) -> None:
        """Write what waits, then end the thread."""
        self._closing.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._closing.wait(EVERY):
            self.flush()
        self.flush()
        self.flush()  # if the connection had ended while it was idle
        if self._waiting or self._lost:
            log.error("slates lost at the end", lost=len(self._waiting) + self._lost)
        self._disconnect()

    def flush(self) -> None:
        """Write what was noted until now, or have it wait on."""
        with self._writing:
            self._write_all(self._taken())
            self._tell_lost()

    def _write_all(self, groups: dict[str, list[Noted]]) -> None:
        while groups:
            schema, group = groups.popitem()
            try:
                self._write(schema, group)
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                self._disconnect()
                self._put_back({schema: group, **groups})
                if not self._is_away:
                    log.warning("slates wait, they cannot be logged", waiting=len(self._waiting), error=str(error))
                self._is_away = True
                break
            except Exception:  # of one tenant: the others' are to be written
                log.exception("slates not logged", schema=schema)
                with self._lock:
                    self._lost += len(group)
            self._is_away = False

    def _write(self, schema: str, group: Sequence[Noted]) -> None:
        """Store slates in one transaction; those that are there already are left out."""
        self._connection = connection = self._connection or self._connect()
        try:
            _copy(connection, schema, group)
        except errors.CheckViolation:  # no partition for some month
            SLATES.ensure(connection, schema, {month_of(each.served_at) for each in group})
            self._write(schema, group)
        except errors.UniqueViolation:  # the connection was lost in a commit that had succeeded
            self._write(schema, _missing(connection, schema, group))

    def _taken(self) -> dict[str, list[Noted]]:
        """All that waits, by schema."""
        with self._lock:
            waiting, self._waiting = self._waiting, deque()
        groups: dict[str, list[Noted]] = defaultdict(list)
        for noted in waiting:
            groups[noted.schema].append(noted)
        return groups

    def _put_back(self, groups: dict[str, list[Noted]]) -> None:
        waited = sorted((noted for group in groups.values() for noted in group), key=lambda noted: noted.served_at)
        with self._lock:
            self._waiting.extendleft(reversed(waited))
            self._make_room(0)

    def _make_room(self, more: int) -> None:
        while len(self._waiting) + more > MOST:
            self._waiting.popleft()
            self._lost += 1

    def _tell_lost(self) -> None:
        if self._lost and time.monotonic() - self._told_at > TOLD_EVERY:
            with self._lock:
                lost, self._lost = self._lost, 0
            self._told_at = time.monotonic()
            log.error("slates lost, they could not be logged", lost=lost)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def is_sampled(slug: str, visitor_id: str, share: float) -> bool:
    """Whether a visitor is one of the share of them whose slates are logged: wholly in or out, in every process."""
    if share in {0.0, 1.0}:
        return share == 1.0
    drawn = blake2b(f"{slug}:{visitor_id}".encode(), digest_size=8, person=b"serving").digest()
    return int.from_bytes(drawn) < share * 2**64


def _served(query: Query, visitor_id: str, answer: Slate, recommendation_id: str, share: float) -> Served:
    candidates = [each.admitted.candidate for each in answer.items]
    experiment, phase, variant = answer.assignment or (None, None, None)
    return Served(
        recommendation_id,
        clock.now(),
        answer.placement,
        answer.strategy,
        answer.model_version,
        experiment,
        phase,
        variant.key if variant else None,
        visitor_id,
        query.user_id,
        query.items[:CONTEXT],
        query.session_items[:CONTEXT],
        [each.admitted.card.item_id for each in answer.items],
        [each.source for each in candidates],
        [each.score / SCALE for each in candidates],
        [each.propensity for each in answer.items],
        answer.degraded,
        answer.empty_reason,
        share,
    )


def _copy(connection: "psycopg.Connection[Any]", schema: str, group: Iterable[Noted]) -> None:
    """In one transaction, whose end does not wait for the disk: a crash of PostgreSQL may take the last half second."""
    statement = _COPY.format(table(schema, SLATES.name), _COLUMNS)
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit TO off")
        with cursor.copy(statement) as copy:
            copy.write("".join([each.line for each in group]))


def _missing(connection: "psycopg.Connection[Any]", schema: str, group: Iterable[Noted]) -> list[Noted]:
    statement = _THERE.format(table(schema, SLATES.name))
    with connection.transaction():
        found = connection.execute(statement, [[each.recommendation_id for each in group]]).fetchall()
    there = {number.hex for (number,) in found}
    return [each for each in group if each.recommendation_id not in there]


def _line(served: Served) -> str:
    """A row in COPY's text format, put together here because psycopg takes more than twice as long for the arrays."""
    return "\t".join(map(_value, served)) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, str):
        return _escaped(value)
    if isinstance(value, list | tuple):
        return _array(value)
    return "\\N" if value is None else str(value)


def _array(values: Sequence[Any]) -> str:
    if not values:
        return "{}"
    if not isinstance(values[0], str):
        return "{" + _FLOATS[len(values)] % tuple(values) + "}"
    quoted = '","'.join(values)
    if not quoted.isprintable() or "\\" in quoted or quoted.count('"') > 2 * (len(values) - 1):
        quoted = '","'.join([each.replace("\\", "\\\\").replace('"', '\\"') for each in values])
        return _escaped(f'{{"{quoted}"}}')
    return f'{{"{quoted}"}}'


_FLOATS: Final = [",".join(["%.9g"] * count) for count in range(MAX_LIMIT + 1)]  # nine digits tell every `real`


def _escaped(text: str) -> str:
    if text.isprintable() and "\\" not in text:  # as good as always
        return text
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
