"""Erasing a visitor or user: everything that was stored under an id, and of the browsers that are that user's alone.

The rows in the database go at once. What takes longer a worker does, and goes on with after an interruption: the
archive's files are written anew, and Redis' histories of those who shared a browser with the erased. Event keys stay,
so that an old event that is sent again is not stored again; they hold nothing about anybody.
"""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import structlog
from celery import current_app
from django.db import connection, transaction
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from events import archive, archiving, elsewhere, history, identities, live_entries, trending
from events.importing import forgetting
from events.models import ArchivedMonth, Erasure
from events.subjects import Subject, checked, digest_of, of_subject
from recomengine.lib import clock
from recomengine.lib.errors import DomainError
from tenants import audit, directory, tenancy
from tenants.types import Actor, TenantRef

TASK: Final = "events.go_on_erasing"
SETTLED: Final = 3  # seconds after which everything is written that was under way when an erasure began
log = structlog.get_logger(__name__)


def erase(tenant: TenantRef, identifier: str, *, by: Actor) -> Erasure:
    """Erase what is stored under an id, and have a worker erase the rest; `invalid` if it can be no id."""
    owner = directory.get_model(tenant.slug)
    with transaction.atomic():
        with tenancy.use(tenant):
            row = _begin(tenant, checked(identifier))
        audit.record(by, "visitor.erased", ("erasure", str(row.pk)), owner, after={"events": row.events})
    try:
        _forget_in_redis(tenant, Subject.of(row))
        current_app.send_task(TASK, args=[tenant.slug], countdown=SETTLED)
    except (RedisError, OperationalError) as error:  # the periodic task goes on with it
        log.warning("erasure waits", tenant=tenant.slug, erasure=row.pk, error=type(error).__name__)
    return row


def get(tenant: TenantRef, erasure: int) -> Erasure:
    """How far an erasure is; `not_found` if there is none of that number."""
    with tenancy.use(tenant):
        row = Erasure.objects.filter(pk=erasure).first()
    if row is None:
        raise DomainError("not_found", "There is no such erasure.")
    return row


def lately(tenant: TenantRef, most: int) -> list[Erasure]:
    """The newest erasures first."""
    with tenancy.use(tenant):
        return list(Erasure.objects.all()[:most])


_DELETE: Final = """
    WITH gone AS (DELETE FROM events_event WHERE visitor_id = %(id)s OR user_id = %(id)s RETURNING *)
    SELECT visitor_id, user_id, count(*) FILTER (WHERE line = 0) FROM gone GROUP BY visitor_id, user_id
"""
_DELETE_ANONYMOUS: Final = """
    WITH gone AS (DELETE FROM events_event WHERE visitor_id = ANY(%s) AND user_id IS NULL RETURNING line)
    SELECT count(*) FILTER (WHERE line = 0) FROM gone
"""


def _begin(tenant: TenantRef, identifier: str) -> Erasure:
    with connection.cursor() as cursor:
        cursor.execute(_DELETE, {"id": identifier})
        gone = cursor.fetchall()
    others = {(visitor, user) for visitor, user, _ in gone}
    browsers = sorted({visitor for visitor, user in others if user == identifier} - {identifier})
    users = sorted({user for _, user in others if user is not None} - {identifier})
    row = Erasure.objects.create(
        digest=digest_of(tenant, identifier),
        subject=asdict(Subject(identifier, tuple(browsers), tuple(users))),
        events=sum(events for *_, events in gone),
    )
    row.refresh_from_db()
    if not ArchivedMonth.objects.filter(dropped_at__isnull=False).exists():
        _erase_browsers(tenant, row)  # the database knows all of them
    elsewhere.erase(tenant, Subject.of(row))
    return row


def go_on(tenant: TenantRef) -> None:
    """Finish the erasures that wait; `conflict` while somebody else writes or reads the archive."""
    with tenancy.use(tenant):
        waiting = list(Erasure.objects.filter(completed_at=None).order_by("pk"))
    if not waiting:
        return
    with archiving.alone(tenant):
        for row in waiting:
            _finish(tenant, row)


def _finish(tenant: TenantRef, row: Erasure) -> None:
    if Subject.of(row).own is None:
        _erase_browsers(tenant, row)
    _forget_in_redis(tenant, Subject.of(row))
    trending.rebuild(tenant)
    subject = Subject.of(row)
    elsewhere.erase(tenant, subject)  # again: other processes may have had something to write
    forgetting.forget(tenant, {subject.id, *subject.own_browsers})
    for archived in archive.months(tenant):
        if row.archived_until is None or archived.month > row.archived_until:
            _erase_archived(tenant, row, archived)
    row.completed_at, row.subject = clock.now(), {}
    with tenancy.use(tenant):
        row.save(update_fields=["completed_at", "subject"])
    log.info("visitor erased", tenant=tenant.slug, erasure=row.pk, events=row.events, archived=row.archived_events)


def _forget_in_redis(tenant: TenantRef, subject: Subject) -> None:
    """Histories of all whom it concerns are written anew from what is left; the live stream just loses its entries."""
    history.rewrite(tenant, subject.visitors, [subject.id, *subject.users])
    live_entries.forget(tenant.slug)


def _erase_browsers(tenant: TenantRef, row: Erasure) -> None:
    """Erase the anonymous events of the browsers that are nobody else's."""
    subject = Subject.of(row)
    browsers = set(subject.browsers) | identities.seen_with(tenant, subject.id)
    own = identities.alone_with(tenant, subject.id, browsers)
    with tenancy.use(tenant), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_DELETE_ANONYMOUS, [own])
        row.events += cursor.fetchone()[0]
        row.subject = asdict(Subject(subject.id, tuple(sorted(browsers)), subject.users, tuple(own)))
        row.save(update_fields=["events", "subject"])


def _erase_archived(tenant: TenantRef, row: Erasure, archived: ArchivedMonth) -> None:
    """Write a month's file without the subject's events, remove the old one, and only then note that it is done."""
    subject, lines = Subject.of(row), 0
    for batch in archive.read(tenant, archived, ("visitor_id", "user_id")):
        lines += pc.sum(of_subject(batch, subject)).as_py() or 0
    if lines:
        _replace(tenant, row, archived, subject)
    archive.remove_others(tenant, archived)
    row.archived_until = archived.month
    with tenancy.use(tenant):
        row.save(update_fields=["archived_until"])


def _replace(tenant: TenantRef, row: Erasure, archived: ArchivedMonth, subject: Subject) -> None:
    erased = 0

    def others() -> Iterator[pa.RecordBatch]:
        nonlocal erased
        for batch in archive.read(tenant, archived):
            gone = of_subject(batch, subject)
            erased += pc.sum(pc.and_(gone, pc.equal(batch["line"], 0))).as_py() or 0
            yield batch.filter(pc.invert(gone))

    written = archive.write(tenant, archived.month, others())
    archived.rows, archived.sha256, archived.received_until = written.rows, written.sha256, written.received_until
    row.archived_events += erased
    with tenancy.use(tenant), transaction.atomic():
        archived.save(update_fields=["rows", "sha256", "received_until"])
        row.save(update_fields=["archived_events"])
