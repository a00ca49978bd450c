"""Importing sources again: when somebody asks, and by themselves."""

from typing import Final

import structlog
from django.db import transaction

from catalog import sources
from catalog.importing import requests, running
from catalog.importing.kind import CATALOGUE, FILES
from catalog.importing.types import NewImport
from catalog.models import Import, ImportedItem, Source
from imports import running as imports
from imports.models import over, pending
from imports.running import RESUMABLE
from recomengine.lib import clock
from recomengine.lib.errors import DomainError
from tenants import tenancy
from tenants.types import PLATFORM, Actor, TenantRef

REPORTS: Final = 10
"""Of so many imports of a source at most."""
log = structlog.get_logger(__name__)


def run_source(tenant: TenantRef, key: str, *, force: bool = False, by: Actor) -> Import:
    """Fetch a source and import it now; `force` reads the feed even if it is what it was the last time.

    Raises `not_found`, `invalid` for a source without a URL, and `conflict` while an import of it is under way.
    """
    source = sources.get(tenant, key)
    with tenancy.use(tenant):
        if _is_busy(source):
            raise DomainError("conflict", f"An import of source {key!r} waits or is under way already.")
        if force:
            sources.forget_version(source)
    row = requests.request(tenant, NewImport(source=key), by=by)
    _clear_before(tenant, row)
    CATALOGUE.run_later(tenant)
    return row


def tend(tenant: TenantRef) -> None:
    """Import the sources that are due, and see to it that somebody runs what waits or was interrupted."""
    for row in _start_due(tenant):
        _clear_before(tenant, row)
    if running.is_pending(tenant) and not running.is_running(tenant):
        CATALOGUE.run_later(tenant)


def _start_due(tenant: TenantRef) -> list[Import]:
    """An import for each source that is due, planned anew in the same transaction: however many ask, there is one."""
    started = []
    with transaction.atomic():
        with tenancy.use(tenant):
            due = list(Source.objects.select_for_update(skip_locked=True).filter(next_at__lte=clock.now()))
            idle = [source for source in due if not _is_busy(source)]
            for source in due:
                source.next_at = sources.next_of(source)
                source.save(update_fields=["next_at"])
        for source in idle:
            started += _started(tenant, source)
    return started


def _started(tenant: TenantRef, source: Source) -> list[Import]:
    try:
        return [requests.request(tenant, NewImport(source=source.key), by=PLATFORM)]
    except DomainError as error:  # the others are due as well
        log.warning("source not imported", tenant=tenant.slug, source=source.key, error=str(error))
        return []


def _is_busy(source: Source) -> bool:
    return pending(Import.objects.all()).filter(source=source).exists()


def _clear_before(tenant: TenantRef, row: Import) -> None:
    """What the imports of the source before this one left to be gone on with is out of date."""
    with tenancy.use(tenant):
        earlier = over(Import.objects.all()).filter(source=row.source_id).exclude(pk=row.pk)
        before = list(earlier.values_list("pk", flat=True)[: 2 * REPORTS])
        for pk in before:
            FILES.discard(tenant, pk)
        ImportedItem.objects.filter(import_run__in=before).delete()
        CATALOGUE.forget_rejected(before[REPORTS:])


def tidy(tenant: TenantRef) -> None:
    """Remove the files, and what was noted row by row, of imports that ended long enough ago."""
    with tenancy.use(tenant):
        old = over(Import.objects.all()).filter(finished_at__lt=clock.now() - RESUMABLE)
        ImportedItem.objects.filter(import_run__in=old).delete()
    imports.tidy(CATALOGUE, tenant)
